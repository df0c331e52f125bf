"""Health at a glance, beside the pages of channels: all calls by window, and by model, with percentiles."""

import asyncio
import time

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import select

from edge.console.calls import query, reply
from edge.console.channel_figures import Found, Key, Timed, by_key, read_now
from edge.console.channel_health import WINDOW_S_MAX, bars, detail, figures, overview, per_minute
from edge.console.channel_verdicts import failed_since_success, state_of
from edge.console.health_shapes import Detail, Overview, Sparkline
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.health.breaker import NAMES
from edge.services import Services
from schema.health import Cell, Gate, merge, percentile
from schema.tables import Channel

WINDOWS_S = (60, 300, 3600, 86_400)
MODELS_MAX = 500
ON_CHANNELS_MAX = 20  # of one model


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


class ModelOnChannel(Struct):
    """A model on one channel."""

    channel_id: int
    name: str
    calls: int
    failures: int
    success_ratio: float | None
    latency_ms_p95: int | None
    ttft_ms_p95: int | None
    quota: int
    breaker: str


class ModelHealth(WindowView, kw_only=True):
    """One model on all channels that serve it; `on_channels`: those with most failures, then most calls, first."""

    model: str
    state: str
    rpm: int
    tpm: int
    sparkline: Sparkline
    channels: int
    on_channels: list[ModelOnChannel]


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
        found = await figures.read(services, now_s - window_s, now_s)
        total = await asyncio.to_thread(merge, [cell for _, _, cell in found.cells])
        views.append(WindowView(**_facts(total, window_s)))  # type: ignore[arg-type]  # names and types of the struct
    state = await read_now(services.redis)
    return reply(HealthNow(now_s, sum(state.in_flight.values()), len(state.gates), views))


async def by_model(services: Services, request: Request, actor: Actor) -> Response:
    """Each model in a window of `window` seconds, the busiest first."""
    now_s = int(time.time())
    window_s = min(max(read_int(query(request, "window")) or 3600, 60), WINDOW_S_MAX)
    found = await figures.read(services, now_s - window_s, now_s, models=True)
    lately = await figures.read(services, now_s - 120, now_s, models=True)
    gates = (await read_now(services.redis)).gates
    async with services.engine.connect() as db:
        names = {row.id: row.name or "" for row in await db.execute(select(Channel.id, Channel.name))}
    return reply(await asyncio.to_thread(_merge_models, found, lately.cells, gates, names, now_s, window_s))


def _merge_models(
    found: Found, lately: Timed, gates: dict[Key, Gate], names: dict[int, str], now_s: int, window_s: int
) -> list[ModelHealth]:
    held: dict[str, Timed] = {}
    for one in found.cells:
        if one[1][1]:
            held.setdefault(one[1][1], []).append(one)
    recent: dict[str, list[Cell]] = {}
    for _, (_, model), cell in lately:
        recent.setdefault(model, []).append(cell)
    busiest = sorted(held.items(), key=lambda one: -sum(cell.calls for _, _, cell in one[1]))[:MODELS_MAX]
    return [
        _model(model, Found(cells, found.step_s), merge(recent.get(model, ())), gates, names, now_s, window_s)
        for model, cells in busiest
    ]


def _model(
    model: str, found: Found, recent: Cell, gates: dict[Key, Gate], names: dict[int, str], now_s: int, window_s: int
) -> ModelHealth:
    total = merge(cell for _, _, cell in found.cells)
    channels = sorted(by_key(found.cells).items(), key=lambda one: (-one[1].failed, -one[1].calls))
    run = failed_since_success((at, cell) for at, _, cell in found.cells)
    return ModelHealth(
        **_facts(total, window_s),  # type: ignore[arg-type]  # names and types of the struct
        model=model,
        state=state_of(1, total, failed_in_a_row=run, p95_ms=None, usual_p95_ms=None),
        rpm=per_minute(recent.calls),
        tpm=per_minute(recent.prompt_tokens + recent.completion_tokens),
        sparkline=bars(found, now_s, window_s),
        channels=len(channels),
        on_channels=[
            ModelOnChannel(
                key[0], names.get(key[0], ""), cell.calls, cell.failed, cell.ok / cell.calls if cell.calls else None,
                percentile(cell.latency, 0.95), percentile(cell.first_byte, 0.95), cell.quota,
                NAMES[max((gates[one].state for one in (key, (key[0], "")) if one in gates), default=0)],
            )
            for key, cell in channels[:ON_CHANNELS_MAX]
        ],
    )  # fmt: skip


ROUTES = (
    Route("GET", "/api/health", Role.ADMIN, HealthNow, now),
    Route("GET", "/api/health/models", Role.ADMIN, list[ModelHealth], by_model, query=("window",)),
    Route("GET", "/api/health/channels", Role.ADMIN, Overview, overview, query=("window",)),
    Route("GET", "/api/health/channels/:id", Role.ADMIN, Detail, detail, query=("from", "to", "step")),
)
