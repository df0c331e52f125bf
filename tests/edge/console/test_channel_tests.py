"""Tests, balances and model lists of channels through the console, against an upstream over real HTTP."""

import asyncio
import json

import pytest
from sqlalchemy import select

from schema.own_tables import ChannelBalance, ChannelEvent
from schema.tables import Channel, Log, User

CHAT = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
}  # fmt: skip
STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


class Upstream:
    """`answers` by a part of the request; the requests that came."""

    def __init__(self):
        self.answers, self.seen = {}, []

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
        )
        request = head + await reader.readexactly(length)
        self.seen.append(request.decode())
        status, body = next((a for part, a in self.answers.items() if part.encode() in request), (404, {"error": {}}))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = b"text/event-stream" if data.startswith(b"data:") else b"application/json"
        writer.write(b"HTTP/1.1 %d X\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                     % (status, kind, len(data), data))  # fmt: skip
        await writer.drain()
        writer.close()


@pytest.fixture
async def upstream():
    one = Upstream()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()


async def make(http, upstream, **more):
    body = {"type": 1, "key": "sk-up", "name": "c", "models": "gpt-4o-mini,text-embedding-3-small", "group": "default",
            "base_url": upstream.address, **more}  # fmt: skip
    reply = (await http.post("/api/channel/", json=body)).json()
    assert reply["success"], reply
    return reply["data"][0]


async def one(engine, statement):
    async with engine.connect() as db:
        return (await db.execute(statement)).first()


async def test_a_channel_is_tested_like_a_call_and_costs_nobody_anything(console, upstream):
    upstream.answers = {"/v1/chat/completions": (200, CHAT)}
    async with console.visitor() as http:
        await console.set_up(http)
        before = await one(console.services.engine, select(User.quota, User.used_quota))
        channel = await make(http, upstream)
        reply = (await http.get(f"/api/channel/test/{channel}")).json()
        assert reply["success"] and reply["message"] == "" and reply["time"] >= 0 and reply["upstream_status"] == 200
        assert "authorization: bearer sk-up" in upstream.seen[0].lower() and '"hi"' in upstream.seen[0]
        row = await one(console.services.engine, select(Channel.test_time, Channel.response_time))
        assert row.test_time > 0 and row.response_time is not None
        log = await one(console.services.engine, select(Log).where(Log.channel_id == channel))
        assert log is not None
        assert await one(console.services.engine, select(User.quota, User.used_quota)) == before
        event = await one(console.services.engine, select(ChannelEvent.kind, ChannelEvent.keyword, ChannelEvent.model))
        assert tuple(event) == ("test", "ok", "gpt-4o-mini")


async def test_kinds_streams_and_failures(console, upstream):
    upstream.answers = {
        "/v1/embeddings": (200, {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
                                 "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}}),
        '"stream":true': (200, STREAM),
        '"model":"dead"': (401, {"error": {"message": "Incorrect API key provided: sk-up-secret-1234", "type": "x",
                                           "code": "invalid_api_key"}}),
        '"model":"odd"': (200, {"hello": "world"}),
    }  # fmt: skip
    async with console.visitor() as http:
        await console.set_up(http)
        channel = await make(http, upstream, models="text-embedding-3-small", test_model="")
        default = (await http.get(f"/api/channel/test/{channel}")).json()
        assert default["success"], "a default embedding model goes to the embeddings path"
        streamed = (await http.get(f"/api/channel/test/{channel}?model=gpt-4o-mini&stream=true")).json()
        assert streamed["success"] and '"stream":true' in upstream.seen[-1]
        dead = (await http.get(f"/api/channel/test/{channel}?model=dead")).json()
        assert not dead["success"] and dead["error_class"] == "auth" and dead["upstream_status"] == 401
        assert "sk-up-secret" not in dead["message"]
        odd = (await http.get(f"/api/channel/test/{channel}?model=odd")).json()
        assert not odd["success"] and odd["error_class"] == "bad_response"
        picture = (await http.get(f"/api/channel/test/{channel}?model=dall-e-3")).json()
        assert not picture["success"] and "not tested" in picture["message"]
        await http.put("/api/channel/", json={"id": channel, "base_url": "http://127.0.0.1:9", "key": "sk-up"})
        away = (await http.get(f"/api/channel/test/{channel}?model=x")).json()
        assert not away["success"] and away["error_class"] == "connect"


async def test_metadata_services_are_out_of_reach(console, upstream):
    async with console.visitor() as http:
        await console.set_up(http)
        body = {"type": 1, "key": "k", "base_url": "http://169.254.169.254/latest"}
        reply = await http.post("/api/channel/fetch_models", json=body)
        assert reply.status_code == 500 and "not allowed" in reply.json()["message"]


async def test_models_and_balances(console, upstream):
    upstream.answers = {
        "GET /v1/models": (200, {"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]}),
        "billing/subscription": (200, {"hard_limit_usd": 20, "has_payment_method": True}),
        "billing/usage": (200, {"total_usage": 500}),
    }
    async with console.visitor() as http:
        await console.set_up(http)
        channel = await make(http, upstream)
        assert (await http.get(f"/api/channel/fetch_models/{channel}")).json()["data"] == ["a", "b"]
        unsaved = {"type": 1, "key": "first\nsecond", "base_url": upstream.address}
        reply = await http.post("/api/channel/fetch_models", json=unsaved)
        assert reply.json() == {"success": True, "data": ["a", "b"]}
        assert "bearer first" in upstream.seen[-1].lower()
        assert (await http.post("/api/channel/fetch_models", json={"type": 99999, "key": "k"})).status_code == 400
        assert (await http.post("/api/channel/fetch_models", content=b"{")).status_code == 400
        reply = (await http.get(f"/api/channel/update_balance/{channel}/")).json()
        assert reply == {"success": True, "message": "", "balance": 15.0}
        kept = await one(console.services.engine, select(ChannelBalance.balance, ChannelBalance.currency))
        assert tuple(kept) == (15.0, "USD")
        other = await make(http, upstream, type=14)
        reply = (await http.get(f"/api/channel/update_balance/{other}")).json()
        assert not reply["success"] and reply["message"] == "尚未实现"


async def test_one_run_at_a_time_and_its_progress_is_visible(console, upstream):
    async with console.visitor() as http:
        await console.set_up(http)
        run = (await http.get("/api/channel/test")).json()["data"]["run_id"]
        assert (await http.get("/api/channel/test")).json()["code"] == "test_running"
        progress = (await http.get(f"/api/channel/test/run/{run}")).json()["data"]
        assert progress["finished_s"] == 0 and progress["scope"] == "all"
        assert (await http.get("/api/channel/test?scope=some")).json()["code"] == "invalid_scope"
        assert (await http.get("/api/channel/update_balance")).json()["success"]
        assert (await http.get("/api/channel/update_balance")).json()["code"] == "refresh_running"
