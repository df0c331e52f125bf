"""The BlackSheep application of the console: routes from their declarations, with and without trailing slash."""

import msgspec
from blacksheep import Application, Content, Request, Response

from edge.console import content
from edge.console.routes import Role, Route, write_openapi
from edge.services import Services

ROUTES: tuple[Route, ...] = (*content.ROUTES,)


def create_console(services: Services) -> Application:
    """Call `start()` on it before the first request, as BlackSheep asks."""
    app = Application()
    for route in ROUTES:
        _add(app, services, route)
    document = write_openapi(ROUTES)

    async def openapi(request: Request) -> Response:
        return Response(200, content=Content(b"application/json", document))

    app.router.add("GET", "/api/openapi.json", openapi)
    app.router.fallback = _unknown
    return app


def _add(app: Application, services: Services, route: Route) -> None:
    if route.role is not Role.VISITOR:
        raise ValueError(f"{route.path}: sign-in is not served yet, so only visitors' routes may be")

    async def handle(request: Request) -> Response:
        return await route.handler(services, request)

    bare = route.path.rstrip("/")
    app.router.add(route.method, bare, handle)  # BlackSheep matches the trailing slash too


async def _unknown(request: Request) -> Response:
    place = f"{request.method} {request.url.path.decode('utf-8', 'replace')}"
    error = {"message": f"Invalid URL ({place})", "type": "invalid_request_error", "param": "", "code": ""}
    return Response(404, content=Content(b"application/json", msgspec.json.encode({"error": error})))
