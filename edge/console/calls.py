"""What handlers read from a request and how they answer: bodies, queries, the client's address, envelopes."""

from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from blacksheep import Content, Request, Response

from edge.client_address import find_client
from edge.console.envelope import Refusal, write_success
from edge.console.paging import Family, Page, read_bare_page, read_int, read_page
from edge.services import Services
from schema.addresses import Address, read_address
from schema.config import Config
from schema.ip_list import plain

BODY_BYTES_MAX = 1 << 20  # of a console request; model calls never come here
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
T = TypeVar("T")


def reply(data: Any = msgspec.UNSET, message: str = "") -> Response:
    """A success envelope."""
    return Response(200, content=Content(b"application/json", write_success(data, message)))


def answer(body: Any, status: int = 200) -> Response:
    """A reply without the envelope."""
    return Response(status, content=Content(b"application/json", msgspec.json.encode(body)))


def reply_rows(request: Request, items: list[Any], *, total: int | None = None, page: Page | None = None) -> Response:
    """A bare list, as older clients want it, or a page with `envelope=1`; the headers state the total either way."""
    count = len(items) if total is None else total
    page = page or Page(1, max(count, 1), 0)
    response = reply(page.wrap(items, count) if query(request, "envelope") in TRUE else items)
    response.add_header(b"X-Total-Count", str(count).encode())
    if page.offset + page.size < count:
        wanted = {name: values[-1] for name, values in request.query.items()} | {"p": str(page.number + 1)}
        path = request.url.path.decode("latin-1")
        response.add_header(b"Link", f'<{path}?{urlencode(wanted)}>; rel="next"'.encode())
    return response


def list_page(services: Services, request: Request, family: Family) -> Page:
    """The page asked for; its `bare` is True where One API's form is in force and no size is given."""
    size = query(request, "page_size")
    options = services.snapshots.current.options
    if options.one_api_compat and not size and query(request, "envelope") not in TRUE:
        return read_bare_page(query(request, "p"))
    return read_page(family, p=query(request, "p"), size=size)


def reply_page(request: Request, items: list[Any], total: int, page: Page) -> Response:
    """A page with its total, or the bare array of One API."""
    return reply_rows(request, items, total=total, page=page) if page.bare else reply(page.wrap(items, total))


async def read_body(request: Request, kind: type[T]) -> T:
    """The JSON body as `kind`; unknown members are ignored. Raises Refusal `invalid_body`."""
    data = bytearray()
    async for chunk in request.stream():  # type: ignore[attr-defined]  # an async generator; its stub is wrong
        data += chunk
        if len(data) > BODY_BYTES_MAX:
            raise Refusal("body_too_large", "The request is too large.", status=413, bytes_max=BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(bytes(data), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "malformed JSON"
        raise Refusal("invalid_body", "The request body is not valid.", reason=reason) from error


def query(request: Request, name: str) -> str:
    """A value of the query; '' when absent."""
    values = request.query.get(name)
    return values[0] if values else ""


def path_id(request: Request) -> int:
    """The `:id` of the path; 0, which no row has, when it is not a number."""
    return read_int((request.route_values or {}).get("id"))


def header(request: Request, name: bytes) -> str:
    """A header; '' when absent."""
    value = request.get_first_header(name)
    return value.decode("latin-1") if value else ""


def peer_of(request: Request) -> Address | None:
    """The other end of the connection; None on a Unix socket."""
    client = request.scope.get("client")
    try:
        return plain(read_address(client[0])) if client else None
    except ValueError:
        return None


def client_address(request: Request, config: Config) -> str:
    """The client's address as text; '' when it is not known."""
    client = request.scope.get("client")
    named = header(request, config.client_ip_header.lower().encode()) if config.client_ip_header else ""
    forwarded = header(request, b"x-forwarded-for")
    address = find_client(client[0] if client else "", forwarded, config.trusted_proxies, named)
    return "" if address is None else str(address)
