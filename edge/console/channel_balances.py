"""Balances at providers: of one channel now, or of all enabled ones by the workers."""

from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import answer, reply
from edge.console.channel_tests import bench_of, read_one
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.redis_client import queue_of
from schema.upstreams.balances import NotOffered
from schema.upstreams.exchange import Failed
from schema.upstreams.refreshed import refresh_balance
from schema.upstreams.runs import BALANCE_LOCK, LEASE_S


class BalanceReply(Struct):
    success: bool
    message: str
    balance: float  # USD


NOT_OFFERED = "尚未实现"  # the original's words, which scripts compare


async def refresh_one(services: Services, request: Request, actor: Actor) -> Response:
    """Ask the provider now; `balance` in USD."""
    account = await read_one(services, request)
    try:
        held = await refresh_balance(bench_of(services), account)
    except NotOffered:
        raise Refusal("balance_not_offered", NOT_OFFERED) from None
    except Failed as failed:
        raise Refusal("upstream_failed", str(failed), upstream_status=failed.status) from None
    return answer(BalanceReply(True, "", held.amount))


async def refresh_all(services: Services, request: Request, actor: Actor) -> Response:
    """Start the refresh of all enabled channels and return at once."""
    if not await services.redis.set(BALANCE_LOCK, "1", nx=True, ex=LEASE_S):
        raise Refusal("refresh_running", "A refresh of all balances is running.")
    queue = queue_of(services.redis)
    await queue.enqueue_job("refresh_balances", True)
    return reply()


ROUTES = (
    Route("GET", "/api/channel/update_balance", Role.ADMIN, None, refresh_all),
    Route("GET", "/api/channel/update_balance/:id", Role.ADMIN, None, refresh_one, answer=BalanceReply),
)
