"""Addresses of strangers, acceptance 8: whatever form an inner address takes, nothing of this machine is dialled."""

import asyncio

import pytest

from schema.addresses import UrlRefused, UrlRules
from schema.guarded_fetch import FetchFailed, FetchLimits, GuardedFetcher, resolve

HOSTS = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0", "localhost",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "10.0.0.1", "192.168.0.1", "172.31.255.255", "100.64.0.1", "169.254.169.254", "[fd00:ec2::254]",
    "[fe80::1]", "224.0.0.1", "127.0.0.1.", "①②⑦.0.0.1",
)  # fmt: skip
TRICKS = (
    "https://public.example@127.0.0.1/", "https://127.0.0.1#@public.example/", "https://127.0.0.1\\@public.example/",
    "https://public.example:443@127.0.0.1/", "https://[::1]@public.example/", "http://127.0.0.1/", "file:///etc/passwd",
    "https://127.0.0.1%2f@public.example/", "https:///127.0.0.1/", "//127.0.0.1/", "https://127.0.0.1:6379/",
    "gopher://127.0.0.1:6379/_FLUSHALL", "https://\t127.0.0.1/", "https://127.0.0.1\r\nHost: x/",
)  # fmt: skip
LIMITS = FetchLimits(connect_s=2, total_s=3)


@pytest.mark.parametrize("url", [*(f"https://{host}/" for host in HOSTS), *TRICKS])
async def test_no_form_of_an_inner_address_is_dialled(url, monkeypatch):
    dialled = []
    monkeypatch.setattr("httpcore._backends.auto.AutoBackend.connect_tcp", lambda *a, **k: dialled.append(a) or 1 / 0)
    fetcher = GuardedFetcher(UrlRules(), _names)
    try:
        for call in (fetcher.fetch(url, LIMITS), fetcher.post(url, b"{}", {}, LIMITS)):
            with pytest.raises((UrlRefused, FetchFailed)):
                await call
    finally:
        await fetcher.close()
    assert dialled == []


async def _names(host: str, port: int) -> list[str]:
    """Names of the machine's own resolver, and a public one that is not asked for in earnest."""
    return ["127.0.0.1"] if host == "public.example" else await resolve(host, port)


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing():
    """DNS rebinding: the name is asked for once, and the connection goes to the address that was checked."""
    asked, dialled = [], []

    async def names(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["198.51.100.9"] if len(asked) == 1 else ["127.0.0.1"]

    async def dial(self, host, *_):
        dialled.append(host)
        raise OSError("not in a test")

    rules = UrlRules()
    fetcher = GuardedFetcher(rules, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schema.guarded_fetch.AutoBackend.connect_tcp", dial)
        patch.setattr("schema.addresses.is_public", lambda address: str(address) != "127.0.0.1")
        with pytest.raises((FetchFailed, UrlRefused, OSError)):
            await fetcher.fetch("https://rebinding.example/", LIMITS)
    await fetcher.close()
    assert (asked, dialled) == (["rebinding.example"], ["198.51.100.9"])


async def test_a_redirect_inside_is_refused():
    """A public site (here: allowed for the test) sends us to this machine."""
    hits = []

    async def serve(reader, writer):
        hits.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
        where = b"http://inside.example:%d/secret" % port
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n" % where)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        async def names(host: str, _: int) -> list[str]:
            return {"outside.example": ["127.0.0.1"], "inside.example": ["169.254.169.254"]}[host]

        fetcher = GuardedFetcher(UrlRules(http=True, private=True, ports=frozenset({port})), names)
        with pytest.raises(UrlRefused):
            await fetcher.fetch(f"http://outside.example:{port}/", LIMITS)
        await fetcher.close()
    assert hits == [b"/"]
