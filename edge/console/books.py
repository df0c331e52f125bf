"""Whether the books agree with the balances, as the workers' last look found, and what Redis was found to have lost."""

import msgspec
from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import reply
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger.keys import METRICS
from schema.redis_losses import RedisLoss, read_losses


class RedisLossView(RedisLoss, frozen=True, kw_only=True):
    """`action`: redis.emptied, redis.rewound (the last writes are missing), redis.restarted (nothing is known to be missing)."""

    action: str


class BooksView(Struct):
    """What differed at the last look; None: nobody has looked yet. `drift_units` in units of quota. `losses`: newest first."""

    drifts: int | None = None
    drift_units: int | None = None
    losses: list[RedisLossView] = []


async def get_books(services: Services, request: Request, actor: Actor) -> Response:
    """When that look was stands with the jobs `reconcile` and `reconcile_all`."""
    found = await services.redis.hmget(METRICS + "ledger", "drifts", "drift_units")
    drifts, units = (None if one is None else int(one) for one in found)
    lost = await read_losses(services.engine)
    losses = [RedisLossView(action=one.action, **msgspec.structs.asdict(one.loss)) for one in lost]
    return reply(BooksView(drifts, units, losses))


ROUTES = (Route("GET", "/api/books", Role.ROOT, BooksView, get_books),)
