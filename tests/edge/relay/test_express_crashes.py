"""Whatever breaks inside a callback of the express way: the client is answered once, no hold is left, nothing is charged twice."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.channels import index_channels, read_channel
from edge.door.connection import Connection
from edge.door.exchange import Exchange
from edge.door.listener import Door
from edge.health.watch import Health
from edge.metrics import Meters
from edge.relay.call import Relay
from edge.relay.callers import Caller
from edge.relay.express import Express
from edge.relay.express_call import ExpressCall
from edge.relay.express_stream import ExpressStream
from edge.relay.lanes import Lanes
from edge.relay.live import LiveCall
from edge.relay.passed_stream import PassedStream
from edge.relay.routes import find_place
from edge.snapshot import EdgeSnapshot
from edge.upstream import http1
from schema.config import read_config
from schema.dialects.providers.settings import read_settings
from schema.ledger.hot import Reserved
from schema.options import read_options
from schema.quota import Quota
from schema.secrets import Vault
from schema.tables import Channel
from tests.system import ANSWER, CHUNK, LAST

BODY = b'{"model":"plain","messages":[{"role":"user","content":"hello"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-key\r\ncontent-length: %d\r\n\r\n%b"
FOUND = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
PLAIN = [FOUND % (b"application/json", len(ANSWER)) + ANSWER]
BURST = [FOUND % (b"text/event-stream", len(CHUNK + LAST)) + CHUNK + LAST]
STREAM = [FOUND % (b"text/event-stream", len(CHUNK + LAST)), CHUNK, LAST]


class Transport:
    def __init__(self, on_write: Callable[[bytes], None]) -> None:
        self.write, self.closed = on_write, False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return ("127.0.0.1", 5)


class Cuttable(Transport):
    """Of a provider's connection."""

    connection: http1.Connection

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class Money:
    """HotLedger, Settling and Allowance in one: what is held and what was charged."""

    keys = None

    def __init__(self, at_once: bool) -> None:
        self.at_once, self.held, self.charged = at_once, 0, 0
        self.ids: list[str] = []

    async def execute(self, *command: Any) -> Any: ...

    def hold_at_once(self, user_id: int, token_id: int | None, amount: int) -> Any:
        if self.at_once:
            self.held += amount
        return self if self.at_once else None

    def reserve_soon(self, on_answer: Callable[[Any], None], *, amount: int, **_: Any) -> None:
        self.held += amount
        asyncio.get_running_loop().call_soon(on_answer, True)

    async def reserve(self, *, amount: int, **_: Any) -> Reserved:
        self.held += amount
        return Reserved(Quota(1))

    def deadline_ms(self, in_s: float) -> int:
        return 0

    def settle_soon(self, record: Any, on_answer: Callable[[Any], None], allowance: Any, amount: int) -> None:
        self.held -= amount
        self.charged += 1
        self.ids.append(record.request_id)
        asyncio.get_running_loop().call_soon(on_answer, False)

    async def settle(self, record: Any, allowance: Any = None, amount: int = 0) -> None:
        self.held -= amount
        self.charged += not record.error_code
        self.ids.append(record.request_id)

    async def release(self, request_id: str, user_id: int) -> None:
        self.held = 0


class Allowing(Money):
    def release(self, amount: int) -> None:  # type: ignore[override]  # of an allowance
        self.held -= amount


