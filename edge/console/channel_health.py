"""The health of channels for administrators: overview, one channel in detail, failing calls, history, draining."""

import asyncio
import time
from itertools import pairwise
from typing import Any

from blacksheep import Request, Response
from sqlalchemy import select

from edge.console.calls import path_id, query, reply
from edge.console.channel_figures import (
    Figures,
    Found,
    Now,
    by_key,
    even_span,
    in_buckets,
    percentiles,
    read_now,
    read_samples,
    spark,
    step_of_one,
)
from edge.console.channel_verdicts import failed_since_success, is_slower, state_of
from edge.console.channels import get_row
from edge.console.envelope import Refusal
from edge.console.health_shapes import (
    AllTotals,
    Bucket,
    ChannelHealthView,
    Detail,
    ErrorView,
    ModelView,
    Overview,
    Percentiles,
    Sparkline,
    Totals,
)
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.console.settlement_figures import SettlementFigures
from edge.console.usual_latency import UsualLatency
from edge.health.breaker import NAMES
from edge.services import Services
from schema.health import Cell, merge
from schema.own_tables import ChannelBalance
from schema.providers import provider_of, shown_number
from schema.tables import Channel
from schema.upstreams.account import read_object
from schema.upstreams.status import BY_RULE, Evidence, set_drained

WINDOW_S_MAX = 90 * 86_400
BUCKETS_MAX = 500
SPARKS = 60
WEEK_S = 7 * 86_400
_COLUMNS = (
    Channel.id, Channel.name, Channel.type, Channel.provider, Channel.status, Channel.tag, Channel.group, Channel.priority,
    Channel.weight, Channel.balance, Channel.balance_updated_time, Channel.other_info,
)  # fmt: skip

figures = Figures()
settlement = SettlementFigures()
usual = UsualLatency()


def _share(cell: Cell) -> float | None:
    return cell.ok / cell.calls if cell.calls else None


def _totals(cells: list[Cell]) -> Totals:
    total = merge(cells)
    _, latency = percentiles(total.latency)
    _, first = percentiles(total.first_byte)
    return Totals(total.calls, _share(total), latency, first, total.quota)


async def overview(services: Services, request: Request, actor: Actor) -> Response:
    """All channels in a window of `window` seconds."""
    now_s = int(time.time())
    window_s = min(max(read_int(query(request, "window")) or 3600, 60), WINDOW_S_MAX)
    found = await figures.read(services, now_s - window_s, now_s)
    before = await figures.read(services, now_s - 2 * window_s, now_s - window_s)
    lately = await figures.read(services, now_s - 120, now_s)
    now = await read_now(services.redis)
    async with services.engine.connect() as db:
        rows = (await db.execute(select(*_COLUMNS).order_by(Channel.id))).all()
    days_left = await read_days_left(services, now_s)
    usual_ms = await usual.read(services, now_s)
    recent = by_key(one for one in lately.cells if one[0] >= now_s - 120)

    def compute() -> tuple[list[ChannelHealthView], Totals, Totals]:
        of_channel: dict[int, list[Any]] = {}
        for one in found.cells:
            of_channel.setdefault(one[1][0], []).append(one)
        closed = now.states()
        items = [
            view(
                row, Found(of_channel.get(row.id, []), found.step_s), recent.get((row.id, ""), Cell()), closed, now,
                days_left.get(row.id), usual_ms.get(row.id), now_s, window_s,
            )
            for row in rows
        ]  # fmt: skip
        earlier = _totals([cell for _, _, cell in before.cells])
        return items, _totals([cell for _, _, cell in found.cells]), earlier

    items, totals, earlier = await asyncio.to_thread(compute)  # with 2000 channels half a second: not on the event loop
    lag, rate, holds, tasks = await settlement.read(services)
    whole = AllTotals(
        totals.calls, totals.success_ratio, totals.latency_ms_p95, totals.ttft_ms_p95, totals.quota,
        rpm=sum(item.rpm for item in items), tpm=sum(item.tpm for item in items), in_flight=sum(now.in_flight.values()),
        open_tasks=tasks, queue_lag_s=lag, settled_per_s=rate, holds_open=holds, previous=earlier,
    )  # fmt: skip
    return reply(Overview(now_s, window_s, whole, items))


