"""The files of the admin UI: read once, compressed once, served from memory under a strict Content-Security-Policy."""

import gzip
import mimetypes
from pathlib import Path

from blacksheep import Content, Request, Response
from msgspec import Struct

from edge.console.calls import header

FOLDER = Path(__file__).parent.parent.parent / "admin_ui" / "dist"
COMPRESS_BYTES_MIN = 1024
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
TURNSTILE = b"https://challenges.cloudflare.com"  # whose script the pages load while the captcha is on
_POLICY = (
    b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; "
    b"font-src 'self'; connect-src 'self'; frame-src https:; frame-ancestors 'self'; base-uri 'self'; object-src 'none'"
)
_HEADERS = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"same-origin"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"Vary", b"Accept-Encoding"),
)
_MISSING = (
    b"<!doctype html><meta charset=utf-8><title>MedusaXD API</title><h1>The admin UI is not built</h1>"
    b"<p>The API works without it. To build the pages run <code>make ui</code> and start again.</p>"
)


class UiFile(Struct, frozen=True):
    """One file, plain and compressed."""

    kind: bytes
    body: bytes
    packed: bytes
    immutable: bool


class UiFiles:
    """All files of a folder, by path; every unknown path is the page itself, which routes in the browser."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            f"/{path.relative_to(folder).as_posix()}": _read(path) for path in folder.rglob("*") if path.is_file()
        }
        self._index = self._files.get("/index.html")

    def is_asset(self, path: str) -> bool:
        """A file that pages load, as opposed to a page."""
        return path.startswith("/assets/") or (path in self._files and path != "/index.html")

    def find(self, path: str, request: Request, *, captcha: bool = False) -> Response:
        """The file at a path, else the page; a missing asset is 404, so that a stale page does not run a page as script.

        `captcha`: the page may load Turnstile's script.
        """
        found = self._files.get(path)
        if found is None and path.startswith("/assets/"):
            return _with_headers(Response(404, content=Content(b"text/plain", b"not found")), b"no-cache", captcha)
        found = found or self._index
        if found is None:
            return _with_headers(
                Response(200, content=Content(b"text/html; charset=utf-8", _MISSING)), b"no-cache", captcha
            )
        packed = bool(found.packed) and "gzip" in header(request, b"accept-encoding")
        response = Response(200, content=Content(found.kind, found.packed if packed else found.body))
        if packed:
            response.add_header(b"Content-Encoding", b"gzip")
        caching = b"public, max-age=31536000, immutable" if found.immutable else b"no-cache"
        return _with_headers(response, caching, captcha)


def _with_headers(response: Response, caching: bytes, captcha: bool) -> Response:
    policy = _POLICY.replace(b"script-src 'self'", b"script-src 'self' " + TURNSTILE) if captcha else _POLICY
    response.add_header(b"Content-Security-Policy", policy)
    response.add_header(b"Cache-Control", caching)
    for name, value in _HEADERS:
        response.add_header(name, value)
    return response


def _read(path: Path) -> UiFile:
    body = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith(("json", "xml"))
    packed = gzip.compress(body, 9, mtime=0) if text and len(body) >= COMPRESS_BYTES_MIN else b""
    charset = "; charset=utf-8" if text else ""
    return UiFile(f"{kind}{charset}".encode(), body, packed, "assets" in path.parts)