class Bench:
    """Door and relay without sockets: the provider answers in the next turn of the loop."""

    def __init__(self, at_once: bool, answer: list[bytes] = PLAIN) -> None:
        """`answer`: parts that arrive one after the other."""
        self.answer = answer
        body = BODY if answer is PLAIN else BODY[:-1] + b',"stream":true}'
        self.request = HEAD % (len(body), body)
        config = read_config({"SESSION_SECRET": "s" * 32})
        options = read_options({"ModelPrice": '{"plain":0.00045}', "RetryTimes": "0"}, version=1, one_api_origin=False)
        row = Channel(id=1, type=1, key="sk-up", status=1, name="c", weight=0, base_url="http://up", models="plain",
                      group="default", priority=0, provider="openai")  # fmt: skip
        channel = read_channel(row, Vault("x" * 32, ""), one_api=False)
        settings = read_settings(options, config)
        snapshot = EdgeSnapshot(options, settings, {1: channel}, index_channels([channel]), Lanes(settings), True)
        caller = Caller(1, "t", 1, -1, False, 0, frozenset(), None, "", 1, "ann", 1, "default", 1)
        self.money: Money = Allowing(True) if at_once else Money(False)
        self.meters = Meters()
        self.health = Health(None, None, None)  # type: ignore[arg-type]  # neither SQL nor Redis is asked

        class Callers:
            def at_hand(self, digest: bytes) -> Caller:
                return caller

        class Snapshots:
            current = snapshot

        money: Any = self.money
        self.relay = Relay(config, Snapshots(), Callers(), money, money, self.meters, self.health, None)  # type: ignore[arg-type]
        self.relay.http._connect = self.connect  # type: ignore[method-assign,assignment]
        express = Express(self.relay)
        place = find_place("/v1/chat/completions")
        assert place is not None
        self.door = Door(
            lambda scope, receive, send: self.relay(scope, receive, send, place),
            back="",
            head_s_max=9,
            express=express.take,
        )
        self.out = b""
        self.connect_client()

    def connect_client(self) -> None:
        self.client = Connection(self.door)
        self.transport = Transport(self.written)
        self.client.connection_made(self.transport)

    def written(self, data: bytes) -> None:
        self.out += data

    async def connect(self, origin: http1.Origin, timeout_s: float) -> http1.Connection:
        loop = asyncio.get_running_loop()
        connection = http1.Connection(loop, self.relay.http._limits, origin)
        transport = Cuttable(lambda _: loop.call_soon(self.respond, connection) and None)
        transport.connection = connection
        connection.connection_made(transport)
        return connection

    def respond(self, connection: http1.Connection) -> None:
        for part in self.answer:
            if not connection.transport.closed:
                connection.data_received(part)

    async def ask(self) -> int:
        """The status of the answer; 0: none came."""
        self.out = b""
        self.client.data_received(self.request)
        for _ in range(60):
            if self.client.current is None:
                break
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert self.out.count(b"HTTP/1.1 ") <= 1, "answered twice"
        return int(self.out.split()[1]) if self.out else 0


@pytest.fixture(params=[True, False], ids=["set aside", "asked for"])
def at_once(request: pytest.FixtureRequest) -> Iterator[bool]:
    yield request.param


ANSWERS = {"plain": PLAIN, "burst": BURST, "stream": STREAM}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", list(ANSWERS))
async def test_the_bench_goes_the_express_way(at_once: bool, kind: str):
    bench = Bench(at_once, ANSWERS[kind])
    assert [await bench.ask() for _ in range(5)] == [200] * 5
    assert bench.meters.express == 4
    assert (bench.money.held, bench.money.charged, len(set(bench.money.ids))) == (0, 5, 5)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", list(ANSWERS))
async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(at_once: bool, kind: str):
    """It is rarely asked to look, and a burst has its bytes some three times."""
    bench = Bench(at_once, ANSWERS[kind])
    gc.collect()
    gc.disable()
    try:
        assert [await bench.ask() for _ in range(5)] == [200] * 5
        left = [one for one in gc.get_objects() if isinstance(one, LiveCall | PassedStream)]
    finally:
        gc.enable()
    assert not left


