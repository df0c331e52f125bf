"""The real application over ASGI: sanitised texts, both spellings of a path, unknown paths, the document."""

import re
from types import SimpleNamespace

import httpx
import pytest

from edge.console.app import ROUTES, create_console
from edge.services import Services
from schema.config import read_config
from schema.options import read_options


@pytest.fixture
async def client():
    options = read_options({"Notice": "<b>hi</b><script>alert(1)</script>"})
    store = SimpleNamespace(current=SimpleNamespace(options=options))
    parts = dict.fromkeys(("engine", "log_engine", "redis", "http", "vault"))  # public texts need none of them
    app = create_console(Services(config=read_config({}), snapshots=store, **parts))
    await app.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as http:
        yield http
    await app.stop()


@pytest.mark.parametrize("path", ["/api/notice", "/api/notice/"])
async def test_notice_is_sanitised(client, path):
    assert (await client.get(path)).json() == {"success": True, "message": "", "data": "<b>hi</b>"}


async def test_unknown_path(client):
    reply = await client.get("/api/x")
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "Invalid URL (GET /api/x)")


async def test_document_lists_every_route(client):
    document = (await client.get("/api/openapi.json")).json()
    listed = {(m.upper(), path) for path, item in document["paths"].items() for m in item}
    assert listed == {(route.method, re.sub(r":(\w+)", r"{\1}", route.path)) for route in ROUTES}


async def test_pages_of_the_document_need_no_other_site(client):
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert links and all(link.startswith("/docs/") for link in links)
    for link in links:
        assert (await client.get(link)).status_code == 200, link
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "default-src 'none'" in policy
    assert (await client.get("/docs/swagger-editor.js")).status_code == 404
    assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")
