"""Makes the request for a provider with all that it needs from outside: files by URL, access tokens, earlier steps.

`Provider.prepare` is sans-IO; this is its shell. Tokens are kept per channel account and fetched by one task for many
waiting calls, early enough that no call waits for a refresh.
"""

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import httpx
from msgspec import Struct
from msgspec.structs import replace

from edge.channels import RoutedChannel
from edge.upstream.proxied import SCHEMES
from schema.addresses import UrlRefused, UrlRules, read_target
from schema.dialects.errors import DialectError
from schema.dialects.files import Fetched
from schema.dialects.providers.base import Call, Credential, CredentialRequest, KeyFormatError, NeedsFiles, Outgoing
from schema.guarded_fetch import FetchFailed, FetchLimits, GuardedFetcher

TEXT_MODES = frozenset({"chat", "completion", "responses"})
SIGNED = frozenset({"aws", "tencent", "xunfei"})
FILES_MAX = 32  # of one call
STEPS_MAX = 600  # requests before the one that answers; polling a picture takes a minute or two
CREDENTIALS_MAX = 10_000
_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
)


class NotPrepared(Exception):
    """The channel cannot take this call now; another one may."""


class Reply(Struct, frozen=True):
    """Whole answer of a step."""

    status: int
    body: bytes


Exchange = Callable[[Outgoing], Awaitable[Reply]]


def sniff(body: bytes, declared: str) -> str:
    """Media type by the first bytes, else as declared."""
    for magic, kind in _MAGIC:
        if body.startswith(magic):
            return kind
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return declared


def as_received(call: Call, sent: Outgoing, provider: str) -> Outgoing:
    """The request with the client's own body, where the operator wants text calls passed through. Providers that sign the
    body, or wrap it, get what was made for them."""
    if call.settings.pass_through and call.mode in TEXT_MODES and sent.state is None and provider not in SIGNED:
        return replace(sent, body=call.body)
    return sent


