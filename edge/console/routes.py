"""One declaration per route: the server's handler and the OpenAPI document (edge.console.openapi) come from it."""

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any

from blacksheep import Request, Response
from msgspec import Struct

from edge.services import Services


class Role(IntEnum):
    """The least role that may call."""

    VISITOR = 0
    USER = 1
    ADMIN = 10
    ROOT = 100


class Actor(Struct, frozen=True):
    """Who calls, as SQL had him at this request. `id` 0 is a visitor; access-token callers have no session."""

    id: int = 0
    username: str = ""
    role: int = 0
    group: str = ""
    via_session: bool = False
    session: str = ""  # digest of the session id
    fresh_until_s: int = 0  # Unix s; the password was given lately
    second_factor: bool = False  # this session was proved twice
    signed_in_s: int = 0  # Unix s; when the session began
    ip: str = ""


Handler = Callable[[Services, Request, Actor], Awaitable[Response]]


class Route(Struct, frozen=True):
    """`path` as BlackSheep writes it (`:id`); `returns` is the type of the reply's `data` (`or_returns`: the other one it may have), `body` that of the request's.

    `query`: `name` or `name:type`, the type where it is not the usual one of the name. `fresh`: cookie callers must have
    given their password within ten minutes. `critical`: counts under the strict limit per address. `answer`: type of the
    whole body of a reply without the envelope; `media`: its kind where it is not JSON. `key`: a relay token opens it.
    """

    method: str
    path: str
    role: Role
    returns: Any
    handler: Handler
    body: Any = None
    or_returns: Any = None
    query: tuple[str, ...] = ()
    fresh: bool = False
    critical: bool = False
    answer: Any = None
    media: str = "application/json"
    key: bool = False
