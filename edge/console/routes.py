"""One declaration per route: the server's handler and the OpenAPI document both come from it."""

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any

import msgspec
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


Handler = Callable[[Services, Request, Actor], Awaitable[Response]]


class Route(Struct, frozen=True):
    """`path` as BlackSheep writes it (`:id`); `returns` is the type of the reply's `data`, `body` that of the request's.

    `fresh`: cookie callers must have given their password within ten minutes. `critical`: counts under the strict
    limit per address.
    """

    method: str
    path: str
    role: Role
    returns: Any
    handler: Handler
    body: Any = None
    query: tuple[str, ...] = ()
    fresh: bool = False
    critical: bool = False


def write_openapi(routes: tuple[Route, ...]) -> bytes:
    """The OpenAPI 3.1 document of exactly these routes."""
    types = [route.returns for route in routes] + [route.body for route in routes]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for route, schema, body in zip(routes, schemas, schemas[len(routes) :], strict=False):
        reply = {
            "type": "object",
            "required": ["success", "message"],
            "properties": {"success": {"type": "boolean"}, "message": {"type": "string"}, "data": schema},
        }
        answer = {"description": "Envelope", "content": {"application/json": {"schema": reply}}}
        operation: dict[str, Any] = {"summary": route.handler.__doc__, "x-role": route.role.name}
        operation["responses"] = {"200": answer}
        if route.query:
            operation["parameters"] = [{"name": n, "in": "query", "schema": {"type": "string"}} for n in route.query]
        if route.body is not None:
            operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {"title": "MedusaXD API", "version": "1"},
        "paths": paths,
        "components": {"schemas": components},
    }
    return msgspec.json.encode(document)