def bars(found: Found, end_s: int, window_s: int) -> Sparkline:
    """Even spans, at most `SPARKS`, that cover the window."""
    span_s = even_span(-(-window_s // SPARKS), found.step_s)
    return Sparkline(*spark(found.cells, end_s, span_s, max(1, -(-window_s // span_s))))


def view(
    row: Any,
    found: Found,
    recent: Cell,
    closed: dict[int, int],
    now: Now,
    days_left: float | None,
    usual_ms: int | None,
    now_s: int,
    window_s: int,
) -> ChannelHealthView:
    """`found`: of all models of this channel; `recent`: of its last two minutes."""
    total = merge(cell for _, _, cell in found.cells)
    info = read_object(row.other_info)
    provider = row.provider or provider_of(row.type or 0)
    p50, p95 = percentiles(total.latency)
    run = failed_since_success((at, cell) for at, _, cell in found.cells)
    return ChannelHealthView(
        channel_id=row.id,
        name=row.name or "",
        type=shown_number(provider),
        status=row.status,
        tag=row.tag,
        group=row.group or "",
        priority=row.priority or 0,
        weight=row.weight or 0,
        state=state_of(row.status, total, failed_in_a_row=run, p95_ms=p95, usual_p95_ms=usual_ms),
        calls=total.calls,
        failures=total.failed,
        client_errors=total.excused,
        success_ratio=_share(total),
        latency_ms=Percentiles(p50, p95),
        ttft_ms=Percentiles(*percentiles(total.first_byte)),
        usual_p95_ms=usual_ms,
        slower=is_slower(total, p95, usual_ms),
        failed_in_a_row=run,
        rpm=per_minute(recent.calls),
        tpm=per_minute(recent.prompt_tokens + recent.completion_tokens),
        in_flight=now.in_flight.get(row.id, 0),
        errors=total.errors,
        quota=total.quota,
        balance=float(row.balance or 0),
        balance_updated_time=row.balance_updated_time or 0,
        days_left=days_left,
        breaker=NAMES[closed.get(row.id, 0)],
        drained=info.get("drained") is True,
        disabled_reason=str(info.get("status_reason") or "") if row.status == BY_RULE else "",
        disabled_at=int(info.get("status_time") or 0) if row.status == BY_RULE else 0,
        sparkline=bars(found, now_s, window_s),
    )


def per_minute(of_two_minutes: int) -> int:
    """Rounded up: one call is a sign of life."""
    return -(-of_two_minutes // 2)


async def read_days_left(services: Services, now_s: int, channel_id: int = 0) -> dict[int, float]:
    """By what each balance lost in the last week; top-ups between are left out. `channel_id` 0: of all."""
    wanted = (
        select(ChannelBalance.channel_id, ChannelBalance.at_ms, ChannelBalance.balance)
        .where(ChannelBalance.at_ms > (now_s - WEEK_S) * 1000)
        .order_by(ChannelBalance.channel_id, ChannelBalance.at_ms)
    )
    if channel_id:
        wanted = wanted.where(ChannelBalance.channel_id == channel_id)
    history: dict[int, list[tuple[int, float]]] = {}
    async with services.engine.connect() as db:
        for channel, at_ms, balance in await db.execute(wanted):
            history.setdefault(channel, []).append((at_ms, balance))
    found = {}
    for channel, points in history.items():
        spent = sum(max(0.0, a[1] - b[1]) for a, b in pairwise(points))
        days = (points[-1][0] - points[0][0]) / 86_400_000
        if spent > 0 and days > 0:
            found[channel] = max(0.0, points[-1][1]) / (spent / days)
    return found


def _bucket(at: int, cell: Cell) -> Bucket:
    tokens = cell.prompt_tokens + cell.completion_tokens
    return Bucket(
        at, cell.calls, cell.failed, *percentiles(cell.latency), *percentiles(cell.first_byte), tokens, cell.quota
    )


async def detail(services: Services, request: Request, actor: Actor) -> Response:
    """One channel: figures over time (`from`, `to`, `step`), by model, and the week by hours."""
    row = await get_row(services, path_id(request))
    now_s = int(time.time())
    end = min(read_int(query(request, "to")) or now_s, now_s)
    begin = max(read_int(query(request, "from")) or end - 3600, end - WINDOW_S_MAX)
    if begin >= end:
        raise Refusal("invalid_window", "The window ends before it begins.")
    asked_s = max(60, read_int(query(request, "step")) or (end - begin) // 60, (end - begin) // BUCKETS_MAX)
    step = even_span(asked_s, step_of_one(begin - asked_s, end, now_s))
    begin -= begin % step
    found = await figures.read(services, begin, end, channel_id=row.id)
    whole = [one for one in found.cells if one[1][1] == ""]
    hour = (now_s - WEEK_S) // 3600 * 3600 + 3600
    week = [one for one in (await figures.read(services, hour, now_s, channel_id=row.id)).cells if one[1][1] == ""]
    lately = await figures.read(services, now_s - 120, now_s, channel_id=row.id)
    now = await read_now(services.redis)
    days_left = (await read_days_left(services, now_s, row.id)).get(row.id)
    usual_ms = (await usual.read(services, now_s)).get(row.id)
    recent = by_key(lately.cells)
    channel = view(
        row, Found(whole, found.step_s), recent.get((row.id, ""), Cell()), now.states(), now, days_left, usual_ms, end,
        end - begin,
    )  # fmt: skip
    count = max(1, -(-(end - begin) // step))
    buckets = in_buckets(whole, begin, step, count)
    hours = in_buckets(week, hour, 3600, 168)
    models = [
        _model(key[1], cell, recent.get(key, Cell()), _breaker_of(now, row.id, key[1]))
        for key, cell in sorted(by_key(found.cells).items(), key=lambda one: -one[1].calls)
        if key[1]
    ]
    return reply(
        Detail(
            channel,
            [_bucket(begin + place * step, cell) for place, cell in enumerate(buckets)],
            [_bucket(hour + place * 3600, cell) for place, cell in enumerate(hours)],
            models,
        )
    )


def _model(name: str, cell: Cell, recent: Cell, breaker: str) -> ModelView:
    return ModelView(
        name, cell.calls, cell.failed, _share(cell), Percentiles(*percentiles(cell.latency)),
        Percentiles(*percentiles(cell.first_byte)), cell.quota, cell.last_ok_s, breaker, per_minute(recent.calls),
        per_minute(recent.prompt_tokens + recent.completion_tokens), cell.errors,
    )  # fmt: skip


def _breaker_of(now: Now, channel_id: int, model: str) -> str:
    states = [now.gates[key].state for key in ((channel_id, model), (channel_id, "")) if key in now.gates]
    return NAMES[max(states, default=0)]


async def errors(services: Services, request: Request, actor: Actor) -> Response:
    """Failures that look alike, newest first, with a few request ids."""
    row = await get_row(services, path_id(request))
    found = await read_samples(services.redis, row.id)
    return reply(
        [
            ErrorView(
                one.error_class, one.status, one.message, one.model, one.first_s, one.last_s, one.count, one.request_ids
            )
            for one in found
        ]
    )


async def drain(services: Services, request: Request, actor: Actor) -> Response:
    """No new calls for this channel; open ones end by themselves."""
    return await _set_drained(services, request, actor, drained=True)


async def undrain(services: Services, request: Request, actor: Actor) -> Response:
    """The channel takes calls again."""
    return await _set_drained(services, request, actor, drained=False)


async def _set_drained(services: Services, request: Request, actor: Actor, *, drained: bool) -> Response:
    evidence = Evidence(actor=f"user:{actor.id}", message="drained" if drained else "takes calls again")
    if not await set_drained(services.engine, services.redis, path_id(request), drained=drained, evidence=evidence):
        raise Refusal("channel_not_found", "There is no such channel.")
    return reply(None)


ROUTES = (
    Route("GET", "/api/channel/health", Role.ADMIN, Overview, overview, query=("window",)),
    Route("GET", "/api/channel/:id/health", Role.ADMIN, Detail, detail, query=("from", "to", "step")),
    Route("GET", "/api/channel/:id/errors", Role.ADMIN, list[ErrorView], errors),
    Route("POST", "/api/channel/:id/drain", Role.ADMIN, None, drain),
    Route("POST", "/api/channel/:id/undrain", Role.ADMIN, None, undrain),
)
