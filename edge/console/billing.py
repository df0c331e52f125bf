"""The balance of a key in the form that OpenAI once had, for key tools and clients.

Source: the predecessors' `/dashboard/billing/*`; key tools on other sites read it, so it is readable from anywhere.
"""

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import select

from edge.console.calls import answer
from edge.console.key_access import KeyHolder, find_holder
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import Token, User


class Subscription(Struct):
    """Limits in USD, or in units where money is not shown; `access_until` in Unix s, 0 for ever."""

    object: str
    has_payment_method: bool
    soft_limit_usd: float
    hard_limit_usd: float
    system_hard_limit_usd: float
    access_until: int


class Usage(Struct):
    object: str
    total_usage: float  # US cents


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
    amount = float(limit)
    return _reply(Subscription("billing_subscription", True, amount, amount, amount, max(until, 0)))


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
    return _reply(Usage("list", float(amount * 100)))


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


def _reply(body: Subscription | Usage) -> Response:
    response = answer(body)
    return response


ROUTES = tuple(
    Route("GET", prefix + path, Role.VISITOR, None, handler, query=("start_date", "end_date"), answer=kind, key=True)
    for prefix in ("/v1/dashboard/billing", "/dashboard/billing")
    for path, handler, kind in (("/subscription", get_subscription, Subscription), ("/usage", get_usage, Usage))
)
