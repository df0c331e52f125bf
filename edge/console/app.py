"""The BlackSheep application of the console: routes from their declarations, the guards before each, headers on each reply."""

import re
import secrets
import time
from datetime import UTC, datetime

import msgspec
import structlog
from blacksheep import Application, Content, Request, Response, Router
from blacksheep.server.compression import use_gzip_compression
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy.exc import InterfaceError, OperationalError

from edge.console import (
    accounts,
    audit_pages,
    billing,
    books,
    channel_balances,
    channel_bulk,
    channel_health,
    channel_history,
    channel_tests,
    channels,
    content,
    cors,
    data,
    health_stream,
    health_views,
    jobs,
    logs,
    mail_check,
    models,
    nodes,
    options,
    payments,
    redemptions,
    setup,
    status,
    tasks,
    tokens,
    upstream_models,
    upstream_prices,
    usage_figures,
    users,
)
from edge.console.access import authorize, find_actor
from edge.console.api_docs import add_docs
from edge.console.calls import client_address
from edge.console.compression import JsonCompression
from edge.console.envelope import Refusal, write_failure
from edge.console.limits import USER_CALLS, USER_WINDOW_S, address_name, admit
from edge.console.logins import email, oauth, passkeys, password, second_step, telegram, wechat
from edge.console.logins.entry import is_secure
from edge.console.openapi import write_openapi
from edge.console.routes import Actor, Role, Route
from edge.console.ui_files import UiFiles
from edge.metrics import Meters
from edge.services import Services

log = structlog.get_logger(__name__)

AWAY = (OperationalError, InterfaceError, RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)
ROUTES: tuple[Route, ...] = (
    *content.ROUTES,
    *setup.ROUTES,
    *accounts.ROUTES,
    *password.ROUTES,
    *second_step.ROUTES,
    *passkeys.ROUTES,
    *email.ROUTES,
    *oauth.ROUTES,
    *telegram.ROUTES,
    *wechat.ROUTES,
    *users.ROUTES,
    *tokens.ROUTES,
    *redemptions.ROUTES,
    *payments.ROUTES,
    *channels.ROUTES,
    *channel_bulk.ROUTES,
    *channel_tests.ROUTES,
    *channel_health.ROUTES,
    *channel_history.ROUTES,
    *health_stream.ROUTES,
    *health_views.ROUTES,
    *jobs.ROUTES,
    *nodes.ROUTES,
    *books.ROUTES,
    *channel_balances.ROUTES,
    *upstream_models.ROUTES,
    *options.ROUTES,
    *mail_check.ROUTES,
    *status.ROUTES,
    *logs.ROUTES,
    *audit_pages.ROUTES,
    *data.ROUTES,
    *usage_figures.ROUTES,
    *upstream_prices.ROUTES,
    *tasks.ROUTES,
    *models.ROUTES,
    *billing.ROUTES,
)
NOT_PAGES = ("/api", "/v1", "/dashboard/billing", "/mj", "/suno", "/pg")
PUBLIC_CACHEABLE = frozenset({"/api/status", "/api/notice", "/api/about", "/api/home_page_content", "/api/pricing"})
VISITOR = Actor()
SIGN_INS = {"/api/user/login": "password"} | {
    route.path: route.path.rpartition("/")[2] for route in oauth.ROUTES if route.path.startswith("/api/oauth/")
}  # routes that count as log-ins, and how they are called
SIGN_INS.pop("/api/oauth/state")
HSTS = b"max-age=31536000"
SECURITY_HEADERS = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"same-origin"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'self'"),
)


def create_console(services: Services) -> Application:
    """Call `start()` on it before the first request, as BlackSheep asks."""
    app = Application(router=Router())  # the default router is shared by all applications of a process
    use_gzip_compression(app, JsonCompression())
    for route in sorted(ROUTES, key=lambda one: one.path.count(":")):  # `/api/token/search` before `/api/token/:id`
        _add(app, services, route)
    add_docs(app, write_openapi(ROUTES))
    files = UiFiles()

    async def unknown(request: Request) -> Response:
        path = request.url.path.decode("utf-8", "replace")
        asked = cors.answer_preflight(services.config, request, path) if request.method == "OPTIONS" else None
        if asked is not None:
            return asked
        if services.config.frontend_base_url and not services.config.is_master and not path.startswith(NOT_PAGES):
            return _elsewhere(services.config.frontend_base_url, request)
        try:
            if request.method not in ("GET", "HEAD") or path.startswith(NOT_PAGES):
                if path.startswith("/api"):
                    await _limit_calls(services, request)
                return await _unknown(request)
            if not files.is_asset(path):
                await _limit_pages(services, request)
        except Refusal as refusal:
            return _finish(_refuse(refusal), path, new_request_id())
        captcha = services.snapshots.current.options.turnstile_check_enabled
        page = files.find(path, request, captcha=captcha)
        if is_secure(services, request):
            page.add_header(b"Strict-Transport-Security", HSTS)
        return page

    app.router.fallback = unknown

    async def announce_setup(_: Application) -> None:
        if services.redis is not None:
            await setup.prepare(services)

    app.on_start += announce_setup
    return app


def _elsewhere(base: str, request: Request) -> Response:
    """Pages of a machine that has none of its own: the same address at the main one."""
    query = b"?" + request.url.query if request.url.query else b""
    response = Response(301)
    response.add_header(b"Location", base.rstrip("/").encode() + (request.url.path or b"/") + query)
    return response


