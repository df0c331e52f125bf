"""A price list is fetched from where root says, and from nowhere that is ours."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edge.console import upstream_prices
from schema.addresses import UrlRules

LIST = b'{"data":[{"model_name":"m","quota_type":0,"model_ratio":0.1}]}'


@pytest.fixture
def lists():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = LIST if self.path == "/api/pricing" else b"<html>"
            self.send_response(404 if self.path == "/missing" else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_what_the_address_answers(console, lists, monkeypatch):
    monkeypatch.setattr(upstream_prices, "UrlRules", lambda **_: rules(private=True))
    async with console.visitor() as http:
        await console.set_up(http)
        for path, expected in (("/api/pricing", None), ("/page", "bad_reply"), ("/missing", "upstream_failed")):
            reply = (await http.post("/api/option/upstream_prices", json={"url": lists + path})).json()
            assert reply.get("code") == expected or (
                expected is None and reply["data"]["data"][0]["model_ratio"] == 0.1
            ), path


def rules(*, private):
    class AnyPort(frozenset):
        def __contains__(self, port):
            return True

    return UrlRules(http=True, private=private, ports=AnyPort())


async def test_the_own_network_is_not_fetched(console, lists, monkeypatch):
    monkeypatch.setattr(upstream_prices, "UrlRules", lambda **_: rules(private=False))
    async with console.visitor() as http:
        await console.set_up(http)
        reply = (await http.post("/api/option/upstream_prices", json={"url": lists + "/api/pricing"})).json()
        assert (reply["success"], reply["code"]) in [(False, "url_refused"), (False, "upstream_failed")]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "not an address", "http://169.254.169.254/"])
async def test_odd_addresses_are_refused(console, url):
    async with console.visitor() as http:
        await console.set_up(http)
        reply = (await http.post("/api/option/upstream_prices", json={"url": url})).json()
        assert (reply["success"], reply["code"]) == (False, "url_refused")


async def test_only_root_may_ask(console):
    async with console.visitor() as http:
        assert (await http.post("/api/option/upstream_prices", json={"url": "https://a.example"})).status_code == 401
