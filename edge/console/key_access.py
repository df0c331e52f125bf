"""Console routes that a relay token opens: model lists and the billing that clients ask for."""

import time

import msgspec
from blacksheep import Content, Request, Response
from msgspec import Struct

from edge.console.calls import header, query
from edge.relay.auto_group import groups_to_try
from edge.relay.callers import Caller, read_caller
from edge.relay.gate import authenticate, group_in_effect, read_key
from edge.relay.refusal import Refused
from edge.services import Services

_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


class KeyHolder(Struct, frozen=True):
    """The token, its owner and what it may use."""

    caller: Caller
    groups: frozenset[str]  # several only for the token group auto
    models: frozenset[str]


class _Once:
    """Reads a caller from SQL at each request: these routes are not hot, and balances must be true."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find(self, key: str) -> Caller | None:
        return await read_caller(self._services.engine, key)


async def find_holder(services: Services, request: Request) -> KeyHolder | Response:
    """The holder of the key, or the refusal in OpenAI's form."""
    headers = {name: value for name in _HEADERS if (value := header(request, name.encode()))}
    try:
        key, pinned = read_key(headers, query(request, "key"))
        caller = await authenticate(_Once(services), key, pinned, int(time.time()))
        options = services.snapshots.current.options
        group = group_in_effect(caller, options)
    except Refused as refused:
        return write_key_error(refused.status, refused.message)
    groups = frozenset((group,) if group else groups_to_try(options, caller.user_group))
    return KeyHolder(caller, groups, caller.models)


def write_key_error(
    status: int, message: str, *, kind: str = "new_api_error", param: str = "", code: str = ""
) -> Response:
    """OpenAI's error object; readable from any page, since key tools live elsewhere."""
    error: dict[str, str] = {"message": message, "type": kind}
    if param or code:
        error |= {"param": param, "code": code}
    response = Response(status, content=Content(b"application/json", msgspec.json.encode({"error": error})))
    return response
