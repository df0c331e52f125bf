"""Health at a glance, beside the pages of channels: all calls by window, and by model, with percentiles."""

import asyncio
import time

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import select

from edge.console.calls import query, reply
from edge.console.channel_figures import read_minutes, read_now
from edge.console.channel_health import WINDOW_S_MAX, detail, events, figures, overview
from edge.console.health_shapes import Detail, EventView, Overview
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.health import MINUTE_KEPT_S, Cell, merge, percentile, read_cell
from schema.own_tables import ChannelHealth

WINDOWS_S = (60, 300, 3600, 86_400)
MODELS_MAX = 500


class Spread(Struct):
    """Durations in ms; None: nothing was measured."""

    p50: int | None = None
    p90: int | None = None
    p95: int | None = None
    p99: int | None = None


class WindowView(Struct):
    """All attempts on all channels in the last `window_s` seconds. Ratios 0-1."""

    window_s: int
    calls: int
    failures: int
    client_errors: int
    success_ratio: float | None
    latency_ms: Spread
    ttft_ms: Spread
    errors: dict[str, int]
    tokens: int
    quota: int


class HealthNow(Struct):
    """`closed`: channels and models that are closed to calls at this moment."""

    as_of: int
    in_flight: int
    closed: int
    windows: list[WindowView]


class ModelHealth(WindowView, kw_only=True):
    """One model on all channels that serve it."""

    model: str
    channels: int


def spread(histogram: list[int]) -> Spread:
    return Spread(*(percentile(histogram, share) for share in (0.5, 0.9, 0.95, 0.99)))


def _facts(cell: Cell, window_s: int) -> dict[str, object]:
    return {
        "window_s": window_s,
        "calls": cell.calls,
        "failures": cell.failed,
        "client_errors": cell.excused,
        "success_ratio": cell.ok / cell.calls if cell.calls else None,
        "latency_ms": spread(cell.latency),
        "ttft_ms": spread(cell.first_byte),
        "errors": cell.errors,
        "tokens": cell.prompt_tokens + cell.completion_tokens,
        "quota": cell.quota,
    }


async def now(services: Services, request: Request, actor: Actor) -> Response:
    """The last minute, five minutes, hour and day."""
    now_s = int(time.time())
    views = []
    for window_s in WINDOWS_S:
        cells = await figures.read(services, now_s - window_s, now_s)
        total = await asyncio.to_thread(merge, [cell for _, _, cell in cells])
        views.append(WindowView(**_facts(total, window_s)))  # type: ignore[arg-type]  # names and types of the struct
    state = await read_now(services.redis)
    return reply(HealthNow(now_s, sum(state.in_flight.values()), len(state.gates), views))


async def by_model(services: Services, request: Request, actor: Actor) -> Response:
    """Each model in a window of `window` seconds, the busiest first."""
    now_s = int(time.time())
    window_s = min(max(read_int(query(request, "window")) or 3600, 60), WINDOW_S_MAX)
    cells = await _read_models(services, now_s, window_s)
    found = await asyncio.to_thread(_merge_models, cells, window_s)
    return reply(found)


async def _read_models(services: Services, now_s: int, window_s: int) -> list[tuple[int, str, Cell]]:
    """(channel, model, figures) of short windows from the minutes in Redis, of longer ones from SQL's spans."""
    if window_s < MINUTE_KEPT_S:
        minutes = await read_minutes(services.redis, (now_s - window_s) // 60, now_s // 60 + 1, 0, models=True)
        return [(key[0], key[1], cell) for _, key, cell in minutes if key[1]]
    step = 600 if window_s <= 48 * 3600 else 3600 if window_s <= 14 * 86_400 else 86_400
    table = ChannelHealth
    wanted = select(table.channel_id, table.model, table.cell).where(
        table.step == step, table.at >= now_s - window_s, table.model != ""
    )
    async with services.engine.connect() as db:
        rows = (await db.execute(wanted)).all()
    return await asyncio.to_thread(lambda: [(row.channel_id, row.model, read_cell(row.cell)) for row in rows])


def _merge_models(cells: list[tuple[int, str, Cell]], window_s: int) -> list[ModelHealth]:
    held: dict[str, list[Cell]] = {}
    channels: dict[str, set[int]] = {}
    for channel, model, cell in cells:
        held.setdefault(model, []).append(cell)
        channels.setdefault(model, set()).add(channel)
    views = [
        ModelHealth(**_facts(merge(parts), window_s), model=model, channels=len(channels[model]))  # type: ignore[arg-type]
        for model, parts in held.items()
    ]
    return sorted(views, key=lambda one: -one.calls)[:MODELS_MAX]


ROUTES = (
    Route("GET", "/api/health", Role.ADMIN, HealthNow, now),
    Route("GET", "/api/health/models", Role.ADMIN, list[ModelHealth], by_model, query=("window",)),
    Route("GET", "/api/health/channels", Role.ADMIN, Overview, overview, query=("window",)),
    Route("GET", "/api/health/channels/:id", Role.ADMIN, Detail, detail, query=("from", "to", "step")),
    Route("GET", "/api/health/channels/:id/events", Role.ADMIN, list[EventView], events),
)
