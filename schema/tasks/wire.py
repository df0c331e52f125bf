"""Requests to the upstreams of tasks: few and cold, so httpx carries them; bounded in time and size, through the channel's proxy."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from msgspec import Struct

from schema.tasks.platform import UpstreamRequest

CONNECT_S = 5.0
ANSWER_BYTES_MAX = 8 << 20
PROXIES_MAX = 256  # clients kept, one for each proxy
_SCHEMES = ("http://", "https://", "socks5://", "socks5h://")


class Unanswered(Exception):
    """No whole answer came. `sent`: the request may have arrived, so it must not be sent elsewhere."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason, self.sent = reason, sent


class WireAnswer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]  # lower case names
    body: bytes


class TaskWire:
    """One per process; `close` it at the end."""

    def __init__(self) -> None:
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def send(self, request: UpstreamRequest, *, proxy: str, timeout_s: float) -> WireAnswer:
        """Raises Unanswered. `timeout_s` covers everything."""
        async with self.open(request, proxy=proxy, timeout_s=timeout_s) as answer:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise Unanswered("the answer is too large", sent=True)
            return WireAnswer(answer.status_code, dict(answer.headers.items()), bytes(body))

    @asynccontextmanager
    async def open(self, request: UpstreamRequest, *, proxy: str, timeout_s: float) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to be read. Raises Unanswered, also while it is read."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client(proxy).stream(
                    request.method,
                    request.url,
                    headers=list(request.headers),
                    content=request.body or None,
                    timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
                ) as answer,
            ):
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL, ValueError) as error:
            raise Unanswered(type(error).__name__, sent=False) from None
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise Unanswered(type(error).__name__, sent=True) from None

    def _client(self, proxy: str) -> httpx.AsyncClient:
        client = self._clients.get(proxy)
        if client is None:
            if proxy and (not proxy.startswith(_SCHEMES) or len(self._clients) >= PROXIES_MAX):
                raise ValueError("the channel's proxy cannot be used")
            client = httpx.AsyncClient(proxy=proxy or None, follow_redirects=False, trust_env=False)
            self._clients[proxy] = client
        return client

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
