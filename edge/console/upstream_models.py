"""The models that an upstream offers: of a stored channel, or with a key that is not stored yet."""

from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import answer, read_body, reply
from edge.console.channel_tests import read_one
from edge.console.envelope import Bare, Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.dialects.providers.base import ChannelView
from schema.dialects.providers.registry import get_provider
from schema.providers import PROVIDERS, provider_of
from schema.upstreams.account import Account
from schema.upstreams.exchange import Failed
from schema.upstreams.model_list import read_models


class WhereBody(Struct):
    """As a channel's form has it before it is saved; of `key` the first line counts."""

    type: int
    key: str
    base_url: str | None = ""


async def of_channel(services: Services, request: Request, actor: Actor) -> Response:
    """Models that the channel's upstream offers."""
    account = await read_one(services, request)
    try:
        found = await read_models(account, private=services.snapshots.current.options.channel_allow_private)
    except Failed as failed:
        raise Refusal("upstream_failed", str(failed), upstream_status=failed.status) from None
    return reply(found)


async def before_saving(services: Services, request: Request, actor: Actor) -> Response:
    """Models for an address and a key; 400 for a bad body, 500 when the upstream fails."""
    try:
        body = await read_body(request, WhereBody)
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.message, status=400, **refusal.params) from None
    provider = provider_of(body.type)
    if body.type != PROVIDERS[provider].number:
        raise Refusal("unknown_type", "There is no such type of channel.", status=400)
    key = next(iter(body.key.strip().splitlines()), "").strip()
    view = ChannelView(id=0, provider=provider, key=key, type=body.type, base_url=(body.base_url or "").strip())
    account = Account(
        id=0, name="", type=body.type, status=1, provider=get_provider(provider), view=view, keys=(key,), multi_key="",
        info={}, groups=(), models=(), test_model="", model_mapping={}, status_mapping={}, auto_ban=False,
    )  # fmt: skip
    try:
        found = await read_models(account, private=services.snapshots.current.options.channel_allow_private)
    except Failed as failed:
        raise Refusal("upstream_failed", str(failed), status=500, upstream_status=failed.status) from None
    return answer(Bare(True, found))


ROUTES = (
    Route("GET", "/api/channel/fetch_models/:id", Role.ADMIN, list[str], of_channel),
    Route("POST", "/api/channel/fetch_models", Role.ADMIN, None, before_saving, body=WhereBody, answer=Bare[list[str]]),
)
