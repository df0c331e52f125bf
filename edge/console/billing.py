"""The balance of a key in the form that OpenAI once had, for key tools and clients.

Source: the predecessors' `/dashboard/billing/*`; key tools on other sites read it, so it is readable from anywhere.
"""

from typing import Any

import msgspec
from blacksheep import Content, Request, Response
from sqlalchemy import select

from edge.console.key_access import KeyHolder, find_holder
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import Token, User

UNLIMITED = 100_000_000  # shown for an unlimited token


async def get_subscription(services: Services, request: Request, actor: Actor) -> Response:
    """The limit of a key: what is left and what was used."""
    holder = await find_holder(services, request)
    if isinstance(holder, Response):
        return holder
    options = services.snapshots.current.options
    by_token = options.display_token_stat_enabled
    left, used = await _balance(services, holder, by_token)
    limit: float = left + used
    if options.display_in_currency_enabled:
        limit = limit / float(options.quota_per_unit)
    if by_token and not holder.caller.limited:
        limit = UNLIMITED
    until = holder.caller.expired_s if by_token else 0
    return _reply(
        {
            "object": "billing_subscription", "has_payment_method": True, "soft_limit_usd": float(limit),
            "hard_limit_usd": float(limit), "system_hard_limit_usd": float(limit), "access_until": max(until, 0),
        }
    )  # fmt: skip


async def get_usage(services: Services, request: Request, actor: Actor) -> Response:
    """What a key has used, in US cents."""
    holder = await find_holder(services, request)
    if isinstance(holder, Response):
        return holder
    options = services.snapshots.current.options
    _, used = await _balance(services, holder, options.display_token_stat_enabled)
    amount: float = used
    if options.display_in_currency_enabled:
        amount = used / float(options.quota_per_unit)
    return _reply({"object": "list", "total_usage": amount * 100})


async def _balance(services: Services, holder: KeyHolder, by_token: bool) -> tuple[int, int]:
    """(left, used) in units, of the token or of its owner."""
    statement = (
        select(Token.remain_quota, Token.used_quota).where(Token.id == holder.caller.token_id)
        if by_token
        else select(User.quota, User.used_quota).where(User.id == holder.caller.user_id)
    )
    async with services.engine.connect() as db:
        row = (await db.execute(statement)).one()
    return int(row[0] or 0), int(row[1] or 0)


def _reply(body: dict[str, Any]) -> Response:
    response = Response(200, content=Content(b"application/json", msgspec.json.encode(body)))
    response.add_header(b"Access-Control-Allow-Origin", b"*")
    return response


ROUTES = tuple(
    Route("GET", prefix + path, Role.VISITOR, dict[str, Any], handler, query=("start_date", "end_date"))
    for prefix in ("/v1/dashboard/billing", "/dashboard/billing")
    for path, handler in (("/subscription", get_subscription), ("/usage", get_usage))
)
