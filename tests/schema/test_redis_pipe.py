"""The hot path's connection to Redis, over a real server: answers in order, to futures and to callbacks alike, and when it breaks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import hiredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from schema.cluster_pipe import over_pipe
from schema.redis_pipe import RedisAway, RedisPipe
from tests.services import run_valkey


@pytest.fixture
async def pipe() -> AsyncIterator[RedisPipe]:
    with run_valkey() as url:
        pipe = RedisPipe(url)
        await pipe.connect()
        yield pipe
        await pipe.close()


async def test_callbacks_and_futures_are_answered_in_order(pipe: RedisPipe):
    told: list[Any] = []
    pipe.send(told.append, b"SET", "a", 1)
    first = pipe.execute(b"INCR", "a")
    pipe.send(told.append, b"INCR", "a")
    assert await pipe.execute(b"INCR", "a") == 4
    assert (told, first.result()) == ([b"OK", 3], 2)


async def test_what_a_last_step_sends_leaves_with_the_rest(pipe: RedisPipe):
    written: list[int] = []
    assert pipe._wire is not None
    transport = pipe._wire.transport

    class Counting:
        def write(self, data: bytes) -> None:
            written.append(data.count(b"INCR"))
            transport.write(data)

    pipe._wire.transport = Counting()
    told: list[Any] = []
    pipe.before_leaving(lambda: pipe.send(told.append, b"INCR", "a"))
    assert await pipe.execute(b"INCR", "a") == 1
    assert (told, written) == ([2], [2])
    pipe.before_leaving(lambda: None)  # sends nothing
    assert await pipe.execute(b"INCR", "a") == 3
    pipe._wire.transport = transport


async def test_what_the_server_refuses_is_told_to_the_one_who_asked(pipe: RedisPipe):
    told: list[Any] = []
    pipe.send(told.append, b"NO SUCH COMMAND")
    with pytest.raises(hiredis.ReplyError):
        await pipe.execute(b"INCR", "a", "b")
    assert [type(one) for one in told] == [hiredis.ReplyError]
    assert await pipe.execute(b"PING") == b"PONG"


async def test_who_gave_up_waiting_holds_up_nobody(pipe: RedisPipe):
    given_up = pipe.execute(b"INCR", "a")
    given_up.cancel()
    assert await pipe.execute(b"INCR", "a") == 2


async def test_a_broken_connection_is_told_to_all_who_wait_and_at_once_to_those_who_come_later(pipe: RedisPipe):
    told: list[Any] = []
    waiting = pipe.execute(b"BLPOP", "nothing", 0)
    pipe.send(told.append, b"PING")
    await asyncio.sleep(0.05)
    assert pipe._wire is not None
    pipe._wire.transport.abort()
    with pytest.raises(RedisAway):
        await waiting
    if not pipe.connected:
        pipe.send(told.append, b"PING")
        assert len(told) == 2
    assert {type(one) for one in told} == {RedisAway}


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (RedisAway("gone"), RedisConnectionError),
        (hiredis.ReplyError("LOADING the dataset"), RedisConnectionError),
        (hiredis.ReplyError("READONLY a replica"), hiredis.ReplyError),
        (hiredis.ReplyError("NOSCRIPT no such script"), hiredis.ReplyError),
    ],
    ids=str,
)
async def test_over_a_pipe_a_server_that_does_not_serve_is_away(answer: Exception, raised: type[Exception]):
    class Failing:
        async def execute(self, *_: Any) -> Any:
            raise answer

    pipe: Any = Failing()
    with pytest.raises(raised):
        await over_pipe(pipe)(b"GET", "key")
