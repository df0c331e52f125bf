"""What is asked before a call goes upstream, at a running gateway: address, words, packing, repeated keys, methods, sign-in."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update

from schema.tables import Ability, Channel, Log, OptionRow, Token
from tests.system import KEY, PRICE, System, open_system, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gates")]
BODY = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
CHAT = "/v1/chat/completions"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder: Path = tmp_path_factory.mktemp("gates")
    async with open_system(folder, environ={"MAX_REQUEST_BODY_MB": "1"}) as system:
        auto = '["secret","vip","default"]'
        await system.seed(users=5, models=("dear",), SensitiveWords="forbidden", AutoGroups=auto)
        async with system.engine.begin() as db:
            await db.execute(update(Token).where(Token.id == 5).values(group="auto"))
            for channel in (
                {
                    "id": 2,
                    "models": "dear,listed",
                    "model_mapping": '{"dear":"plain"}',
                    "group": "vip",
                    "type": 1,
                    "provider": "openai",
                },
                {"id": 3, "models": "plain", "group": "vip", "type": 38, "provider": "jina"},  # no chat
                {"id": 4, "models": "dear,hidden", "group": "secret", "type": 1, "provider": "openai"},
            ):
                common = {
                    "key": "sk-up",
                    "status": 1,
                    "name": "c",
                    "base_url": f"http://127.0.0.1:{system.upstream.port}",
                }
                await db.execute(insert(Channel).values(**common, **channel))
                names = str(channel["models"]).split(",")
                rows = [
                    {"group": channel["group"], "model": name, "channel_id": channel["id"], "enabled": True}
                    for name in names
                ]
                await db.execute(insert(Ability), rows)
            await db.execute(update(Token).where(Token.id == 2).values(allow_ips="198.51.100.0/24"))
            await db.execute(update(Token).where(Token.id == 3).values(allow_ips="no address"))
        system.add_edge()
        system.add_worker()
        await system.ready()
        yield system


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_token_is_used_from_its_addresses_only(system: System):
    async with system.client(user=2) as http:
        assert _code(await http.post(CHAT, json=BODY)) == (403, "ip_not_allowed")
        told = {"x-forwarded-for": "6.6.6.6, 198.51.100.4"}  # the loopback peer is a trusted proxy
        assert (await http.post(CHAT, json=BODY, headers=told)).status_code == 200
        lied = {"x-forwarded-for": "198.51.100.4, 6.6.6.6"}
        assert _code(await http.post(CHAT, json=BODY, headers=lied)) == (403, "ip_not_allowed")
    async with system.client(user=3) as http:  # a list that lets nobody in
        assert _code(await http.post(CHAT, json=BODY)) == (403, "ip_not_allowed")


async def test_blocked_words_never_go_upstream(system: System):
    before = dict(system.upstream.calls)
    async with system.client() as http:
        for path, body in (
            (CHAT, {"model": "plain", "messages": [{"role": "user", "content": "so FORBIDDEN"}]}),
            (
                "/v1/messages",
                {"model": "plain", "max_tokens": 5, "messages": [{"role": "user", "content": "forbidden"}]},
            ),
            ("/v1/completions", {"model": "plain", "prompt": "forbidden"}),
        ):
            answer = await http.post(path, json=body)
            assert answer.status_code == 400, answer.text
            assert "words" in answer.text
    assert system.upstream.calls == before


async def test_packed_bodies_are_unpacked_within_the_limit(system: System):
    body = json.dumps(BODY).encode()
    async with system.client() as http:

        async def send(data: bytes, packing: str) -> httpx.Response:
            return await http.post(
                CHAT, content=data, headers={"content-type": "application/json", "content-encoding": packing}
            )

        assert (await send(gzip.compress(body), "gzip")).status_code == 200
        assert (await send(zlib.compress(body), "deflate")).status_code == 200
        assert _code(await send(gzip.compress(b" " * (4 << 20) + body), "gzip")) == (413, "request_too_large")
        assert _code(await send(b"not packed", "gzip")) == (400, "invalid_request")
        assert _code(await send(gzip.compress(body)[:-9], "gzip")) == (400, "invalid_request")
        assert _code(await send(body, "snappy")) == (415, "unsupported_encoding")


async def test_a_repeated_idempotency_key_is_charged_once(system: System):
    before = await system.balance(4)
    async with system.client(user=4, headers={"idempotency-key": "one"}) as http:
        answers = await asyncio.gather(*(http.post(CHAT, json=BODY) for _ in range(8)))
        good = [answer for answer in answers if answer.status_code == 200]
        assert len(good) == 1
        again = await http.post(CHAT, json=BODY)
        assert _code(again) == (409, "idempotency_conflict")
        assert good[0].headers["x-request-id"] in again.json()["error"]["message"]
        other = await http.post(CHAT, json=BODY, headers={"idempotency-key": "two"})
        assert other.status_code == 200

    async def charged() -> bool:
        return await system.balance(4) == before - 2 * PRICE

    await until(charged, "the two calls are not charged")


async def test_a_stream_that_was_left_and_charged_is_not_relayed_again_under_its_key(system: System):
    before, calls = await system.balance(4), system.upstream.calls.get("slow", 0)
    body = {**BODY, "model": "slow", "stream": True}
    async with system.client(user=4, headers={"idempotency-key": "left"}) as http:
        async with http.stream("POST", CHAT, json=body) as answer:
            assert answer.status_code == 200
            await anext(answer.aiter_bytes())

        async def charged() -> bool:
            return await system.balance(4) == before - PRICE and await system.holds() == 0

        await until(charged, "what was seen is not charged")
        again = await http.post(CHAT, json=body)
        assert _code(again) == (409, "idempotency_conflict")
        assert answer.headers["x-request-id"] in again.json()["error"]["message"]
    assert system.upstream.calls["slow"] == calls + 1
    assert await system.balance(4) == before - PRICE


async def test_200_parallel_calls_with_a_token_for_10_pass_10(system: System):
    async with system.engine.begin() as db:
        values = {"user_id": 1, "status": 1, "expired_time": -1, "unlimited_quota": False, "remain_quota": 10 * PRICE}
        await db.execute(insert(Token).values(id=90, key=f"{KEY[:20]}ten", **values))
    before, key = await system.balance(), {"authorization": f"Bearer sk-{KEY[:20]}ten"}
    # each from an address of its own: what is refused once the token is used up counts as a wrong key there
    places = [key | {"x-forwarded-for": f"203.0.113.{number}"} for number in range(200)]
    async with system.client() as http:
        answers = await asyncio.gather(*(http.post(CHAT, json=BODY, headers=place) for place in places))
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = {_code(answer) for answer in answers if answer.status_code != 200}
    assert len(passed) == 10
    assert refused <= {(403, "pre_consume_token_quota_failed"), (401, "invalid_token")}, refused

    async def charged() -> bool:
        return await system.balance() == before - 10 * PRICE

    await until(charged, "ten calls are not charged")
    async with system.engine.connect() as db:
        left = (await db.execute(select(Token.remain_quota).where(Token.id == 90))).scalar_one()
    assert left == 0


async def test_methods_and_unknown_addresses(system: System):
    async with system.client() as http:
        preflight = await http.options(CHAT, headers={"origin": "https://a.example", "authorization": ""})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        wrong = await http.get(CHAT)
        assert wrong.status_code == 405 and "POST" in wrong.headers["allow"]
        assert (await http.post("/v1/no/such/thing", json={})).status_code == 404
        assert _code(await http.post("/v1/files", json={})) == (501, "api_not_implemented")
    async with httpx.AsyncClient(base_url=system.address(), trust_env=False) as http:
        assert _code(await http.post("/v1/files", json={})) == (401, "invalid_token")


async def test_the_group_auto_is_the_first_that_has_a_channel_for_the_call(system: System):
    async with system.client(user=5) as http:
        listed = {row["id"] for row in (await http.get("/v1/models")).json()["data"]}
        assert {"plain", "dear", "listed"} <= listed and "hidden" not in listed
        messages = BODY["messages"]
        assert (await http.post(CHAT, json={"model": "plain", "messages": messages})).status_code == 200
        assert (await http.post(CHAT, json={"model": "dear", "messages": messages})).status_code == 200  # both have it
        refused = await http.post(CHAT, json={"model": "hidden", "messages": messages})
        assert _code(refused) == (503, "no_channel") and "group auto" in refused.text
        counted = await http.post("/v1/messages/count_tokens", json={"model": "hidden", "messages": messages})
        assert counted.status_code == 200

    async def groups() -> bool:
        async with system.engine.connect() as db:
            rows = await db.execute(select(Log.model_name, Log.group).where(Log.user_id == 5, Log.type == 2))
            return {tuple(row) for row in rows} == {("plain", "default"), ("dear", "vip")}

    await until(groups, "the calls are not in the log with the group that was found")


async def test_keys_of_google_clients(system: System):
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    async with httpx.AsyncClient(base_url=system.address(), trust_env=False) as http:
        path = "/v1beta/models/plain:generateContent"
        assert (await http.post(f"{path}?key=sk-{KEY}1", json=body)).status_code == 200
        assert (await http.post(f"{path}?key=sk-wrong", json=body)).status_code == 401


async def test_the_playground_is_charged_to_the_account_behind_the_session(system: System):
    async with httpx.AsyncClient(base_url=system.address(), trust_env=False, timeout=30) as http:
        account = {"username": "rooty", "password": "correct horse 7"}
        made = await http.post("/api/setup", json={**account, "confirmPassword": account["password"]})
        assert made.json()["success"], made.text
        signed = (await http.post("/api/user/login", json=account)).json()
        user = signed["data"]["id"]
        async with system.engine.begin() as db:
            await db.execute(
                insert(OptionRow).values(key="UserUsableGroups", value='{"default":"usual","vip":"better"}')
            )
        headers = {"new-api-user": str(user)}
        given = await http.put(
            "/api/user/", json={"id": user, "username": "rooty", "quota": 1000, "group": "default"}, headers=headers
        )
        assert given.json()["success"], given.text

        async def answered() -> httpx.Response | None:
            answer = await http.post("/pg/chat/completions", json={**BODY, "group": "default"}, headers=headers)
            return answer if answer.status_code == 200 else None

        await until(answered, "the playground does not answer")
        assert (await http.post("/pg/chat/completions", json=BODY)).status_code == 401  # without the header
        refused = await http.post("/pg/chat/completions", json={**BODY, "group": "secret"}, headers=headers)
        assert _code(refused) == (403, "group_not_allowed")

        async def logged() -> bool:
            answer = await http.get("/api/log/self", headers=headers)
            data = answer.json()["data"]
            rows = data["items"] if isinstance(data, dict) else data
            return any(row["token_name"] == "playground-default" and row["quota"] == PRICE for row in rows)

        await until(logged, "the call is not in the log")
