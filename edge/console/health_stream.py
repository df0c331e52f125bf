"""Server-sent events for live screens: that figures have changed, and at once that a channel was switched."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
from blacksheep import Request, Response, StreamedContent
from redis.exceptions import RedisError

from edge.console.channel_figures import read_now
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger.keys import VERSIONS

LOOK_S = 1.0
FIGURES_EVERY = 5  # looks between two events when nothing else happens
LIFETIME_S = 600  # then the page connects again, and its rights are looked at again
STREAMS_MAX = 200  # of one process


class _Open:
    count = 0


async def stream(services: Services, request: Request, actor: Actor) -> Response:
    """Events `figures` (every few seconds) and `channels` (a channel was changed)."""
    if _Open.count >= STREAMS_MAX:
        raise Refusal("too_many_streams", "Too many live pages are open.", status=503, retry_after_s=30)

    async def events() -> AsyncIterator[bytes]:
        _Open.count += 1
        try:
            async for event in watch(services):
                yield event
                if await request.is_disconnected():
                    return
        finally:
            _Open.count -= 1

    response = Response(200, content=StreamedContent(b"text/event-stream", events))
    response.add_header(b"X-Accel-Buffering", b"no")
    return response


async def watch(services: Services) -> AsyncIterator[bytes]:
    """The events of one page, until its lifetime ends. While Redis is away only comments come."""
    until = time.monotonic() + LIFETIME_S
    known: object = None
    looks = 0
    yield b"retry: 3000\n\n"
    while time.monotonic() < until:
        try:
            version = await services.redis.hget(VERSIONS, "channels")
            if looks and version != known:
                yield b'event: channels\ndata: {"as_of":%d}\n\n' % int(time.time())
            elif looks % FIGURES_EVERY == 0:
                now = await read_now(services.redis)
                facts = {
                    "as_of": int(time.time()),
                    "in_flight": sum(now.in_flight.values()),
                    "closed": len(now.gates),
                }
                yield b"event: figures\ndata: %b\n\n" % msgspec.json.encode(facts)
            known = version
        except (RedisError, OSError):
            yield b": waiting\n\n"
        looks += 1
        await asyncio.sleep(LOOK_S)


ROUTES = (Route("GET", "/api/health/stream", Role.ADMIN, None, stream, media="text/event-stream"),)
