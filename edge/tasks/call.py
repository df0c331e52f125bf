"""One call about a task: what the steps need of it, and the answer that they give."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from edge.client_address import find_client
from edge.relay.callers import Caller
from edge.relay.gate import authenticate, check_address
from edge.relay.request_body import unpack
from edge.relay.request_id import new_request_id
from edge.snapshot import EdgeSnapshot
from edge.tasks.callers import authenticate_reader, read_task_key
from edge.tasks.routes import TaskPlace
from schema.addresses import Address
from schema.tasks.platform import Platform, TaskRefused
from schema.tasks.registry import PLATFORMS

if TYPE_CHECKING:
    from edge.tasks.door import Tasks

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
DATABASE_AWAY = (SQLAlchemyError, OSError, TimeoutError)  # some drivers do not wrap a refused connection
_JSON = "application/json"


class Answer(Struct, frozen=True):
    """A whole answer. `headers` beyond those that every answer has."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class TaskCall:
    """Created by the door; `status` is what the client got, 0 while nothing was sent."""

    def __init__(self, tasks: "Tasks", scope: dict[str, Any], receive: Receive, send: Send, place: TaskPlace) -> None:
        self.tasks, self.scope, self.receive, self.send, self.place = tasks, scope, receive, send, place
        self.relay = tasks.relay
        self.platform: Platform = PLATFORMS[place.platform]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        now_ns = time.time_ns()
        self.request_id = new_request_id(now_ns)
        self.started_s = now_ns / 1e9
        self.status = 0

    @property
    def snapshot(self) -> EdgeSnapshot:
        return self.relay.snapshots.current

    def now_ms(self) -> int:
        """By Redis' clock: edges and workers compare these times."""
        return self.relay.hot.deadline_ms(0)

    async def submitter(self) -> tuple[Caller, int | None]:
        """Who submits, and the channel that an administrator pinned. Raises Refused."""
        key, pinned = read_task_key(self.headers, drawing=self.place.platform == "mj")
        caller = await authenticate(self.relay.callers, key, pinned, int(self.started_s))
        self._check_address(caller)
        return caller, pinned

    async def reader(self) -> Caller:
        """Who reads a result. Raises Refused."""
        key, _ = read_task_key(self.headers, drawing=self.place.platform == "mj")
        caller = await authenticate_reader(self.relay.callers, key, int(self.started_s))
        self._check_address(caller)
        return caller

    def _check_address(self, caller: Caller) -> None:
        if caller.networks is not None:
            check_address(caller, self.address())

    def address(self) -> Address | None:
        config, headers = self.relay.config, self.headers
        peer = self.scope.get("client")
        named = headers.get(config.client_ip_header.lower().encode(), b"") if config.client_ip_header else b""
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        return find_client(peer[0] if peer else "", forwarded, config.trusted_proxies, named.decode("latin-1"))

    async def raw_body(self, bytes_max: int = 0) -> bytes:
        """`bytes_max` 0: as large as any call's. Raises Refused."""
        bytes_max = bytes_max or self.relay.config.max_request_body_mb << 20
        return unpack(await self.relay.readers.read(self.receive, self.headers, bytes_max), self.headers, bytes_max)

    async def body(self) -> dict[str, Any]:
        """A JSON object; nothing at all counts as an empty one. Raises Refused, TaskRefused."""
        return read_json(await self.raw_body(), self.place.platform)

    async def pass_on(self, chunks: AsyncIterator[bytes], bytes_max: int) -> None:
        """Stream a body to the client; who left, or is owed more than the limit, gets nothing further."""
        gone = asyncio.create_task(self._left())
        sent = 0
        try:
            async for chunk in chunks:
                sent += len(chunk)
                if gone.done() or sent > bytes_max:
                    return
                await self.send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            gone.cancel()

    async def _left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def answer(self, answer: Answer) -> None:
        await self.head(answer.status, answer.content_type, len(answer.body), answer.headers)
        await self.send({"type": "http.response.body", "body": answer.body})

    async def head(
        self, status: int, content_type: str, length: int | None, more: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        request_id = self.request_id.encode()
        headers = [
            (b"content-type", content_type.encode("latin-1", "replace")),
            (b"x-oneapi-request-id", request_id),
            (b"x-request-id", request_id),
            (b"access-control-allow-origin", b"*"),
            *more,
        ]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        if self.relay.draining:
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})


def read_json(data: bytes, platform: str) -> dict[str, Any]:
    """Raises TaskRefused in the platform's own words."""
    try:
        value = msgspec.json.decode(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if not isinstance(value, dict):
        raise TaskRefused("bind_request_body_failed" if platform == "mj" else "invalid_request", "the body is no JSON")
    return value
