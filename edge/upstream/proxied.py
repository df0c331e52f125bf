"""Calls of channels that go through a proxy: httpx knows the kinds of proxies, and few channels need one.

The answer has the same face as that of `edge/upstream/http1.py`.
"""

import asyncio

import httpx

from edge.upstream.http1 import CONNECT_TIMEOUT_S, UpstreamBroken, UpstreamSilent
from schema.dialects.providers.base import Outgoing

CLIENTS_MAX = 256  # one per proxy
CONNECTIONS_MAX = 500  # through one proxy
SCHEMES = ("http://", "https://", "socks5://", "socks5h://")


class ProxiedAnswer:
    """An answer that comes through a proxy."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._chunks = answer.aiter_raw()
        self.status = answer.status_code
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
        ]
        self.ended = False
        self.buffered_bytes = 0  # httpx hands over what it reads
        self._closing: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")

    def take_whole(self) -> bytes | None:
        return None

    async def read_some(self, timeout_s: float = 0) -> bytes:
        """The limit between two reads was given with the request."""
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self.ended = True
            return b""
        except httpx.TimeoutException:
            raise UpstreamSilent("stream", timeout_s) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise UpstreamBroken(type(error).__name__, connected=True, answered=True) from None

    async def read_all(self, bytes_max: int, timeout_s: float = 0) -> bytes:
        parts: list[bytes] = []
        size = 0
        while data := await self.read_some(timeout_s):
            size += len(data)
            if size > bytes_max:
                raise UpstreamBroken(f"answer larger than {bytes_max} bytes", connected=True, answered=True)
            parts.append(data)
        return b"".join(parts)

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back, or cut it where the answer was not read to its end."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._answer.aclose())


class ProxiedClient:
    """One per process."""

    def __init__(self) -> None:
        self._clients: dict[str, httpx.AsyncClient] = {}

    def _client(self, proxy: str) -> httpx.AsyncClient:
        client = self._clients.get(proxy)
        if client is None:
            if not proxy.startswith(SCHEMES) or len(self._clients) >= CLIENTS_MAX:
                raise UpstreamBroken("the channel's proxy cannot be used", connected=False)
            limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=64)
            client = httpx.AsyncClient(proxy=proxy, limits=limits, follow_redirects=False, trust_env=False)
            self._clients[proxy] = client
        return client

    async def request(
        self, proxy: str, sent: Outgoing, *, first_byte_timeout_s: float, stream_timeout_s: float
    ) -> ProxiedAnswer:
        """Raises UpstreamBroken, UpstreamSilent."""
        silence = first_byte_timeout_s or stream_timeout_s or None
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S, read=silence)
        headers = [*sent.headers, ("accept-encoding", "identity")]
        try:
            client = self._client(proxy)
            request = client.build_request(sent.method, sent.url, headers=headers, content=sent.body, timeout=timeout)
            return ProxiedAnswer(await client.send(request, stream=True))
        except httpx.ConnectTimeout:
            raise UpstreamSilent("connect", CONNECT_TIMEOUT_S) from None
        except httpx.TimeoutException:
            raise UpstreamSilent("first_byte", silence or 0) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise UpstreamBroken(type(error).__name__, connected=False) from None

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
