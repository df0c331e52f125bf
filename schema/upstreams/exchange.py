"""One request to a provider outside of the relay: sign-in, earlier steps, the call itself, a bounded answer."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from msgspec import Struct

from schema.addresses import ANY_PORT, UrlRefused, UrlRules
from schema.dialects import neutral
from schema.dialects.errors import BadAnswer, DialectError
from schema.dialects.providers.base import Call, KeyFormatError, NeedsFiles, Outgoing
from schema.guarded_fetch import guarded_client
from schema.upstreams.account import Account

ANSWER_BYTES_MAX = 4 << 20
STEPS_MAX = 20


class Failed(Exception):
    """No good answer. `status` 0: none came. `error` as the provider's reader understood it; no key, no address in it."""

    def __init__(self, status: int, error: neutral.UpstreamError, *, local: bool = False) -> None:
        super().__init__(error.message)
        self.status, self.error = status, error
        self.local = local  # we could not even ask: says nothing of the channel's health


class Answer(Struct, frozen=True):
    body: bytes
    content_type: str
    first_byte_ms: int
    sent: Outgoing


def _error(message: str, code: str) -> neutral.UpstreamError:
    return neutral.UpstreamError(message, "upstream_error", code, "", 502)


@asynccontextmanager
async def open_client(account: Account, *, private: bool, timeout_s: float) -> AsyncIterator[httpx.AsyncClient]:
    """A client that goes through the channel's proxy, or straight to checked addresses.

    Args:
        private: option ChannelAllowPrivate; metadata services stay closed either way.
    """
    proxy = str(account.view.setting.get("proxy") or "")
    timeout = httpx.Timeout(timeout_s)
    if proxy:
        try:
            client = httpx.AsyncClient(proxy=proxy, timeout=timeout, follow_redirects=False, trust_env=False)
        except (ValueError, ImportError):
            raise Failed(0, _error("The channel's proxy cannot be used.", "bad_proxy"), local=True) from None
    else:
        client = guarded_client(UrlRules(http=True, ports=ANY_PORT, private=private), timeout)
    async with client:
        yield client


async def carry_out(http: httpx.AsyncClient, call: Call, account: Account) -> Answer:
    """Raises Failed."""
    provider, view = account.provider, account.view
    try:
        credential = await _sign_in(http, account)
        sent = provider.prepare(call, view, credential=credential)
        if isinstance(sent, NeedsFiles):
            raise Failed(0, _error("The provider asks for files.", "not_testable"), local=True)
        for _ in range(STEPS_MAX):
            if not sent.method:
                return Answer(sent.body, "application/json", 0, sent)
            answer = await _send(http, sent, account)
            if not sent.more:
                return answer
            sent = provider.next_step(call, view, sent, answer.body, credential=credential)
    except KeyFormatError as error:
        raise Failed(401, _error(str(error), "invalid_api_key")) from None
    except BadAnswer as bad:
        raise Failed(bad.error.status, bad.error) from None
    except DialectError as error:
        raise Failed(0, _error(error.message, error.code), local=True) from None
    raise Failed(0, _error("The provider did not come to an end.", "upstream_timeout"))


async def _sign_in(http: httpx.AsyncClient, account: Account) -> str:
    provider, view = account.provider, account.view
    if not provider.credential_key(view):
        return ""
    now_s = int(time.time())
    ask = provider.credential_request(view, now_s)
    status, _, body, _, _ = await request(http, ask.method, ask.url, list(ask.headers), ask.body)
    return provider.read_credential(status, body, now_s).token


async def _send(http: httpx.AsyncClient, sent: Outgoing, account: Account) -> Answer:
    if sent.framing == "websocket":
        raise Failed(
            0, _error("This provider speaks over a WebSocket; it is tested by its calls.", "not_testable"), local=True
        )
    status, headers, body, first_byte_ms, _ = await request(http, sent.method, sent.url, list(sent.headers), sent.body)
    if not 200 <= status < 300:
        raise Failed(status, account.provider.read_error(status, body, account.view, headers))
    return Answer(body, headers.get("content-type", "application/json"), first_byte_ms, sent)


async def request(
    http: httpx.AsyncClient, method: str, url: str, headers: list[tuple[str, str]], body: bytes = b""
) -> tuple[int, dict[str, str], bytes, int, int]:
    """Status, headers (lower case), body, ms to the first byte, ms to the end. Raises Failed when no whole answer came."""
    begun = time.perf_counter()
    try:
        async with http.stream(method, url, headers=headers, content=body) as answer:
            data = bytearray()
            first_ms = 0
            async for chunk in answer.aiter_bytes():
                first_ms = first_ms or _since(begun)
                data += chunk
                if len(data) > ANSWER_BYTES_MAX:
                    raise Failed(answer.status_code, _error("The answer is too large.", "bad_response"))
            held = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status_code, held, bytes(data), first_ms or _since(begun), _since(begun)
    except httpx.TimeoutException:
        raise Failed(0, _error("The upstream did not answer in time.", "upstream_timeout")) from None
    except UrlRefused as refused:
        raise Failed(0, _error(f"The address is not allowed: {refused}.", "address_refused"), local=True) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
        text = f"The upstream could not be reached ({type(error).__name__})."
        raise Failed(0, _error(text, "upstream_failed")) from None


def _since(begun: float) -> int:
    return int((time.perf_counter() - begun) * 1000)
