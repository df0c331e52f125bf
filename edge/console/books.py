"""Whether the books agree with the balances, as the workers' last look found."""

from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import reply
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger.keys import METRICS


class BooksView(Struct):
    """What differed at the last look; None: nobody has looked yet. `drift_units` in units of quota."""

    drifts: int | None = None
    drift_units: int | None = None


async def get_books(services: Services, request: Request, actor: Actor) -> Response:
    """When that look was stands with the jobs `reconcile` and `reconcile_all`."""
    drifts, units = await services.redis.hmget(METRICS + "ledger", "drifts", "drift_units")
    return reply(BooksView(*(None if one is None else int(one) for one in (drifts, units))))


ROUTES = (Route("GET", "/api/books", Role.ROOT, BooksView, get_books),)