def _add(app: Application, services: Services, route: Route) -> None:
    async def handle(request: Request) -> Response:
        request_id, refused = new_request_id(), 0
        try:
            response = await _serve(services, route, request)
        except Refusal as refusal:
            response, refused = _refuse(refusal), refusal.status
        except AWAY as error:
            log.warning("console_without_server", route=f"{route.method} {route.path}", error=type(error).__name__)
            message = "The database or Redis cannot be reached at the moment; please try again."
            response, refused = _refuse(Refusal("temporarily_unavailable", message, status=503)), 503
        except Exception:
            log.exception("console_failed", route=f"{route.method} {route.path}", request_id=request_id)
            response, refused = _refuse(Refusal("internal_error", "Something went wrong here.", status=500)), 500
        if services.meters is not None:
            _count(services.meters, route.path.rstrip("/"), refused)
        if is_secure(services, request):
            response.add_header(b"Strict-Transport-Security", HSTS)
        cors.allow(services.config, request, response, route.path)
        return _finish(response, route.path, request_id)

    app.router.add(route.method, route.path.rstrip("/"), handle)  # BlackSheep matches the trailing slash too


def _count(meters: Meters, path: str, refused: int) -> None:
    """`refused`: the status of a refusal, 0 for none."""
    if refused == 429:
        meters.count("rate_limited_total", "console")
    method = SIGN_INS.get(path)
    if method is not None:
        meters.count("logins_total", method, "refused" if refused else "ok")


async def _serve(services: Services, route: Route, request: Request) -> Response:
    config = services.config
    if route.role is Role.VISITOR:
        if services.redis is not None:
            await _limit_address(services, request, route)
        return await route.handler(services, request, VISITOR)
    try:
        actor = await authorize(route, await find_actor(services, request), services.snapshots.current.options)
    except Refusal:
        await _limit_address(services, request, route)
        raise
    if config.global_api_rate_limit_enable:
        await admit(services.redis, f"user:{actor.id}", most=USER_CALLS, window_s=USER_WINDOW_S)
    if route.critical:
        await _limit_address(services, request, route)
    return await route.handler(services, request, msgspec.structs.replace(actor, ip=client_address(request, config)))


async def _limit_calls(services: Services, request: Request) -> str:
    """The management API as a whole, per address. Returns the name of the address."""
    config = services.config
    name = address_name(client_address(request, config))
    if config.global_api_rate_limit_enable and services.redis is not None:
        window = config.global_api_rate_limit_duration_s
        await admit(services.redis, f"GA:{name}", most=config.global_api_rate_limit, window_s=window)
    return name


async def _limit_pages(services: Services, request: Request) -> None:
    """Pages, per address; what a page loads is not counted."""
    config = services.config
    if config.global_web_rate_limit_enable and services.redis is not None:
        name, window = address_name(client_address(request, config)), config.global_web_rate_limit_duration_s
        await admit(services.redis, f"GW:{name}", most=config.global_web_rate_limit, window_s=window)


async def _limit_address(services: Services, request: Request, route: Route) -> None:
    config, name = services.config, await _limit_calls(services, request)
    if route.critical:
        window = config.critical_rate_limit_duration_s
        most = config.critical_rate_limit
        await admit(services.redis, f"CT:{name}", most=most, window_s=window, fail_open=False)


def _refuse(refusal: Refusal) -> Response:
    data = write_failure(refusal.message, code=refusal.code, params=refusal.params)
    response = Response(refusal.status, content=Content(b"application/json", data))
    if "retry_after_s" in refusal.params:
        response.add_header(b"Retry-After", str(refusal.params["retry_after_s"]).encode())
    return response


def _finish(response: Response, path: str, request_id: str) -> Response:
    response.add_header(b"X-Oneapi-Request-Id", request_id.encode())
    if path.rstrip("/") not in PUBLIC_CACHEABLE:
        response.add_header(b"Cache-Control", b"no-store")
    for name, value in SECURITY_HEADERS:
        response.add_header(name, value)
    return response


def new_request_id() -> str:
    """Time, nanoseconds and 8 random characters: at most 31 characters."""
    nanos = time.time_ns()
    stamp = datetime.fromtimestamp(nanos // 10**9, UTC).strftime("%Y%m%d%H%M%S")
    return f"{stamp}{nanos % 10**9}{secrets.token_hex(4)}"


_PATTERNS = [(re.compile(re.sub(r":\w+", "[^/]+", route.path.rstrip("/")) + "/?"), route.method) for route in ROUTES]


async def _unknown(request: Request) -> Response:
    path = request.url.path.decode("utf-8", "replace")
    allowed = sorted({method for pattern, method in _PATTERNS if pattern.fullmatch(path)})
    if allowed:
        refused = Refusal("method_not_allowed", f"{request.method} is not served here.", status=405)
        response = _refuse(refused)
        response.add_header(b"Allow", ", ".join(allowed).encode())
        return _finish(response, path, new_request_id())
    error = {
        "message": f"Invalid URL ({request.method} {path})",
        "type": "invalid_request_error",
        "param": "",
        "code": "",
    }
    response = Response(404, content=Content(b"application/json", msgspec.json.encode({"error": error})))
    return _finish(response, path, new_request_id())
