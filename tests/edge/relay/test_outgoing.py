"""Access tokens: fetched once for many calls, through the channel's proxy, and anew when they were refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import pytest

from edge.channels import RoutedChannel
from edge.relay.outgoing import NotPrepared, Preparer
from schema.config import ConfigError, read_config
from schema.dialects.errors import DialectError
from schema.dialects.providers.base import Call, ChannelView, Outgoing
from schema.dialects.providers.registry import get_provider
from tests.services import free_port


class Proxy:
    def __init__(self) -> None:
        self.port, self.asked = free_port(), []

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.split("\r\n")[0])
        body = b'{"access_token":"tok-%d","expires_in":2592000}' % len(self.asked)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        writer.close()


def channel(proxy: str) -> RoutedChannel:
    view = ChannelView(1, "baidu", "id1|secret1", base_url="http://baidu.example", setting={"proxy": proxy})
    return RoutedChannel(
        id=1, priority=0, weight=0, type=15, view=view, provider=get_provider("baidu"), groups=("default",),
        models=("ERNIE-4.0-8K",), model_mapping={}, status_mapping={}, auto_ban=False, cache_ratio=Decimal(1),
    )  # fmt: skip


@asynccontextmanager
async def open_preparer(relay_proxy: str = "") -> AsyncIterator[Preparer]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        preparer = Preparer(http, file_bytes_max=1, file_s_max=1, relay_proxy=relay_proxy)
        yield preparer
        await preparer.close()


CALL = Call("chat", "openai", "ERNIE-4.0-8K", "ERNIE-4.0-8K", b'{"messages":[{"role":"user","content":"hi"}]}')


async def no_step(_: Outgoing):
    raise AssertionError("no step is needed")


@pytest.mark.parametrize("of_channel", [True, False], ids=["setting.proxy", "RELAY_PROXY"])
async def test_signing_in_goes_through_the_proxy_once(of_channel):
    proxy = Proxy()
    address = f"http://127.0.0.1:{proxy.port}"
    async with (
        await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port),
        open_preparer("" if of_channel else address) as preparer,
    ):
        held = channel(address if of_channel else "")
        sent = await asyncio.gather(*(preparer.prepare(CALL, held, no_step) for _ in range(20)))
        assert {one.url.rpartition("=")[2] for one in sent} == {"tok-1"}
        assert proxy.asked == [
            "POST http://baidu.example/oauth/2.0/token?grant_type=client_credentials&client_id=id1&client_secret=secret1 HTTP/1.1"
        ]
        preparer.forget(held)
        assert (await preparer.prepare(CALL, held, no_step)).url.endswith("tok-2")


async def test_a_proxy_of_an_unknown_kind_fails_the_attempt_alone():
    async with open_preparer() as preparer:
        with pytest.raises(NotPrepared):
            await preparer.prepare(CALL, channel("ftp://127.0.0.1"), no_step)


async def test_files_of_users_come_through_a_proxy_of_their_own():
    """USER_CONTENT_REQUEST_PROXY: it is asked for public addresses and for names that only it knows, never for inner ones."""
    asked: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n")).decode().rpartition(" ")[0])
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    port = free_port()
    config = read_config({"USER_CONTENT_REQUEST_PROXY": f"http://127.0.0.1:{port}"})
    async with httpx.AsyncClient(trust_env=False) as http, await asyncio.start_server(refuse, "127.0.0.1", port):
        preparer = Preparer(http, file_bytes_max=9, file_s_max=5, file_proxy=config.user_content_request_proxy)
        for url, code in (
            ("https://93.184.216.34/a.png", "file_not_fetched"), ("https://files.invalid/a.png", "file_not_fetched"),
            ("https://127.0.0.1/a.png", "file_url_refused"), ("https://localhost/a.png", "file_url_refused"),
        ):  # fmt: skip
            with pytest.raises(DialectError) as refused:
                await preparer._fetch((url,), ("", ""))
            assert refused.value.code == code, url
        await preparer.close()
    assert asked == ["CONNECT 93.184.216.34:443", "CONNECT files.invalid:443"]
    with pytest.raises(ConfigError, match="USER_CONTENT_REQUEST_PROXY"):
        read_config({"USER_CONTENT_REQUEST_PROXY": "proxy:3128"})