POINTS: dict[str, Callable[[Bench], tuple[Any, str]]] = {
    "choose": lambda bench: (bench.health.picker, "only"),
    "way": lambda bench: (ExpressCall, "record"),
    "begin": lambda bench: (bench.health, "begin"),
    "idle": lambda bench: (bench.relay.http, "take_idle"),
    "send": lambda bench: (bench.relay.http, "send"),
    "hold": lambda bench: (bench.money, "hold_at_once"),
    "ask for the hold": lambda bench: (bench.money, "reserve_soon"),
    "take": lambda bench: (bench.relay.http, "take_answer"),
    "settle": lambda bench: (bench.money, "settle_soon"),
    "count": lambda bench: (bench.meters, "settled"),
    "answer": lambda bench: (ExpressCall, "_reply_at_once"),
    "health": lambda bench: (bench.health, "succeeded"),
    "left": lambda bench: (bench.health, "left"),
    "close": lambda bench: (ExpressCall, "close"),
}
OF_STREAMS: dict[str, Callable[[Bench], tuple[Any, str]]] = {
    "turn": lambda bench: (PassedStream, "turn"),
    "what was held back": lambda bench: (PassedStream, "last_of_whole"),
    "watch": lambda bench: (bench.relay.http, "watch"),
    "begin the answer": lambda bench: (ExpressStream, "begin_at_once"),
    "write": lambda bench: (Exchange, "write_part"),
    "end": lambda bench: (Exchange, "end"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("times", [1, 100])
@pytest.mark.parametrize(
    ("point", "kind"),
    [(point, kind) for point in POINTS for kind in ANSWERS]
    + [(point, kind) for point in OF_STREAMS for kind in ("burst", "stream")],
)
async def test_a_crash_at_any_point(at_once: bool, point: str, kind: str, times: int, monkeypatch: pytest.MonkeyPatch):
    bench = Bench(at_once, ANSWERS[kind])
    assert [await bench.ask() for _ in range(2)] == [200, 200]
    where, name = (POINTS | OF_STREAMS)[point](bench)
    whole, left = getattr(where, name), times
    bench.health.board.version += point == "choose"

    def crash(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise RuntimeError("broken")
        return whole(*arguments, **more)

    monkeypatch.setattr(where, name, crash)
    status = await bench.ask()
    monkeypatch.undo()
    assert status in (200, 500), bench.out
    if (point, kind, times) == (
        "way",
        "stream",
        100,
    ):  # what was seen cannot be charged: the hold is left to the reaper
        assert (bench.money.held, bench.money.charged) == (225, 2)
        return
    assert bench.money.held == 0 or (point == "settle" and at_once), (
        "rather lost with the process than given back twice"
    )
    assert bench.money.charged <= 3 and len(set(bench.money.ids)) == len(bench.money.ids), "charged twice"
    if status == 200 or point not in ("settle", "count", "answer", "health", "left", "close"):
        assert bench.money.charged == 2 + (status == 200)
    assert not bench.door._calls
    if (point, times) != ("left", 100):
        assert bench.health.board.in_flight[1] == 0
    if (point, times) != ("close", 100):
        assert not bench.relay.open.calls
    if bench.transport.closed:
        assert point == "end", "the client must not take half an answer for a whole one"
        bench.connect_client()
    assert await bench.ask() == 200, "the next call is not concerned"


@pytest.mark.asyncio
async def test_a_call_that_cannot_even_begin_is_answered(at_once: bool, monkeypatch: pytest.MonkeyPatch):
    bench = Bench(at_once)
    assert [await bench.ask() for _ in range(2)] == [200, 200]

    def crash(*arguments: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(ExpressCall, "__init__", crash)
    assert await bench.ask() == 500
    monkeypatch.undo()
    assert await bench.ask() == 200


@pytest.mark.asyncio
async def test_a_settlement_that_fails_for_no_reason_of_redis_is_an_error(
    at_once: bool, monkeypatch: pytest.MonkeyPatch
):
    bench = Bench(at_once)
    assert [await bench.ask() for _ in range(2)] == [200, 200]

    def settle(record: Any, on_answer: Callable[[Any], None], allowance: Any, amount: int) -> None:
        bench.money.held -= amount
        asyncio.get_running_loop().call_soon(on_answer, AssertionError("not what our script answers"))

    monkeypatch.setattr(bench.money, "settle_soon", settle)
    assert await bench.ask() == 500
    assert not bench.relay.open.calls and bench.health.board.in_flight[1] == 0
