"""The OpenAPI 3.1 document: made from the route table and its types, so that it says what the server does."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from edge.console.routes import Role, Route

VERSION = "1"
_REF = "#/components/schemas/{name}"
_INTEGERS = frozenset(
    {
        "p", "page_size", "size", "start_timestamp", "end_timestamp", "target_timestamp", "before_id", "limit", "status",
        "type", "channel", "channel_id", "user_id", "window", "from", "to", "step", "days", "hours",
    }
)  # fmt: skip
_FLAGS = frozenset(
    {"id_sort", "tag_mode", "envelope", "status_only", "with_secrets_state", "include_financial", "stream"}
)
_SECURITY: dict[Role, list[dict[str, list[str]]]] = {
    Role.VISITOR: [{}],
    **{role: [{"session": [], "user": []}, {"accessToken": []}] for role in (Role.USER, Role.ADMIN, Role.ROOT)},
}


class Refused(Struct):
    """What was not done, and why: `code` never changes, `message` is for people, `params` are the facts."""

    success: bool
    message: str
    code: str = ""
    params: dict[str, Any] = {}


class KeyErrorBody(Struct):
    message: str
    type: str
    param: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class KeyRefused(Struct):
    """The same in OpenAI's form, on routes that a relay key opens."""

    error: KeyErrorBody


def write_openapi(routes: Iterable[Route]) -> bytes:
    """The document of exactly these routes."""
    table = tuple(routes)
    kinds = [kind for route in table for kind in (route.returns, route.answer, route.or_returns)]
    replies, components = msgspec.json.schema_components([*kinds, Refused, KeyRefused], ref_template=_REF)
    for part in components.values():
        _complete(part)
    bodies, inputs = msgspec.json.schema_components([route.body for route in table], ref_template=_REF)
    assert not components.keys() & inputs.keys(), "a type is either read or written"
    paths: dict[str, dict[str, Any]] = {}
    for at, route in enumerate(table):
        operation = _operation(
            route, _either(route, replies[3 * at], replies[3 * at + 2]), bodies[at], replies[3 * at + 1]
        )
        paths.setdefault(re.sub(r":(\w+)", r"{\1}", route.path), {})[route.method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {"title": "MedusaXD API", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components | inputs, "securitySchemes": _SCHEMES},
    }
    return msgspec.json.encode(document)


def _either(route: Route, one: Any, other: Any) -> Any:
    return one if route.or_returns is None else {"anyOf": [one, other]}


_ABOUT = (
    "The console behind the gateway. A reply is `{success, message, data}`; a business error is status 200 with "
    "`success` false. Every path is served with and without its trailing slash."
)
_SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": "session"},
    "user": {"type": "apiKey", "in": "header", "name": "New-Api-User", "description": "the id of the own account"},
    "accessToken": {"type": "http", "scheme": "bearer", "description": "the access token of an account"},
    "key": {"type": "http", "scheme": "bearer", "description": "a relay token, sk-..."},
}


def _complete(schema: dict[str, Any]) -> None:
    """A reply states every member, also those that have a default here; only the UNSET ones may be absent."""
    members = schema.get("properties", {})
    stated = [name for name, kind in members.items() if name in schema["required"] or "default" in kind]
    for kind in members.values():
        kind.pop("default", None)
    if members:
        schema["required"] = stated


def _operation(route: Route, returns: Any, body: Any, answer: Any) -> dict[str, Any]:
    module = route.handler.__module__.removeprefix("edge.console.")
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "tags": [module.split(".")[-1]],
        "summary": (route.handler.__doc__ or "").strip(),
        "security": [{"key": []}] if route.key else _SECURITY[route.role],
        "x-role": route.role.name.lower(),
    }
    parameters = [*map(_path_parameter, re.findall(r":(\w+)", route.path)), *map(_query_parameter, route.query)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if route.media != "application/json":
        whole: dict[str, Any] = {"type": "string"}
    elif route.key:
        whole = answer
    elif route.answer is not None:
        whole = {"anyOf": [answer, {"$ref": _REF.format(name="Refused")}]}
    else:
        whole = _envelope(route, returns)
    refused = {"$ref": _REF.format(name="KeyRefused" if route.key else "Refused")}
    operation["responses"] = {
        "200": {"description": "The answer", "content": {route.media: {"schema": whole}}},
        "default": {"description": "Refused", "content": {"application/json": {"schema": refused}}},
    }
    if route.media != "application/json":  # a business error comes as an envelope there as well
        operation["responses"]["200"]["content"]["application/json"] = {"schema": refused}
        operation["responses"]["default"]["content"][route.media] = {"schema": whole}
    return operation


def _envelope(route: Route, returns: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {
        "success": {"type": "boolean"},
        "message": {"type": "string"},
        "code": {"type": "string", "description": "of a refusal"},
        "params": {"type": "object", "description": "the facts of a refusal"},
    }
    if route.returns is not None:
        members["data"] = {"anyOf": [returns, _page_of(returns)]} if "envelope" in route.query else returns
    return {"type": "object", "required": ["success", "message"], "properties": members}


def _page_of(rows: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: {"type": "integer"} for name in ("total", "page", "page_size")}
    return {"type": "object", "required": ["items", *numbers], "properties": {"items": rows, **numbers}}


def _name(route: Route) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", route.path).strip("_")
    return f"{route.method.lower()}_{words.removeprefix('api_')}"


def _path_parameter(name: str) -> dict[str, Any]:
    kind = "integer" if name == "id" else "string"
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}


def _query_parameter(declared: str) -> dict[str, Any]:
    """`name` or `name:type`. Values that do not fit are read as absent, never an error."""
    name, _, kind = declared.partition(":")
    kind = kind or ("integer" if name in _INTEGERS else "boolean" if name in _FLAGS else "string")
    return {"name": name, "in": "query", "schema": {"type": kind}}
