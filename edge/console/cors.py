"""Which console routes scripts of other sites may read: what key tools call, and the public facts. Never with cookies.

Source: Fetch standard, "CORS protocol". The headers are on every reply of these routes, refusals included: a client that
cannot read a 429 takes it for a network error.
"""

from blacksheep import Request, Response

from edge.console.calls import header
from schema.config import Config

OPEN_PATHS = frozenset({"/api/log/token", "/api/status"})
OPEN_PREFIXES = ("/dashboard/billing", "/v1/", "/v1beta/")
MAX_AGE_S = 43_200
_EXPOSED = b"X-Oneapi-Request-Id, Retry-After, X-Total-Count, ETag"


def is_open(path: str) -> bool:
    return path.rstrip("/") in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def allow(config: Config, request: Request, response: Response, path: str) -> None:
    """Adds what lets a script read the reply, where the path and its site are allowed."""
    response.remove_header(b"Access-Control-Allow-Origin")
    if not is_open(path):
        return
    allowed = _allowed(config, request)
    if allowed:
        response.add_header(b"Access-Control-Allow-Origin", allowed)
        response.add_header(b"Access-Control-Expose-Headers", _EXPOSED)
        if allowed != b"*":
            response.add_header(b"Vary", b"Origin")


def answer_preflight(config: Config, request: Request, path: str) -> Response | None:
    """None: this is no path for other sites."""
    allowed = _allowed(config, request)
    if not is_open(path) or not allowed:
        return None
    response = Response(204)
    wanted = header(request, b"access-control-request-headers") or "Authorization"
    for name, value in (
        (b"Access-Control-Allow-Origin", allowed),
        (b"Access-Control-Allow-Methods", b"GET,POST,PUT,DELETE,OPTIONS"),
        (b"Access-Control-Allow-Headers", "".join(char for char in wanted if char.isprintable())[:500].encode()),
        (b"Access-Control-Max-Age", str(MAX_AGE_S).encode()),
        (b"Vary", b"Origin, Access-Control-Request-Headers"),
    ):
        response.add_header(name, value)
    return response


def _allowed(config: Config, request: Request) -> bytes:
    """`*`, the asking site where it is listed, or b""."""
    if "*" in config.cors_origins:
        return b"*"
    origin = header(request, b"origin")
    return origin.encode() if origin in config.cors_origins else b""
