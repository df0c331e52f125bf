"""The express way: taken where nothing is out of the ordinary; whatever else happens goes on in the ordinary way, with the same bill."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, update

from schema.tables import Ability, Channel, OptionRow, Token
from tests.express_client import CHAT, Answer, Client, expressed, replayed, rows, settled, turning, whole
from tests.system import ANSWER, BALANCE, KEY, PRICE, Behaviour, System, open_system, plain, raw, streamed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("express")]


ERROR = b'{"error":{"message":"no","type":"server_error","code":"x"}}'
LARGE = ANSWER.replace(b'"hi"', b'"' + b"h" * 600_000 + b'"')
GOOD: dict[str, Behaviour] = {
    "inparts": turning(raw(whole(ANSWER)[:30], 0.05, whole(ANSWER)[30:90], 0.05, whole(ANSWER)[90:])),
    "chunked": raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        b"%x\r\n%b\r\n" % (len(ANSWER), ANSWER),
        0.05,
        b"0\r\n\r\n",
    ),
    "untilclose": turning(raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + ANSWER, close=True)),
    "continues": turning(raw(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(ANSWER))),
}
OTHERWISE: dict[str, Behaviour] = {  # answers that are good and not of the common kind
    "large": turning(raw(whole(LARGE))),
    "created": turning(raw(whole(ANSWER, b"201 Created"))),
    "unusual": turning(raw(whole(ANSWER, kind=b"text/json"))),
    "unasked": turning(streamed(3, 0.0)),
}
BAD: dict[str, Behaviour] = {
    "garbage": turning(raw(b"\x00\x01 this is no HTTP\r\n\r\n", close=True)),
    "nojson": turning(raw(whole(b"<html>welcome</html>"))),
    "halfhead": turning(raw(b"HTTP/1.1 200 OK\r\ncontent-ty", close=True)),
    "halfbody": turning(raw(whole(ANSWER)[:-20], close=True)),
    "hangs": turning(raw(30.0)),
    "hangsinside": turning(raw(whole(ANSWER)[:-20], 30.0)),
    "trickles": turning(raw(whole(ANSWER)[:-40], *[b" ", 0.8] * 39)),
    "error": turning(raw(whole(ERROR, b"500 Oops"))),
    "errorinside": turning(raw(whole(ERROR))),
    "toolarge": turning(raw(whole(ANSWER, b"413 Too Large"))),
}
MORE: dict[str, Behaviour] = {
    "flaky": turning(*[raw(whole(ERROR, b"500 Oops")), plain] * 50),
    "stale": turning(raw(whole(ANSWER), close=True)),
    "leaves": turning(raw(30.0)),
    "later": turning(raw(2.5, whole(ANSWER))),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder: Path = tmp_path_factory.mktemp("express")
    times = {"RELAY_FIRST_BYTE_TIMEOUT": "3", "RELAY_TIMEOUT": "4", "EDGE_WORKERS": "1"}
    async with open_system(folder, environ=times, **GOOD, **OTHERWISE, **BAD, **MORE) as system:
        await system.seed(
            users=4,
            BreakerEnabled="false",
            AutomaticDisableChannelEnabled="false",
            RetryTimes="0",
            cooldown_seconds="0",
        )
        system.add_edge()
        system.add_worker()
        await system.ready()
        yield system


async def taken(system: System, calls: Callable[[], Awaitable[Any]]) -> tuple[Any, int, int]:
    """What the calls gave, how many of them went the express way, and how often they were made until they took less than a second:
    a caller is looked up again after 1.5 s, and the call that does it goes the ordinary way."""
    times, began = 0, 0.0
    while not times or time.monotonic() - began > 1:
        times += 1
        await asyncio.sleep(1.6)  # the first call looks the caller up
        count, began = await expressed(system), time.monotonic()
        found = await calls()
    return found, await expressed(system) - count, times


async def test_plain_calls_take_it_and_are_billed_and_answered_as_others(system: System):
    before = await system.balance()

    async def ask_nine() -> list[Answer]:
        async with Client(system) as client:
            return [await client.ask("plain") for _ in range(9)]

    (first, *later), count, times = await taken(system, ask_nine)
    assert count == 8, "the first call teaches head, way and connection; the others need no task"
    for answer in later:
        assert (answer.status, answer.body) == (200, ANSWER)
        same = re.sub(r"(date|x-\S*request-id): .*", "", first.head)
        assert re.sub(r"(date|x-\S*request-id): .*", "", answer.head) == same
    assert len({answer.request_id for answer in later}) == 8
    ordinary, *others = await rows(system, first, *later)
    assert others == [ordinary] * 8
    await settled(system, before, times * 9 * PRICE)


async def test_clients_that_write_head_and_body_apart_take_it_too(system: System):
    before = await system.balance()

    async def ask_five() -> None:
        async with system.client() as http:
            body = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
            for _ in range(5):
                assert (await http.post(CHAT, json=body)).content == ANSWER

    _, count, times = await taken(system, ask_five)
    assert count == 4
    await settled(system, before, times * 5 * PRICE)


async def test_many_at_once(system: System):
    before, count = await system.balance(), await expressed(system)

    async def ask_some() -> None:
        async with Client(system) as client:
            for _ in range(20):
                assert (await client.ask("plain")).body == ANSWER

    await asyncio.gather(*(ask_some() for _ in range(16)))
    assert await expressed(system) - count > 200
    await settled(system, before, 320 * PRICE)


@pytest.mark.parametrize("model", list(GOOD))
async def test_whatever_way_a_good_answer_comes(system: System, model: str):
    before, count = await system.balance(), await expressed(system)
    async with Client(system) as client:
        answers = [await client.ask(model) for _ in range(3)]
    assert [answer.body for answer in answers] == [ANSWER] * 3
    assert await expressed(system) > count
    await settled(system, before, 3 * PRICE)


@pytest.mark.parametrize("model", list(OTHERWISE))
async def test_answers_out_of_the_ordinary_are_handed_over(system: System, model: str):
    before, count = await system.balance(), await expressed(system)
    async with Client(system) as client:
        await client.ask(model)
        answer = await client.ask(model)
    assert answer.status == 200 and b'"usage"' in answer.body
    assert await expressed(system) == count
    await settled(system, before, 2 * PRICE)


@pytest.mark.parametrize("model", list(BAD))
async def test_what_goes_wrong_ends_as_in_the_ordinary_way(system: System, model: str):
    """The third call goes by another head, so that it is not known: the ordinary way says the same."""
    before, count = await system.balance(), await expressed(system)
    began = time.monotonic()
    async with Client(system) as client, Client(system) as other:
        assert (await client.ask(model)).status == 200
        express, ordinary = await asyncio.gather(client.ask(model), other.ask(model))
    assert time.monotonic() - began < 10
    assert express.status == ordinary.status >= 400
    assert re.sub(r"\d{14}\w{18}", "", express.body.decode()) == re.sub(r"\d{14}\w{18}", "", ordinary.body.decode())
    assert await expressed(system) == count
    await settled(system, before, PRICE)


NOT_TAKEN: dict[str, tuple[dict[str, str], dict[str, Any], int]] = {  # headers, members, status
    "query": ({"path": CHAT + "?a=b"}, {}, 200),
    "another dialect": ({"path": "/v1/messages"}, {"max_tokens": 9}, 200),
    "another mode": ({"path": "/v1/completions"}, {"prompt": "x"}, 0),
    "two keys": ({"x_api_key": "sk-other"}, {}, 401),
    "key elsewhere": ({"authorization": "", "x_api_key": f"sk-{KEY}1"}, {}, 200),
    "pinned": ({"authorization": f"Bearer sk-{KEY}1-1"}, {}, 403),
    "no such key": ({"authorization": "Bearer sk-nobody"}, {}, 401),
    "forwarded header": ({"openai_beta": "assistants=v2"}, {}, 200),
    "no limit like it": ({}, {"max_tokens": -1}, 400),
    "another address": ({"user": "2"}, {}, 403),
    "another model": ({"user": "3"}, {}, 403),
    "used up": ({"user": "4"}, {}, 403),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def limited(system: System) -> None:
    """Tokens of users 2, 3 and 4 may not call from here, not this model, and not for so much."""
    async with system.engine.begin() as db:
        await db.execute(update(Token).where(Token.id == 2).values(allow_ips="10.1.2.3"))
        await db.execute(update(Token).where(Token.id == 3).values(model_limits_enabled=True, model_limits="other"))
        await db.execute(update(Token).where(Token.id == 4).values(unlimited_quota=False, remain_quota=5))
    await asyncio.sleep(2)  # by then it is seen


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("name", list(NOT_TAKEN))
async def test_other_calls_go_the_ordinary_way(system: System, name: str):
    headers, more, status = NOT_TAKEN[name]
    headers = dict(headers)
    user = int(headers.pop("user", "1"))
    async with Client(system) as known:
        first = [await known.ask("plain") for _ in range(2)]
        count = await expressed(system)
        async with Client(system, user=user, **headers) as client:
            answers = [await client.ask("plain", **more) for _ in range(3)]
    assert len({answer.status for answer in answers}) == 1
    assert not status or answers[0].status == status, answers[0].body
    assert await expressed(system) == count
    await rows(system, *(answer for answer in (*first, *answers) if answer.status == 200))


async def test_each_idempotency_key_is_charged_once_and_packed_bodies_are_unpacked(system: System):
    before, count = await system.balance(), await expressed(system)
    async with Client(system, idempotency_key="once") as client:
        assert [(await client.ask("plain")).status for _ in range(3)] == [200, 409, 409]
    body = gzip.compress(b'{"model":"plain","messages":[]}')
    async with Client(system, content_encoding="gzip") as client:
        assert [(await client.ask("", body)).status for _ in range(3)] == [200, 200, 200]
    assert await expressed(system) == count
    await settled(system, before, 4 * PRICE)


async def test_bodies_that_are_no_requests_are_refused(system: System):
    count = await expressed(system)
    async with Client(system) as client:
        good = await client.ask("plain")
        for body in (b"{", b"[]", b'{"messages":[]}', b'{"model":5}', b'{"model":"nobody","messages":[]}'):
            assert (await client.ask("", body)).status in (400, 503), body
    assert await expressed(system) == count
    await rows(system, good)


async def test_requests_behind_each_other_are_answered_in_turn(system: System):
    before = await system.balance()
    async with Client(system) as client:
        assert (await client.ask("plain")).status == 200
        for _ in range(4):
            client.send("plain")
        assert [(await client.answer()).body for _ in range(4)] == [ANSWER] * 4
    await settled(system, before, 5 * PRICE)


async def test_changes_are_seen_at_once(system: System):
    """A plan that a head has is of no more weight than what it was made of."""
    before = await system.balance()
    async with Client(system) as client:
        for _ in range(3):
            assert (await client.ask("plain")).status == 200
        async with system.engine.begin() as db:
            await db.execute(update(Token).where(Token.id == 1).values(status=2))
        await asyncio.sleep(2)
        refused = await client.ask("plain")
        assert (refused.status, refused.code) == (401, "invalid_token")
        async with system.engine.begin() as db:
            await db.execute(update(Token).where(Token.id == 1).values(status=1))
        await asyncio.sleep(2)
        assert (await client.ask("plain")).status == 200
    await settled(system, before, 4 * PRICE)


async def test_a_connection_that_had_gone_stale_is_replaced_silently(system: System):
    before, calls = await system.balance(), system.upstream.calls.get("stale", 0)
    async with Client(system) as client:
        for _ in range(5):
            assert (await client.ask("stale")).body == ANSWER
    assert system.upstream.calls["stale"] == calls + 5
    await settled(system, before, 5 * PRICE)


async def test_a_failed_attempt_is_repeated_on_another_channel(system: System):
    base_url = f"http://127.0.0.1:{system.upstream.port}"
    async with system.engine.begin() as db:
        await db.execute(
            insert(Channel).values(
                id=2, type=1, key="sk-two", status=1, name="d", weight=0, base_url=base_url, models="flaky",
                group="default", priority=0, provider="openai",
            )
        )  # fmt: skip
        await db.execute(insert(Ability), [{"group": "default", "model": "flaky", "channel_id": 2, "enabled": True}])
        await db.execute(update(OptionRow).where(OptionRow.key == "RetryTimes").values(value="3"))
    await system.redis.hincrby("mx:ver", "channels", 1)
    await system.redis.hincrby("mx:ver", "options", 1)
    await asyncio.sleep(2)
    before, count, calls = await system.balance(), await expressed(system), system.upstream.calls.get("flaky", 0)
    async with Client(system) as client:
        answers = [await client.ask("flaky") for _ in range(8)]
    assert [answer.body for answer in answers] == [ANSWER] * 8
    assert system.upstream.calls["flaky"] > calls + 8
    assert any(len(row["other"]["admin_info"]["use_channel"]) > 1 for row in await rows(system, *answers))
    await settled(system, before, 8 * PRICE)
    async with system.engine.begin() as db:
        await db.execute(update(OptionRow).where(OptionRow.key == "RetryTimes").values(value="0"))
    await system.redis.hincrby("mx:ver", "options", 1)
    await asyncio.sleep(2)
    assert await expressed(system) >= count


async def test_a_client_that_leaves_ends_the_upstream_and_pays_nothing(system: System):
    before, broken = await system.balance(), system.upstream.broken
    async with Client(system) as client:
        assert (await client.ask("leaves")).status == 200
        client.send("leaves")
        await asyncio.sleep(0.3)
    del broken
    await settled(system, before, PRICE)


async def test_a_slow_answer_keeps_its_hold(system: System):
    before = await system.balance()
    async with Client(system) as client:
        assert (await client.ask("later")).status == 200
        assert (await client.ask("later")).body == ANSWER
    await settled(system, before, 2 * PRICE)


@pytest_asyncio.fixture(loop_scope="module")
async def own(tmp_path: Path) -> AsyncIterator[System]:
    """A system that may be broken."""
    slow = {
        "soon": turning(raw(1.5, whole(ANSWER))),
        "never": turning(raw(60.0)),
    }
    async with open_system(tmp_path, environ={"SHUTDOWN_TIMEOUT": "4", "SHUTDOWN_DELAY": "0"}, **slow) as system:
        await system.seed()
        system.add_edge()
        await system.ready()
        yield system


async def test_what_redis_cannot_take_goes_to_the_spool_before_it_is_answered(own: System):
    async with Client(own) as client:
        assert (await client.ask("soon")).status == 200
        client.send("soon")
        await asyncio.sleep(0.7)
        own.valkey.kill()
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, ANSWER)
        assert (await client.ask("soon")).status == 503, "nothing can be held"
    await replayed(own, answer, 2 * PRICE)


async def test_a_process_that_ends_waits_for_what_is_under_way_and_ends_the_rest(own: System):
    own.add_worker()
    async with Client(own) as client, Client(own) as other:
        for model in ("soon", "never"):
            assert (await client.ask(model)).status == 200
            assert (await other.ask(model)).status == 200 if model == "soon" else True
        client.send("soon")
        other.send("never")
        await asyncio.sleep(0.5)
        own.edges[0].terminate()
        answer, ended = await client.answer(), await other.answer()
        assert (answer.status, answer.body) == (200, ANSWER)
        assert (ended.status, ended.code) == (503, "shutting_down")
    assert await own.edges[0].wait() == 0
    await settled(own, BALANCE, 4 * PRICE)
