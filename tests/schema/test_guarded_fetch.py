"""A stranger's URL reaches public addresses only, whatever the name server, redirects or sizes try."""

import asyncio

import pytest

from schema.addresses import UrlRefused, UrlRules, check_addresses, is_metadata, is_public, read_address, read_target
from schema.guarded_fetch import FetchFailed, FetchLimits, GuardedFetcher


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "::7f00:1",
        "2001::1",
        "168.63.129.16",
    ],
)
def test_not_public(text):
    assert not is_public(read_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(text):
    assert is_public(read_address(text))


def test_one_bad_address_among_good_ones_refuses_the_host():
    with pytest.raises(UrlRefused):
        check_addresses(["8.8.8.8", "127.0.0.1"], UrlRules())
    assert check_addresses(["8.8.8.8", "1.1.1.1"], UrlRules()) == "8.8.8.8"


def test_metadata_is_refused_even_where_private_addresses_are_allowed():
    assert is_metadata(read_address("::ffff:169.254.169.254"))
    with pytest.raises(UrlRefused):
        check_addresses(["169.254.169.254"], UrlRules(private=True))


@pytest.mark.parametrize(
    "url",
    ["http://a.example/x", "file:///etc/passwd", "https://u:p@a.example/", "https://a.example:22/", "https:///x",
     "https://a.example:99999/", "https://[::1", "gopher://a.example/", "https://a.example\\@b.example/",
     "https://a.example/" + "x" * 9000],
)  # fmt: skip
def test_forms_that_are_refused(url):
    with pytest.raises(UrlRefused):
        read_target(url, UrlRules())


ANSWERS = {
    b"/image": b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 4\r\n\r\nPNG!",
    b"/html": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
    b"/loop": b"HTTP/1.1 302 Found\r\nlocation: /loop\r\ncontent-length: 0\r\n\r\n",
    b"/once": b"HTTP/1.1 302 Found\r\nlocation: /image\r\ncontent-length: 0\r\n\r\n",
    b"/inside": b"HTTP/1.1 302 Found\r\nlocation: http://inside.example:PORT/image\r\ncontent-length: 0\r\n\r\n",
    b"/big": b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + b"x" * 5000,
    b"/told": b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 99999\r\n\r\n",
    b"/hook": b"HTTP/1.1 204 No Content\r\n\r\n",
}


class Site:
    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen.append(head)
        path = head.split(b" ")[1]
        if path == b"/slow":
            await asyncio.sleep(5)
        else:
            writer.write(ANSWERS[path].replace(b"PORT", str(self.port).encode()))
            await writer.drain()
        writer.close()


async def run(url_path: str, *, limits: FetchLimits | None = None, private: bool = True) -> tuple[object, Site]:
    """Fetches from a server on this machine; the name outside.example leads to it, inside.example to metadata."""
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]

    async def names(host: str, port: int) -> list[str]:
        return {"outside.example": ["127.0.0.1"], "inside.example": ["169.254.169.254"]}[host]

    fetcher = GuardedFetcher(UrlRules(http=True, private=private, ports=frozenset({site.port})), names)
    try:
        url = f"http://outside.example:{site.port}{url_path}"
        return await fetcher.fetch(url, limits or FetchLimits(types=("image/",), bytes_max=1000, total_s=2)), site
    finally:
        await fetcher.close()
        server.close()


def test_the_checked_address_is_used_with_the_name_as_host():
    found, site = asyncio.run(run("/once"))
    assert found.body == b"PNG!" and found.content_type == "image/png"
    assert len(site.seen) == 2 and b"outside.example" in site.seen[1].lower()


def test_a_private_address_is_never_dialled():
    with pytest.raises(UrlRefused, match="not public"):
        asyncio.run(run("/image", private=False))


@pytest.mark.parametrize(("path", "error"), [
    ("/html", FetchFailed), ("/loop", FetchFailed), ("/inside", UrlRefused), ("/big", FetchFailed), ("/told", FetchFailed),
])  # fmt: skip
def test_limits_hold(path, error):
    with pytest.raises(error):
        asyncio.run(run(path))


def test_time_is_limited():
    with pytest.raises(FetchFailed):
        asyncio.run(run("/slow", limits=FetchLimits(total_s=0.2)))
