"""One declaration per route: the server's handler and the OpenAPI document both come from it."""

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct

from edge.services import Services

Handler = Callable[[Services, Request], Awaitable[Response]]


class Role(IntEnum):
    """The least role that may call."""

    VISITOR = 0
    USER = 1
    ADMIN = 10
    ROOT = 100


class Route(Struct, frozen=True):
    """`path` as BlackSheep writes it (`:id`); `returns` is the type of the reply's `data`."""

    method: str
    path: str
    role: Role
    returns: Any
    handler: Handler


def write_openapi(routes: tuple[Route, ...]) -> bytes:
    """The OpenAPI 3.1 document of exactly these routes."""
    schemas, components = msgspec.json.schema_components(
        [route.returns for route in routes], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route, schema in zip(routes, schemas, strict=True):
        reply = {
            "type": "object",
            "required": ["success", "message"],
            "properties": {"success": {"type": "boolean"}, "message": {"type": "string"}, "data": schema},
        }
        answer = {"description": "Envelope", "content": {"application/json": {"schema": reply}}}
        operation = {"summary": route.handler.__doc__, "x-role": route.role.name, "responses": {"200": answer}}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {"title": "MedusaXD API", "version": "1"},
        "paths": paths,
        "components": {"schemas": components},
    }
    return msgspec.json.encode(document)
