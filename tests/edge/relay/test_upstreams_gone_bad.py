"""Upstreams that answer garbage, half, nothing, too late or in the wrong form: a clear error or the rest of the stream, and the right bill."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import delete, insert, update

from schema.tables import OptionRow, User
from tests.system import ANSWER, CHUNK, LAST, PRICE, Behaviour, System, open_system, raw, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gone-bad")]
CHAT = "/v1/chat/completions"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_raw = partial(raw, close=True)  # then the connection is cut


def _json(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


LONG = CHUNK * 400  # tokens worth more than the small balance below
BEHAVIOURS: dict[str, Behaviour] = {
    "garbage": _raw(b"\x00\x01 this is no HTTP\r\n\r\n"),
    "nojson": _raw(_json(b"<html>welcome</html>")),
    "closes": _raw(),
    "halfhead": _raw(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "halfbody": _raw(_json(ANSWER)[:-20]),
    "hangs": _raw(30.0),
    "trickles": _raw(_json(ANSWER)[:-40], *[b" ", 0.8] * 39),
    "emptystream": _raw(STREAM_HEAD + b"0\r\n\r\n", close=False),
    "halfchunk": _raw(STREAM_HEAD, _chunk(CHUNK), b"ff\r\ndata: {"),
    "hangsmidway": _raw(STREAM_HEAD, _chunk(CHUNK), 30.0),
    "quiet": _raw(STREAM_HEAD, _chunk(CHUNK), 3.5, _chunk(LAST) + b"0\r\n\r\n", close=False),
    "wholeanswer": _raw(_json(ANSWER), close=False),
    "wholeerror": _raw(_json(b'{"error":{"message":"no","type":"server_error","code":"x"}}'), close=False),
    "costly": _raw(STREAM_HEAD, *[_chunk(LONG), 0.7] * 12, _chunk(LAST) + b"0\r\n\r\n"),
}
PER_TOKEN = {"costly"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder: Path = tmp_path_factory.mktemp("bad")
    times = {
        "RELAY_FIRST_BYTE_TIMEOUT": "2",
        "STREAMING_TIMEOUT": "4",
        "RELAY_TIMEOUT": "5",
        "MAX_REQUEST_BODY_MB": "8",
    }
    async with open_system(folder, environ=times, **BEHAVIOURS) as system:
        prices = dict.fromkeys({*system.upstream.behaviours} - PER_TOKEN, 0.00045)
        await system.seed(users=3)
        await _set_options(
            system,
            {
                "ModelPrice": json.dumps(prices),
                "ModelRatio": '{"costly":1}',
                "CompletionRatio": '{"costly":1}',
                "general_setting.ping_interval_seconds": "1",
                "AutomaticDisableChannelEnabled": "false",
                "RetryTimes": "0",
            },
        )
        system.add_edge()
        system.add_worker()
        await system.ready()
        yield system


async def _set_options(system: System, options: dict[str, str]) -> None:
    async with system.engine.begin() as db:
        await db.execute(delete(OptionRow).where(OptionRow.key.in_(list(options))))
        await db.execute(insert(OptionRow), [{"key": key, "value": value} for key, value in options.items()])


async def test_an_answer_that_trickles_ends_with_the_time_out_of_the_whole_call(system: System) -> None:
    before = await system.balance()
    began = time.monotonic()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask("trickles"))
    assert answer.status_code == 504 and answer.json()["error"]["code"] == "upstream_timeout", answer.text
    assert 4 < time.monotonic() - began < 20, "each byte came in time, the whole did not"
    await _settled(system, 1, before)


async def _settled(system: System, user: int, wanted: int) -> None:
    async def there() -> bool:
        return await system.balance(user) == wanted and await system.holds() == 0

    await until(there, f"the balance is {await system.balance(user)}, not {wanted}, or a hold is left")


def _ask(model: str, *, stream: bool = False) -> dict[str, object]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("model", ["garbage", "nojson", "closes", "halfhead", "halfbody", "hangs", "wholeerror"])
@pytest.mark.parametrize("stream", [False, True])
async def test_no_answer_is_an_error_and_costs_nothing(system: System, model: str, stream: bool):
    before = await system.balance()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask(model, stream=stream))
    assert answer.status_code in (500, 502, 504), answer.text
    error = answer.json()["error"]
    assert error["message"] and error["code"]
    assert answer.headers["x-request-id"]
    await _settled(system, 1, before)


@pytest.mark.parametrize("model", ["closes", "nojson", "halfbody", "wholeerror"])
@pytest.mark.parametrize("stream", [False, True])
async def test_other_dialects_fail_in_their_form_and_give_the_hold_back(system: System, model: str, stream: bool):
    before = await system.balance()
    hello = [{"role": "user", "content": "hello"}]
    path = f"/v1beta/models/{model}:{'streamGenerateContent' if stream else 'generateContent'}"
    async with system.client() as http:
        claude = {"model": model, "max_tokens": 9, "stream": stream, "messages": hello}
        told = await http.post("/v1/messages", json=claude)
        assert told.status_code >= 500 and told.json()["type"] == "error", told.text
        google = await http.post(path, json={"contents": [{"role": "user", "parts": [{"text": "hello"}]}]})
        assert google.status_code >= 500, google.text
        error = google.json()[0]["error"] if isinstance(google.json(), list) else google.json()["error"]
        assert error["code"] == google.status_code and error["status"]
        responses = await http.post("/v1/responses", json={"model": model, "stream": stream, "input": "hello"})
        assert responses.status_code >= 500 and responses.json()["error"]["code"], responses.text
    await _settled(system, 1, before)


async def test_an_empty_stream_is_a_failed_call(system: System):
    before = await system.balance()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask("emptystream", stream=True))
    assert answer.status_code == 502
    await _settled(system, 1, before)


async def test_a_stream_that_breaks_off_is_charged_and_ended(system: System):
    before = await system.balance()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask("halfchunk", stream=True))
    assert answer.status_code == 200
    assert answer.content.startswith(CHUNK)
    assert answer.content.endswith(b"data: [DONE]\n\n")
    await _settled(system, 1, before - PRICE)


async def test_a_stream_that_falls_silent_ends_with_an_error_event(system: System):
    before = await system.balance()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask("hangsmidway", stream=True))
    assert b'"stream_timeout"' in answer.content
    assert b'finish_reason":"stop' not in answer.content
    await _settled(system, 1, before - PRICE)


async def test_a_quiet_stream_is_kept_open_by_pings(system: System):
    before = await system.balance()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask("quiet", stream=True))
        assert b": ping\n\n" in answer.content
        assert answer.content.replace(b": ping\n\n", b"").startswith(CHUNK)
        assert answer.content.endswith(b"data: [DONE]\n\n")
        claude = {"model": "quiet", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}
        told = await http.post("/v1/messages", json=claude)
        assert b"event: ping\n" in told.content
        assert b"message_stop" in told.content
    await _settled(system, 1, before - 2 * PRICE)


async def test_a_plain_answer_becomes_a_stream_for_who_asked_for_one(system: System):
    before = await system.balance()
    async with system.client() as http:
        answer = await http.post(CHAT, json=_ask("wholeanswer", stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert b'"content":"hi"' in answer.content and b'"finish_reason":"stop"' in answer.content
    assert answer.content.endswith(b"data: [DONE]\n\n")
    await _settled(system, 1, before - PRICE)


async def test_a_balance_that_runs_out_may_let_the_stream_finish(system: System):
    """Where the operator allows it, on credit: all of it is charged, and the next call is refused."""
    async with system.engine.begin() as db:
        await db.execute(update(User).where(User.id == 3).values(quota=1500))
    async with system.client(user=3) as http:
        await _set_options(system, {"BalanceExhaustedPolicy": "finish"})
        await system.redis.hincrby("mx:ver", "options", 1)
        await asyncio.sleep(1.5)
        answer = await http.post(CHAT, json=_ask("costly", stream=True))
        assert answer.content.count(b'"hi "') == 12 * 400
        assert answer.content.endswith(b"data: [DONE]\n\n")
        await _settled(system, 3, 1500 - 1500)
        refused = await http.post(CHAT, json=_ask("costly", stream=True))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_user_quota")
        await _set_options(system, {"BalanceExhaustedPolicy": "cut"})
        await system.redis.hincrby("mx:ver", "options", 1)
        await asyncio.sleep(1.5)


async def test_a_balance_that_runs_out_ends_the_stream(system: System):
    async with system.engine.begin() as db:
        await db.execute(update(User).where(User.id == 2).values(quota=1500))
    async with system.client(user=2) as http:
        answer = await http.post(CHAT, json=_ask("costly", stream=True))
    assert answer.status_code == 200
    assert b'"insufficient_user_quota"' in answer.content
    assert answer.content.count(b'"hi "') < 12 * 400

    async def ended() -> bool:
        return await system.holds() == 0 and await system.balance(2) != 1500

    await until(ended, "the call is not settled")


async def test_slow_and_oversized_clients(system: System):
    """A head without end is cut off; headers by the thousand are refused; others are served meanwhile."""
    host, port = "127.0.0.1", system.ports[0]
    slow_reader, slow = await asyncio.open_connection(host, port)
    slow.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
    bomb_reader, bomb = await asyncio.open_connection(host, port)
    bomb.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
    bomb.write(b"".join(b"x-%d: y\r\n" % n for n in range(5000)) + b"\r\n")
    refused = await asyncio.wait_for(bomb_reader.read(200), 30)
    assert refused == b"" or refused.split()[1] in (b"400", b"431")
    async with system.client() as http:
        assert (await http.post(CHAT, json=_ask("plain"))).status_code == 200
    slow.close()
    bomb.close()
    await until(system.no_holds, "no hold is left behind")
    del slow_reader


async def test_a_body_beyond_the_limit_is_refused(system: System):
    packed = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=system.address(), trust_env=False, timeout=60) as http:
        answer = await http.post(CHAT, content=b" " * (9 << 20), headers=packed)
        assert answer.status_code == 401
    async with system.client() as http:
        answer = await http.post(CHAT, content=b'{"model":"' + b" " * (9 << 20), headers=packed)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
