"""Texts an operator shows to everybody: notice, about and home page."""

import nh3
from blacksheep import Content, Request, Response

from edge.console.envelope import write_success
from edge.console.routes import Actor, Role, Route
from edge.services import Services


def _reply(html: str) -> Response:
    return Response(200, content=Content(b"application/json", write_success(nh3.clean(html))))


async def get_notice(services: Services, request: Request, actor: Actor) -> Response:
    """The notice, sanitised."""
    return _reply(services.snapshots.current.options.notice)


async def get_about(services: Services, request: Request, actor: Actor) -> Response:
    """The about text, sanitised."""
    return _reply(services.snapshots.current.options.about)


async def get_home(services: Services, request: Request, actor: Actor) -> Response:
    """The home page text, sanitised."""
    return _reply(services.snapshots.current.options.home_page_content)


ROUTES = (
    Route("GET", "/api/notice", Role.VISITOR, str, get_notice),
    Route("GET", "/api/about", Role.VISITOR, str, get_about),
    Route("GET", "/api/home_page_content", Role.VISITOR, str, get_home),
)
