"""Fetching what a stranger's URL names: checked addresses, checked redirects, and limits on time, size and type.

The name is resolved once per hop; all its addresses are checked, and the connection goes to the checked address while SNI and
Host keep the name, so a name server that answers differently a moment later gains nothing. No cookies, no proxies of the
environment, no credentials. Used by edge and workers alike; nothing here opens a socket at import.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import httpcore
import httpx
from httpcore._backends.auto import AutoBackend
from msgspec import Struct

from schema.addresses import Target, UrlRefused, UrlRules, check_addresses, read_target

REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
Resolve = Callable[[str, int], Awaitable[list[str]]]


class FetchFailed(Exception):
    """The other side could not be reached, or answered something we do not take. Safe to show to the URL's author."""


class FetchLimits(Struct, frozen=True):
    connect_s: float = 5.0
    total_s: float = 15.0
    bytes_max: int = 20 * 1024 * 1024  # after decompression
    types: tuple[str, ...] = ()  # prefixes of media types, as "image/"; empty takes all


class Fetched(Struct, frozen=True):
    status: int
    content_type: str  # media type without parameters, lower case; "" when not told
    body: bytes


class FetchStream(Struct, frozen=True):
    """An answer whose body is still on its way. `chunks` raises FetchFailed beyond the limits."""

    status: int
    content_type: str
    length: int | None  # bytes, as told by the other side
    chunks: AsyncIterator[bytes]


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, in the system's order. Raises UrlRefused when it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UrlRefused("the host has no address") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only. The last line of defence: whatever httpx asks for passes here."""

    def __init__(self, rules: UrlRules, resolve: Resolve = resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._inner = AutoBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature of httpcore)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async with asyncio.timeout(timeout):
            address = check_addresses(await self._resolve(host, port), self._rules)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature of httpcore)
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise UrlRefused("sockets of this machine are not allowed")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _GuardedTransport(httpx.AsyncHTTPTransport):
    def __init__(self, backend: GuardedBackend) -> None:
        super().__init__(trust_env=False, retries=0)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=backend, max_connections=100
        )


def guarded_client(rules: UrlRules, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """A client for addresses that an administrator typed: whatever it is asked for, it connects to allowed addresses only."""
    return httpx.AsyncClient(
        transport=_GuardedTransport(GuardedBackend(rules)), timeout=timeout, trust_env=False, follow_redirects=False
    )


class GuardedFetcher:
    """One per process; `close` it at the end. Safe for many tasks at once."""

    def __init__(self, rules: UrlRules | None = None, resolve: Resolve = resolve, *, proxy: str = "") -> None:
        """`proxy`: the operator's way out, '' = none. It resolves names itself: what we can resolve is checked all the same."""
        self.rules, self._resolve, self._proxied = rules or UrlRules(), resolve, bool(proxy)
        guarded = None if proxy else _GuardedTransport(GuardedBackend(self.rules, resolve))
        self._client = httpx.AsyncClient(
            transport=guarded, proxy=proxy or None, trust_env=False, follow_redirects=False
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def fetch(self, url: str, limits: FetchLimits) -> Fetched:
        """GET. Raises UrlRefused (we do not go there) or FetchFailed (it did not work)."""
        async with self.open(url, limits) as answer:
            body = b"".join([chunk async for chunk in answer.chunks])
            return Fetched(answer.status, answer.content_type, body)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], limits: FetchLimits) -> int:
        """POST for webhooks: the status alone; redirects are not followed and the body is dropped unread.

        Raises UrlRefused, FetchFailed.
        """
        read_target(url, self.rules)
        try:
            async with asyncio.timeout(limits.total_s):
                request = self._client.build_request("POST", url, content=body, headers=dict(headers))
                request.extensions["timeout"] = httpx.Timeout(limits.total_s, connect=limits.connect_s).as_dict()
                answer = await self._client.send(request, stream=True)
                await answer.aclose()
                return answer.status_code
        except httpx.InvalidURL as error:
            raise UrlRefused("the URL is malformed") from error
        except (httpx.HTTPError, httpcore.TimeoutException, OSError, TimeoutError) as error:
            raise FetchFailed(f"the host did not answer: {type(error).__name__}") from error

    @asynccontextmanager
    async def open(self, url: str, limits: FetchLimits) -> AsyncIterator[FetchStream]:
        """GET with the body as it comes; `total_s` covers everything inside the `async with`."""
        deadline = asyncio.get_running_loop().time() + limits.total_s
        answer: httpx.Response | None = None
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._follow(url, limits)
                yield _read_head(answer, limits)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise FetchFailed(f"the host did not answer: {type(error).__name__}") from error
        finally:
            if answer is not None:
                await answer.aclose()

    async def _follow(self, url: str, limits: FetchLimits) -> httpx.Response:
        timeout = httpx.Timeout(limits.total_s, connect=limits.connect_s)
        for _ in range(REDIRECTS_MAX + 1):
            target = read_target(url, self.rules)
            if self._proxied:
                await self._check_before_proxy(target)
            request = self._client.build_request(
                "GET", url, headers={"accept-encoding": "gzip, deflate"}, timeout=timeout
            )
            request.headers.pop("cookie", None)
            answer = await self._client.send(request, stream=True)
            self._client.cookies.clear()
            if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                return answer
            await answer.aclose()
            url = urljoin(url, answer.headers["location"])
            if target.scheme == "https" and not url.startswith("https:"):
                raise UrlRefused("a redirect from https to http is not allowed")
        raise FetchFailed("too many redirects")

    async def _check_before_proxy(self, target: Target) -> None:
        """Raises UrlRefused for a host whose addresses, as far as we see them, are not allowed."""
        try:
            addresses = await self._resolve(target.host, target.port)
        except UrlRefused:
            return  # a name that only the proxy knows
        check_addresses(addresses, self.rules)


def _read_head(answer: httpx.Response, limits: FetchLimits) -> FetchStream:
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code == 200 and limits.types and not content_type.startswith(limits.types):
        raise FetchFailed("the answer has a type that is not allowed here")
    told = answer.headers.get("content-length", "")
    length = int(told) if told.isdecimal() else None
    if length is not None and length > limits.bytes_max:
        raise FetchFailed("the answer is too large")
    return FetchStream(answer.status_code, content_type, length, _limited(answer.aiter_bytes(65536), limits.bytes_max))


async def _limited(chunks: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > bytes_max:
            raise FetchFailed("the answer is too large")
        yield chunk