class Preparer:
    """One per process."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        file_bytes_max: int,
        file_s_max: float,
        relay_proxy: str = "",
        file_proxy: str = "",
    ) -> None:
        """`file_proxy`: USER_CONTENT_REQUEST_PROXY."""
        self._http, self._relay_proxy = http, relay_proxy
        self._fetcher = GuardedFetcher(proxy=file_proxy)
        self._limits = FetchLimits(
            total_s=file_s_max,
            bytes_max=file_bytes_max,
            types=("image/", "audio/", "video/", "text/", "application/pdf", "application/octet-stream"),
        )
        self._credentials: OrderedDict[tuple[str, str], Credential] = OrderedDict()
        self._fetching: dict[tuple[str, str], asyncio.Task[Credential]] = {}

    async def prepare(self, call: Call, channel: RoutedChannel, exchange: Exchange) -> Outgoing:
        """The request that answers the call; earlier steps have been carried out.

        Args:
            exchange: sends a step and reads its whole answer.
        Raises DialectError (the client's fault), NotPrepared, and what `exchange` raises.
        """
        provider, view = channel.provider, channel.view
        credential = await self._credential(channel)
        files: dict[str, Fetched] = {}
        try:
            sent = provider.prepare(call, view, credential=credential)
            if isinstance(sent, NeedsFiles):
                files = await self._fetch(sent.urls, call.settings.fetch_worker)
                sent = provider.prepare(call, view, credential=credential, files=files)
        except KeyFormatError:
            raise NotPrepared("the channel's key has a wrong form") from None
        if isinstance(sent, NeedsFiles):
            raise NotPrepared("the provider asks for files again")
        for _ in range(STEPS_MAX):
            if not sent.more:
                return as_received(call, sent, provider.name)
            if sent.delay_s:
                await asyncio.sleep(sent.delay_s)
            reply = await exchange(sent)
            sent = provider.next_step(call, view, sent, reply.body, credential=credential)
        raise NotPrepared("the provider did not come to an end")

    async def _fetch(self, urls: tuple[str, ...], worker: tuple[str, str]) -> dict[str, Fetched]:
        if len(urls) > FILES_MAX:
            raise DialectError(f"more than {FILES_MAX} files by URL", code="too_many_files")
        found = await asyncio.gather(*(self._fetch_one(url, worker) for url in urls))
        return dict(zip(urls, found, strict=True))

    async def _fetch_one(self, url: str, worker: tuple[str, str]) -> Fetched:
        try:
            if worker[0]:
                return await self._by_worker(url, *worker)
            answer = await self._fetcher.fetch(url, self._limits)
        except UrlRefused as refused:
            raise DialectError(f"a file's address is not allowed: {refused}", code="file_url_refused") from None
        except FetchFailed as failed:
            raise DialectError(f"a file could not be fetched: {failed}", code="file_not_fetched") from None
        if answer.status != 200:
            raise DialectError(f"a file could not be fetched: status {answer.status}", code="file_not_fetched")
        data = base64.b64encode(answer.body).decode()
        return Fetched(data, sniff(answer.body, answer.content_type))

    async def _by_worker(self, url: str, address: str, key: str) -> Fetched:
        """The operator's fetch worker asks for the file, so that its site sees the worker's address. https only.

        Raises UrlRefused, FetchFailed.
        """
        read_target(url, UrlRules())
        try:
            async with asyncio.timeout(self._limits.total_s):
                answer = await self._http.post(address, json={"url": url, "key": key})
        except (TimeoutError, httpx.HTTPError) as error:
            raise FetchFailed("the fetch worker did not answer") from error
        if answer.status_code != 200 or len(answer.content) > self._limits.bytes_max:
            raise FetchFailed("the fetch worker did not give the file")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(base64.b64encode(answer.content).decode(), sniff(answer.content, kind))

    async def _credential(self, channel: RoutedChannel) -> str:
        name = channel.provider.credential_key(channel.view)
        if not name:
            return ""
        key = (channel.provider.name, name)
        now_s = int(time.time())
        held = self._credentials.get(key)
        if held is not None and held.refresh_s > now_s:
            return held.token
        task = self._fetching.get(key)
        if task is None:
            task = self._fetching[key] = asyncio.create_task(self._sign_in(key, channel, now_s))
        if held is not None and held.expires_s > now_s:
            return held.token  # still good: the task brings the next one
        return (await asyncio.shield(task)).token

    async def _sign_in(self, key: tuple[str, str], channel: RoutedChannel, now_s: int) -> Credential:
        try:
            ask = channel.provider.credential_request(channel.view, now_s)
            answer = await self._ask(ask, str(channel.view.setting.get("proxy") or self._relay_proxy))
            credential = channel.provider.read_credential(answer.status_code, answer.content, now_s)
        except KeyFormatError:
            raise NotPrepared("the channel's key has a wrong form") from None
        except httpx.HTTPError as error:
            raise NotPrepared(f"sign-in at the provider failed: {type(error).__name__}") from None
        finally:
            self._fetching.pop(key, None)
        self._credentials[key] = credential
        if len(self._credentials) > CREDENTIALS_MAX:
            self._credentials.popitem(last=False)
        return credential

    async def _ask(self, ask: CredentialRequest, proxy: str) -> httpx.Response:
        """Tokens live for an hour or more: a connection of its own through the channel's proxy costs nothing."""
        if not proxy:
            return await self._http.request(ask.method, ask.url, headers=list(ask.headers), content=ask.body)
        if not proxy.startswith(SCHEMES):
            raise NotPrepared("the channel's proxy cannot be used")
        async with httpx.AsyncClient(proxy=proxy, timeout=self._http.timeout, trust_env=False) as http:
            return await http.request(ask.method, ask.url, headers=list(ask.headers), content=ask.body)

    def forget(self, channel: RoutedChannel) -> None:
        """The provider refused the token: the next call signs in again."""
        self._credentials.pop((channel.provider.name, channel.provider.credential_key(channel.view)), None)

    async def close(self) -> None:
        await self._fetcher.close()
