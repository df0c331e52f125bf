"""Realtime sessions through a running gateway: OpenAI's own client, every way a session may end, and what it costs."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from schema.counting import count_text, realtime_audio_tokens
from schema.tables import Ability, Channel, LedgerEntry, Log, Token, User
from tests.edge.realtime.provider import SPOKEN_S, Provider
from tests.system import BALANCE, KEY, System, open_system, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180), pytest.mark.xdist_group("realtime")]

MODELS = ("beta", "ga", "cached", "silent", "pending", "vanish", "close", "two", "mapped", "retried", "long")
TURN = 40_750  # text 100, audio 200 in, text 50, audio 300 out; ratios 2.5, 4, 20, 2
HELLO = {"type": "response.create"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    async with provider.serve():
        yield provider


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder: Path = tmp_path_factory.mktemp("realtime")

    def table(ratio):
        return json.dumps(dict.fromkeys(MODELS, ratio))

    async with open_system(folder) as system:
        await system.seed(
            users=8, AutoGroups='["vip","default"]', ModelRatio=table(2.5), CompletionRatio=table(4), AudioRatio=table(20), AudioCompletionRatio=table(2),
            CacheRatio=table(0.5), SensitiveWords="forbidden", RetryTimes="2",
        )  # fmt: skip
        async with system.engine.begin() as db:
            address = f"http://127.0.0.1:{provider.port}"
            rows: list[dict[str, Any]] = [
                {"id": 2, "key": "secret-of-live", "models": ",".join(MODELS), "priority": 0,
                 "model_mapping": '{"mapped":"real-name"}'},
                {"id": 3, "key": "secret-of-dead", "models": "retried", "priority": 5},
                {"id": 4, "key": "claude", "models": "beta", "priority": 9, "type": 14, "provider": "anthropic"},
                {"id": 5, "key": "claude", "models": "beta", "type": 14, "provider": "anthropic", "group": "vip"},
                {"id": 6, "key": "secret-of-live", "models": "ga", "group": "vip"},
            ]  # fmt: skip
            for row in rows:
                values = {"type": 1, "status": 1, "name": "c", "weight": 0, "group": "default", "provider": "openai"}
                row = {**values, **row}
                await db.execute(insert(Channel).values(**row, base_url=address))
                names = str(row["models"]).split(",")
                await db.execute(
                    insert(Ability),
                    [
                        {"group": row["group"], "model": name, "channel_id": row["id"], "enabled": True}
                        for name in names
                    ],
                )
            await db.execute(update(User).where(User.id == 3).values(quota=190_000))
            await db.execute(update(LedgerEntry).where(LedgerEntry.user_id == 3).values(delta=190_000))
            await db.execute(update(User).where(User.id == 4).values(quota=1_000))
            await db.execute(update(LedgerEntry).where(LedgerEntry.user_id == 4).values(delta=1_000))
            await db.execute(update(User).where(User.id == 7).values(quota=200_000))
            await db.execute(update(LedgerEntry).where(LedgerEntry.user_id == 7).values(delta=200_000))
            await db.execute(update(Token).where(Token.id == 8).values(group="auto"))
            await db.execute(update(Token).where(Token.id == 5).values(key="sk" + KEY[2:] + "5"))
        system.add_edge(REALTIME_IDLE_TIMEOUT="6")
        system.add_worker()
        await system.ready()
        yield system


def _sdk(system: System, user: int = 1) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=f"sk-{KEY}{user}", base_url=f"{system.address()}/v1")


def _connect(system: System, model: str, user: int = 1, **more: Any) -> Any:
    address = system.address().replace("http", "ws")
    headers = {"authorization": f"Bearer sk-{KEY}{user}"}
    return connect(
        f"{address}/v1/realtime?model={model}", additional_headers=headers, proxy=None, max_size=None, **more
    )


async def _until_type(socket: Any, wanted: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))
        if event["type"] == wanted:
            return event


async def _charges(system: System, user: int) -> list[int]:
    async with system.engine.connect() as db:
        wanted = select(LedgerEntry.delta).where(
            LedgerEntry.user_id == user, LedgerEntry.kind == "settle", LedgerEntry.delta != 0
        )
        return [-row[0] for row in await db.execute(wanted.order_by(LedgerEntry.id))]


async def _rows(system: System, user: int) -> list[Any]:
    async with system.engine.connect() as db:
        return list(await db.execute(select(Log.__table__).where(Log.user_id == user, Log.type == 2).order_by(Log.id)))


async def _rows_when(system: System, user: int, ready: Callable[[list[Any]], bool]) -> list[Any]:
    """The log follows the charge by a batch."""

    async def come() -> list[Any]:
        rows = await _rows(system, user)
        return rows if ready(rows) else []

    return list(await until(come, "not in the log"))


async def _quiet(system: System) -> None:
    async def no_holds() -> bool:
        return await system.holds() == 0

    await until(no_holds, "holds are left")
    await until(_no_drift(system), "the books disagree")


def _no_drift(system: System) -> Any:
    async def agree() -> bool:
        return await system.drifts() == []

    return agree


async def _new_charges(system: System, user: int, before: int, count: int) -> list[int]:
    async def come() -> list[int]:
        found = await _charges(system, user)
        return found[before:] if len(found) >= before + count else []

    return list(await until(come, "not charged"))


async def test_openais_client_talks_and_each_response_is_charged_as_it_ends(system: System, provider: Provider):
    async with _sdk(system).realtime.connect(model="beta") as session:
        event = await session.recv()
        assert event.type == "session.created"
        for turn in (1, 2):
            await session.response.create()
            async for event in session:
                if event.type == "response.done":
                    break
            found = await _new_charges(system, 1, 0, turn)  # while the session is still open
            assert found == [TURN] * turn
    await _quiet(system)
    assert await system.balance(1) == BALANCE - 2 * TURN
    (row,) = await _rows_when(system, 1, lambda rows: len(rows) == 1)
    other = json.loads(row.other)
    assert (row.quota, row.prompt_tokens, row.completion_tokens) == (2 * TURN, 600, 700)
    assert (other["ws"], other["turns"], other["audio_input"], other["audio_output"]) == (True, 2, 400, 600)
    assert ":" not in other["request_id"]
    assert (
        "authorization" in provider.seen[-1].headers and "secret-of-live" in provider.seen[-1].headers["authorization"]
    )
    async with system.engine.connect() as db:
        assert (await db.execute(select(User.request_count).where(User.id == 1))).scalar_one() == 1


async def test_a_token_of_group_auto_gets_the_first_group_with_realtime(system: System):
    for model in ("beta", "ga"):
        async with _connect(system, model, user=8) as socket:
            await socket.send(json.dumps(HELLO))
            await _until_type(socket, "response.done")
    rows = await _rows_when(system, 8, lambda rows: len(rows) == 2)
    assert {(row.model_name, row.group) for row in rows} == {("beta", "default"), ("ga", "vip")}
    with pytest.raises(InvalidStatus) as refused:
        await _connect(system, "nothing", user=8)
    assert refused.value.response.status_code == 503


async def test_a_browser_gives_its_key_as_a_sub_protocol_and_never_sees_it_again(system: System, provider: Provider):
    address = system.address().replace("http", "ws")
    offered = ["realtime", f"openai-insecure-api-key.sk-{KEY}2", "openai-beta.realtime-v1"]
    async with connect(f"{address}/v1/realtime?model=ga", subprotocols=offered, proxy=None, max_size=None) as socket:
        assert socket.subprotocol == "realtime"
        await socket.send(json.dumps(HELLO))
        await _until_type(socket, "response.done")
    assert provider.seen[-1].headers["openai-beta"] == "realtime=v1"
    assert await _new_charges(system, 2, 0, 1) == [TURN]


async def test_messages_pass_untouched_both_ways(system: System, provider: Provider):
    text = '{ "type" : "conversation.item.create",  "item": {"type":"message","x":"\\u00e9 é"}, "unknown": 1.50 }'
    async with _connect(system, "mapped") as socket:
        await socket.send(text)
        await socket.send('{"type":"session.update","session":{"instructions":"be kind"}}')
        event = await _until_type(socket, "session.updated")
    assert provider.heard[-2] == text
    assert event["session"] == {"instructions": "be kind"}
    assert provider.models()[-1] == "real-name"


@pytest.mark.parametrize(
    ("model", "charges"),
    [
        pytest.param(
            "cached",
            [(40 + 160 * 0.5 + 100 * 20 + 10 * 4) * 2.5],
            id="cached tokens, text and audio, cost half of text",
        ),
        pytest.param("two", [TURN, TURN], id="overlapping responses are charged one by one"),
    ],
)
async def test_what_a_turn_costs(system: System, model: str, charges: list[float]):
    before = len(await _charges(system, 1))
    async with _connect(system, model) as socket:
        await socket.send(json.dumps(HELLO))
        for _ in charges:
            await _until_type(socket, "response.done")
    assert await _new_charges(system, 1, before, len(charges)) == charges
    await _quiet(system)


def _counted(heard_s: float, asked: str) -> float:
    spoken = realtime_audio_tokens(SPOKEN_S, output=True)
    heard = realtime_audio_tokens(heard_s, output=False)
    words = count_text("m", "Hello there, friend.")
    return (count_text("m", asked) + words * 4 + heard * 20 + spoken * 20 * 2) * 2.5


async def test_without_usage_the_gateway_counts_what_was_committed_and_said(system: System):
    before = len(await _charges(system, 1))
    second = base64.b64encode(b"\0" * 48_000).decode()
    async with _connect(system, "silent") as socket:
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": second}))
        await socket.send(json.dumps({"type": "input_audio_buffer.clear"}))
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": second}))
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "tell me a story"}]}
        await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await socket.send(json.dumps(HELLO))
        await _until_type(socket, "response.done")
    assert await _new_charges(system, 1, before, 1) == [round(_counted(1.0, "tell me a story"))]


@pytest.mark.parametrize(
    ("model", "code", "error"),
    [
        pytest.param("close", 4321, "", id="the provider's own close code is passed on"),
        pytest.param("vanish", 1011, "upstream_closed", id="a provider that vanishes is named in an event"),
    ],
)
async def test_the_providers_end_reaches_the_client(system: System, model: str, code: int, error: str):
    before, events = len(await _charges(system, 1)), []
    async with _connect(system, model) as socket:
        await socket.send(json.dumps(HELLO))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                events.append(json.loads(await asyncio.wait_for(socket.recv(), 20)))
    assert closed.value.rcvd is not None and closed.value.rcvd.code == code
    if error:
        assert events[-1]["type"] == "error" and events[-1]["error"]["code"] == error
        assert await _new_charges(system, 1, before, 1) == [round(_counted(0, ""))], "what was said is charged"
    await _quiet(system)


async def test_a_client_that_leaves_in_a_turn_pays_for_what_it_heard(system: System, provider: Provider):
    before = len(await _charges(system, 1))
    provider.release.clear()
    async with _connect(system, "pending") as socket:
        await socket.send(json.dumps(HELLO))
        await _until_type(socket, "response.audio.delta")
    assert await _new_charges(system, 1, before, 1) == [round(_counted(0, ""))]
    provider.release.set()
    await _quiet(system)
    await _rows_when(system, 1, lambda rows: json.loads(rows[-1].other).get("cut") is True)


async def test_a_balance_that_runs_out_shows_the_paid_answer_and_ends_with_1008(system: System):
    async with _connect(system, "beta", user=3) as socket:
        await socket.send(json.dumps(HELLO))
        await _until_type(socket, "response.done")
        error = await _until_type(socket, "error")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert error["error"]["code"] == "insufficient_user_quota"
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    assert await _new_charges(system, 3, 0, 1) == [TURN]
    await _quiet(system)
    assert await system.balance(3) == 190_000 - TURN


async def test_an_answer_that_outruns_its_hold_and_the_balance_is_cut(system: System, provider: Provider):
    """Three minutes of speech cost more than the balance; the hold was made for one minute."""
    provider.release.clear()
    async with _connect(system, "long", user=7) as socket:
        await socket.send(json.dumps(HELLO))
        error = await _until_type(socket, "error")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    provider.release.set()
    assert error["error"]["code"] == "insufficient_user_quota"
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    (charge,) = await _new_charges(system, 7, 0, 1)
    assert charge > 200_000, "what was said is charged, beyond the balance"
    await _quiet(system)


async def test_a_banned_account_ends_at_its_next_turn(system: System):
    async with _connect(system, "beta", user=6) as socket:
        async with system.engine.begin() as db:
            await db.execute(update(User).where(User.id == 6).values(status=2))
        await asyncio.sleep(2)
        await socket.send(json.dumps(HELLO))
        await _until_type(socket, "response.done")
        assert (await _until_type(socket, "error"))["error"]["code"] == "token_disabled"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


async def test_bad_messages_are_told_and_the_session_goes_on(system: System, provider: Provider):
    heard = len(provider.heard)
    async with _connect(system, "beta") as socket:
        await socket.send("no json")
        assert (await _until_type(socket, "error"))["error"]["code"] == "invalid_event"
        said = {"type": "message", "content": [{"type": "input_text", "text": "so FORBIDDEN"}]}
        await socket.send(json.dumps({"type": "conversation.item.create", "event_id": "mine", "item": said}))
        error = await _until_type(socket, "error")
        assert (error["error"]["code"], error["error"]["event_id"]) == ("sensitive_words_detected", "mine")
        assert len(provider.heard) == heard
        await socket.send(json.dumps(HELLO))
        await _until_type(socket, "response.done")
        await socket.send(b"\0binary")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await asyncio.wait_for(socket.recv(), 20)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1003


async def test_an_idle_session_ends_and_costs_nothing(system: System):
    before = len(await _charges(system, 2))
    async with _connect(system, "beta", user=2) as socket:
        assert (await _until_type(socket, "error"))["error"]["code"] == "session_idle"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000
    await _quiet(system)
    assert len(await _charges(system, 2)) == before


@pytest.mark.parametrize(
    ("query", "user", "key", "status", "code"),
    [
        pytest.param("?model=beta", 1, "sk-wrong", 401, "invalid_token", id="an unknown key"),
        pytest.param("", 1, None, 400, "invalid_request", id="no model"),
        pytest.param("?model=nobody", 1, None, 500, "model_price_error", id="a model without a price"),
        pytest.param("?model=plain", 1, None, 502, "upstream_failed", id="an upstream without Realtime"),
        pytest.param("?model=beta", 4, None, 403, "insufficient_user_quota", id="too small a balance"),
    ],
)
async def test_refusals_are_http_answers_before_the_upgrade(
    system: System, query: str, user: int, key: str | None, status: int, code: str
):
    address = system.address().replace("http", "ws")
    headers = {"authorization": f"Bearer {key or f'sk-{KEY}{user}'}"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{address}/v1/realtime{query}", additional_headers=headers, proxy=None)
    answer = refused.value.response
    assert answer.status_code == status
    error = json.loads(answer.body)["error"]
    assert error["code"] == code and answer.headers["x-oneapi-request-id"] in error["message"]
    await _quiet(system)


async def test_a_refused_handshake_moves_on_and_its_key_stays_secret(system: System, provider: Provider):
    seen = len(provider.seen)
    async with _connect(system, "retried") as socket:
        await _until_type(socket, "session.created")
    keys = [request.headers["authorization"] for request in provider.seen[seen:]]
    assert keys == ["Bearer secret-of-dead", "Bearer secret-of-live"]
    async with system.engine.begin() as db:
        await db.execute(update(Channel).where(Channel.id == 2).values(models="beta"))
    await asyncio.sleep(1)


async def test_a_key_that_begins_with_s_lives_beyond_its_first_turn(system: System):
    address = system.address().replace("http", "ws")
    headers = {"authorization": f"Bearer sk-sk{KEY[2:]}5"}
    async with connect(
        f"{address}/v1/realtime?model=beta", additional_headers=headers, proxy=None, max_size=None
    ) as socket:
        for _ in range(2):
            await socket.send(json.dumps(HELLO))
            await _until_type(socket, "response.done")
    assert await _new_charges(system, 5, 0, 2) == [TURN, TURN]


async def test_addresses_that_hand_out_secrets_are_not_served(system: System):
    async with system.client() as http:
        for path in ("sessions", "client_secrets", "calls"):
            answer = await http.post(f"/v1/realtime/{path}", json={"model": "beta"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (501, "api_not_implemented")
        plain: httpx.Response = await http.get("/v1/realtime?model=beta")
        assert plain.status_code == 426


async def test_a_killed_edge_is_charged_once_from_the_last_checkpoint(system: System, provider: Provider):
    """Last: it ends the edge."""
    before = len(await _charges(system, 1))
    provider.release.clear()
    async with _connect(system, "beta") as first, _connect(system, "beta") as idle:
        await idle.send(json.dumps(HELLO))
        await _until_type(idle, "response.done")
        await first.send(json.dumps(HELLO))
        await _until_type(first, "response.done")
        system.edges[0].kill()
    assert sorted(await _new_charges(system, 1, before, 2))[-2:] == [TURN, TURN]
    await _quiet(system)
    assert (await _charges(system, 1))[before:] == [TURN, TURN]
    await _rows_when(system, 1, lambda rows: [row.quota for row in rows[-2:]] == [TURN, TURN])
