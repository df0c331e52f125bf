"""The API's own pages: the document at /openapi.json, and Swagger UI at /docs from files of ours, so that it works offline."""

from importlib.util import find_spec
from pathlib import Path

from blacksheep import Application, Content, Request, Response

DOCUMENT_PATHS = ("/openapi.json", "/api/openapi.json")
_KINDS = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8", ".png": b"image/png"}
_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    b"frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
_PAGE = (
    b"<!doctype html><html lang=en><head><meta charset=utf-8><title>MedusaXD API</title>"
    b'<meta name=viewport content="width=device-width,initial-scale=1">'
    b'<link rel=icon href="/docs/favicon-32x32.png"><link rel=stylesheet href="/docs/swagger-ui.css"></head>'
    b'<body><div id=docs></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>'
    b"</html>"
)
_START = b"""SwaggerUIBundle({
  url: '/openapi.json', dom_id: '#docs', deepLinking: true, docExpansion: 'none', filter: true, tagsSorter: 'alpha',
  validatorUrl: null, persistAuthorization: false,
});
"""


def add_docs(app: Application, document: bytes) -> None:
    """Routes of the document and of the page. The files are read when first asked for."""
    folder = _folder()
    held: dict[str, bytes] = {"start.js": _START}

    async def openapi(request: Request) -> Response:
        return _answer(b"application/json", document, b"no-cache")

    async def page(request: Request) -> Response:
        return _answer(b"text/html; charset=utf-8", _PAGE, b"no-cache")

    async def file(request: Request) -> Response:
        name = str((request.route_values or {}).get("name", ""))
        if name not in held and name not in _FILES:
            return _answer(b"text/plain", b"not found", b"no-cache", status=404)
        if name not in held:
            held[name] = (folder / name).read_bytes()
        return _answer(_KINDS[Path(name).suffix], held[name], b"public, max-age=86400")

    for path in DOCUMENT_PATHS:
        app.router.add("GET", path, openapi)
    app.router.add("GET", "/docs", page)
    app.router.add("GET", "/docs/:name", file)


def _folder() -> Path:
    """Of the package that carries Swagger UI; it is not imported, since its code serves other frameworks."""
    spec = find_spec("swagger_ui")
    assert spec is not None and spec.origin is not None, "the package swagger-ui-py is installed"
    return Path(spec.origin).parent / "static"


def _answer(kind: bytes, body: bytes, caching: bytes, *, status: int = 200) -> Response:
    response = Response(status, content=Content(kind, body))
    for name, value in (
        (b"Cache-Control", caching),
        (b"Content-Security-Policy", _POLICY),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Referrer-Policy", b"same-origin"),
    ):
        response.add_header(name, value)
    return response
