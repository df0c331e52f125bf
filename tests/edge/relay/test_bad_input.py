"""Everything that can be wrong with a call before it goes upstream: a clear error in OpenAI's form with the right status and code,
nothing charged, nothing sent upstream, no hold left. What upstreams do wrong is in test_upstreams_gone_bad."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import insert, update

from schema.tables import Ability, Channel, LedgerEntry, Token, User
from tests.system import BALANCE, KEY, PRICE, System, open_system, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("bad-input")]
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hello"}]
GOOD = {"model": "plain", "messages": MESSAGES}
OTHER_KEYS = {  # token id -> what is special about it
    "expired": {"expired_time": 1_000_000_000},
    "markedexpired": {"status": 3},
    "exhausted": {"status": 4},
    "spent": {"unlimited_quota": False, "remain_quota": 0},
    "off": {"status": 2},
    "narrow": {"model_limits_enabled": True, "model_limits": "stream,slow"},
    "small": {"unlimited_quota": False, "remain_quota": PRICE - 1},
    "badgroup": {"group": "secret"},
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder: Path = tmp_path_factory.mktemp("input")
    environ = {"MAX_REQUEST_BODY_MB": "8", "REQUEST_HEADER_TIMEOUT": "2", "REQUEST_BODY_TIMEOUT": "2"}
    async with open_system(folder, environ=environ) as system:
        await system.seed(users=3, models=("elsewhere", "sleeping"))
        async with system.engine.begin() as db:
            await db.execute(update(User).where(User.id == 2).values(status=2))
            await db.execute(update(User).where(User.id == 3).values(quota=PRICE - 1))
            less = {"kind": "adjust", "reference": "poor", "user_id": 3, "delta": PRICE - 1 - BALANCE, "at_ms": 1}
            await db.execute(insert(LedgerEntry).values(**less))
            for number, (name, special) in enumerate(OTHER_KEYS.items(), 50):
                values = {"status": 1, "expired_time": -1, "unlimited_quota": True, "remain_quota": 0, **special}
                await db.execute(insert(Token).values(id=number, user_id=1, key=f"{KEY[:20]}{name}", **values))
                await db.execute(
                    insert(LedgerEntry).values(
                        kind="opening", reference=f"token:{number}", balance="token", user_id=1, token_id=number, delta=0,
                        token_delta=values["remain_quota"], at_ms=1,
                    )
                )  # fmt: skip
            await db.execute(update(Ability).where(Ability.model == "elsewhere").values(group="vip"))
            base = f"http://127.0.0.1:{system.upstream.port}"
            off = {"id": 2, "type": 1, "key": "k", "status": 2, "name": "off", "base_url": base, "models": "sleeping"}
            await db.execute(insert(Channel).values(**off, group="default", priority=0, weight=0, provider="openai"))
            await db.execute(
                update(Channel).where(Channel.id == 1).values(models="plain,stream,slow,unpriced", group="default")
            )
        system.add_edge()
        system.add_worker()
        await system.ready()
        yield system


def _key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer sk-{KEY[:20]}{name}"}


MINE = {"authorization": f"Bearer sk-{KEY}1"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        pytest.param({}, GOOD, 401, "invalid_token", id="no key"),
        pytest.param({"authorization": ""}, GOOD, 401, "invalid_token", id="an empty key"),
        pytest.param(_key("wrong"), GOOD, 401, "invalid_token", id="a wrong key"),
        pytest.param({"authorization": "Bearer sk-a b'c\"--"}, GOOD, 401, "invalid_token", id="no key at all"),
        pytest.param(_key("expired"), GOOD, 401, "invalid_token", id="an expired key"),
        pytest.param(_key("markedexpired"), GOOD, 401, "invalid_token", id="a key marked as expired"),
        pytest.param(_key("exhausted"), GOOD, 401, "invalid_token", id="an exhausted key"),
        pytest.param(_key("spent"), GOOD, 401, "invalid_token", id="a limited key with nothing left"),
        pytest.param(_key("off"), GOOD, 401, "invalid_token", id="a disabled key"),
        pytest.param({"authorization": f"Bearer sk-{KEY}2"}, GOOD, 403, "user_disabled", id="a banned user"),
        pytest.param(
            {"authorization": f"Bearer sk-{KEY}3"}, GOOD, 403, "insufficient_user_quota", id="a balance too small"
        ),
        pytest.param(_key("small"), GOOD, 403, "pre_consume_token_quota_failed", id="a token too small"),
        pytest.param(_key("badgroup"), GOOD, 403, "group_not_allowed", id="a group that may not be used"),
        pytest.param(_key("narrow"), GOOD, 403, "model_not_allowed", id="a model that the key may not use"),
        pytest.param(MINE, {**GOOD, "model": "nobody-has-it"}, 503, "no_channel", id="an unknown model"),
        pytest.param(MINE, {**GOOD, "model": "elsewhere"}, 503, "no_channel", id="no channel in this group"),
        pytest.param(MINE, {**GOOD, "model": "sleeping"}, 503, "no_channel", id="the only channel is disabled"),
        pytest.param(
            {**MINE, "authorization": MINE["authorization"] + "-1"}, GOOD, 403, "channel_pin_refused", id="pin"
        ),
        pytest.param(MINE, b"", 400, "invalid_request", id="no body"),
        pytest.param(MINE, b"hello", 400, "invalid_request", id="a body that is not JSON"),
        pytest.param(MINE, b'{"model":"plain",', 400, "invalid_request", id="half a JSON"),
        pytest.param(MINE, b"[1,2]", 400, "invalid_request", id="JSON of another form"),
        pytest.param(MINE, b"\xff\xfe\x00", 400, "invalid_request", id="bytes"),
        pytest.param(MINE, b'{"a":' * 20_000, 400, "invalid_request", id="JSON without a bottom"),
        pytest.param(MINE, {"messages": MESSAGES}, 400, "invalid_request", id="no model"),
        pytest.param(MINE, {**GOOD, "model": 7}, 400, "invalid_request", id="a model that is a number"),
        pytest.param(MINE, {**GOOD, "max_tokens": -5}, 400, "invalid_text_request", id="fewer than no tokens"),
        pytest.param(
            MINE, {**GOOD, "max_tokens": 1 << 31}, 400, "invalid_text_request", id="more tokens than there are"
        ),
        pytest.param(MINE, b" " * (50 << 20), 413, "request_too_large", id="50 MB"),
        pytest.param({**MINE, "content-encoding": "br"}, b"x", 415, "unsupported_encoding", id="an unknown packing"),
    ],
)
async def test_refused(system: System, headers: dict[str, str], body: object, status: int, code: str):
    calls = dict(system.upstream.calls)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(base_url=system.address(), trust_env=False, timeout=60) as http:
        answer = await http.post(CHAT, content=content, headers={**JSON, **headers})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"} and {"message", "type", "code"} <= set(error)
    assert error["message"].endswith(")") and answer.headers["x-oneapi-request-id"] in error["message"]
    assert KEY[:20] not in answer.text, "a key is never repeated"
    assert answer.headers["content-type"].startswith("application/json")
    assert system.upstream.calls == calls, "nothing goes upstream"
    await until(system.no_holds, "no hold is left behind")


async def test_afterwards_the_books_know_of_nothing(system: System):
    """All of the above, then one good call: it is the only one."""
    async with system.client() as http:
        answer = await http.post(CHAT, json=GOOD)
    assert answer.status_code == 200
    await system.check_books({answer.headers["x-request-id"]})
    assert await system.balance() == BALANCE - PRICE
    assert await system.logged() == 1


async def _dribble(system: System, head: bytes) -> tuple[bytes, float]:
    """Send a head, then a byte each 0.3 s; what comes back, and after how many seconds."""
    begun_s = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", system.ports[0])
    writer.write(head)
    answer = asyncio.create_task(reader.read(2000))
    try:
        while not answer.done():
            writer.write(b"a")
            await asyncio.sleep(0.3)
            assert asyncio.get_running_loop().time() - begun_s < 40, "a slow client is held for ever"
        with_error = answer.exception()
        return b"" if with_error else answer.result(), asyncio.get_running_loop().time() - begun_s
    finally:
        writer.close()


async def test_slow_clients_are_cut_off_and_hold_up_nobody(system: System):
    """Slow-loris in the head and in the body, a hundred of them; others are served meanwhile."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-%b1\r\n" % KEY.encode()
    in_head = head + b"x-slow: "
    in_body = head + b"content-type: application/json\r\ncontent-length: 5000\r\n\r\n"
    slow = [asyncio.create_task(_dribble(system, data)) for data in (in_head, in_body) * 50]
    async with system.client() as http:
        while not all(task.done() for task in slow):
            answer = await http.post(CHAT, json=GOOD)
            assert answer.status_code == 200
            await asyncio.sleep(0.2)
    for number, task in enumerate(slow):
        answer, took_s = task.result()
        assert took_s > 0.5, (number, took_s, answer)  # a busy loop's clock stands still: not the whole two seconds
        if number % 2:
            assert answer.startswith(b"HTTP/1.1 408 ") and b'"request_timeout"' in answer, answer
        else:
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer
    await until(system.no_holds, "no hold is left behind")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"".join(b"x-%d: y\r\n" % number for number in range(5000)), id="thousands"),
        pytest.param(b"x-big: " + b"y" * (2 << 20) + b"\r\n", id="one of two megabytes"),
        pytest.param(b"no colon here\r\n", id="no header"),
        pytest.param(b"content-length: 5\r\ncontent-length: 6\r\n", id="two lengths"),
        pytest.param(b"content-length: -1\r\n", id="a negative length"),
    ],
)
async def test_header_bombs(system: System, headers: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", system.ports[0])
    answer = b""
    try:
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n")
        answer = await asyncio.wait_for(reader.read(200), 30)
    except ConnectionError:
        pass  # cut off while it was still sending
    finally:
        writer.close()
    assert answer == b"" or answer.split()[1] in (b"400", b"431"), answer

    async def quiet() -> bool:
        return await system.holds() == 0

    await until(quiet, "holds are left")
    async with system.client() as http:
        assert (await http.post(CHAT, json=GOOD)).status_code == 200
