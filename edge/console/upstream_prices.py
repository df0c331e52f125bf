"""Price lists of other gateways and providers, fetched for root to compare with ours; nothing is changed here."""

from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import read_body, reply
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.addresses import UrlRefused, UrlRules
from schema.guarded_fetch import FetchFailed, FetchLimits, GuardedFetcher

LIMITS = FetchLimits(total_s=20.0, bytes_max=8 * 1024 * 1024)  # the largest list known has 2 MB


class SourceBody(Struct):
    url: str


async def fetch_prices(services: Services, request: Request, actor: Actor) -> Response:
    """The JSON document at an address, as it is: /api/pricing of a gateway, or a provider's list of models."""
    body = await read_body(request, SourceBody)
    rules = UrlRules(http=True, private=services.snapshots.current.options.channel_allow_private)
    fetcher = GuardedFetcher(rules)
    try:
        found = await fetcher.fetch(body.url.strip(), LIMITS)
        if found.status != 200:
            raise Refusal(
                "upstream_failed", f"The address answered with status {found.status}.", upstream_status=found.status
            )
        document: Any = msgspec.json.decode(found.body)
    except UrlRefused as refused:
        raise Refusal("url_refused", f"This address is not fetched: {refused}.") from None
    except FetchFailed as failed:
        raise Refusal("upstream_failed", f"The address could not be read: {failed}.") from None
    except msgspec.DecodeError:
        raise Refusal("bad_reply", "The address does not answer with JSON.") from None
    finally:
        await fetcher.close()
    return reply(document)


ROUTES = (Route("POST", "/api/option/upstream_prices", Role.ROOT, Any, fetch_prices, body=SourceBody),)
