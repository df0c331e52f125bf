"""Large JSON is packed for who takes it and for nobody else; what is small, streamed or a file of the UI goes as it is."""

import asyncio
import gzip
import json

import pytest
from sqlalchemy import insert

from edge.console.compression import COMPRESS_BYTES_MIN, takes_gzip
from schema.tables import Channel

CHANNELS = 2_000


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("gzip", True), ("gzip, deflate, br, zstd", True), ("br;q=1.0, GZIP;q=0.5", True), ("*", True), ("identity;q=0, *;q=0.1", True),
        ("", False), ("br", False), ("x-gzipped", False), ("gzip;q=0", False), ("gzip; q=0.000, *", False), ("*;q=0, gzip", True),
        ("gzip;q=much", False),
    ],
)  # fmt: skip
def test_takes_gzip(header, allowed):
    assert takes_gzip(header) is allowed


@pytest.fixture
async def crowded(console):
    row = {"type": 1, "key": "sk-up", "status": 1, "models": "gpt-4o", "group": "default"}
    async with console.visitor() as http:
        await console.set_up(http)
        async with console.services.engine.begin() as db:
            await db.execute(insert(Channel), [{**row, "name": f"channel {n}"} for n in range(CHANNELS)])
        yield http


async def fetch(http, path, encoding):
    """The reply and its body as it was sent, not unpacked."""
    async with http.stream("GET", path, headers={"Accept-Encoding": encoding}) as reply:
        return reply, b"".join([piece async for piece in reply.aiter_raw()])


async def test_the_health_of_many_idle_channels_is_a_tenth_on_the_wire(crowded):
    plain, whole = await fetch(crowded, "/api/channel/health?window=3600", "identity")
    packed, sent = await fetch(crowded, "/api/channel/health?window=3600", "gzip, br")
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    for reply, body in ((plain, whole), (packed, sent)):
        assert int(reply.headers["content-length"]) == len(body)
        assert "accept-encoding" in reply.headers["vary"].lower(), "a cache must not give one for the other"
        assert reply.headers["content-type"] == "application/json"
    assert len(sent) < len(whole) / 10 and len(whole) > 500_000
    channels = [
        [one["channel_id"] for one in json.loads(body)["data"]["items"]] for body in (whole, gzip.decompress(sent))
    ]
    assert channels[0] == channels[1] and len(channels[0]) == CHANNELS


async def test_small_replies_go_as_they_are(crowded):
    reply, body = await fetch(crowded, "/api/user/self", "gzip")
    assert "content-encoding" not in reply.headers and "vary" not in reply.headers
    assert json.loads(body)["success"] and len(body) < COMPRESS_BYTES_MIN


async def test_events_are_never_packed(crowded, console):
    """Asked below HTTP: a client of the test's kind would wait for the end of the stream."""
    names = {
        **crowded.headers,
        "cookie": "; ".join(f"{one.name}={one.value}" for one in crowded.cookies.jar),
        "accept-encoding": "gzip",
    }
    scope = {
        "type": "http", "method": "GET", "path": "/api/health/stream", "raw_path": b"/api/health/stream", "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in names.items()], "client": ("127.0.0.1", 1),
        "server": ("console", 80), "scheme": "http", "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    sent = asyncio.Queue()
    call = asyncio.create_task(console.app(scope, asyncio.Event().wait, sent.put))
    try:
        headers = dict((await asyncio.wait_for(sent.get(), 10))["headers"])
        first = (await asyncio.wait_for(sent.get(), 10))["body"]
    finally:
        call.cancel()
    assert headers[b"content-type"] == b"text/event-stream" and b"content-encoding" not in headers
    assert first.startswith(b"retry:")
