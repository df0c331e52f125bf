"""What happened to channels: each change with its evidence, of one and of all; and the last week hour by hour."""

import time
from typing import Any

from blacksheep import Request, Response
from sqlalchemy import select

from edge.console.calls import path_id, query, reply
from edge.console.channels import get_row
from edge.console.envelope import Refusal
from edge.console.health_shapes import ChannelEventView, EventView, WeekRow
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.health import read_cell
from schema.own_tables import ChannelEvent, ChannelHealth
from schema.tables import Channel

EVENTS_MAX = 200
HOUR_S = 3600
WEEK_HOURS = 168
WEEK_CHANNELS_MAX = 50  # rows of one heat map


async def events(services: Services, request: Request, actor: Actor) -> Response:
    """What happened to the channel, newest first."""
    row = await get_row(services, path_id(request))
    wanted = select(ChannelEvent).where(ChannelEvent.channel_id == row.id).order_by(ChannelEvent.id.desc())
    async with services.engine.connect() as db:
        rows = (await db.execute(wanted.limit(EVENTS_MAX))).all()
    return reply([EventView(**facts) for facts in _with_durations(rows)])


async def all_events(services: Services, request: Request, actor: Actor) -> Response:
    """What happened to any channel, newest first."""
    wanted = select(ChannelEvent, Channel.name.label("name")).outerjoin(Channel, Channel.id == ChannelEvent.channel_id)
    async with services.engine.connect() as db:
        rows = (
            await db.execute(wanted.order_by(ChannelEvent.at_ms.desc(), ChannelEvent.id.desc()).limit(EVENTS_MAX))
        ).all()
    names = {row.channel_id: row.name or "" for row in rows}
    return reply(
        [
            ChannelEventView(channel_id=row.channel_id, name=names[row.channel_id], **facts)
            for row, facts in zip(rows, _with_durations(rows), strict=True)
        ]
    )


def _with_durations(rows: Any) -> list[dict[str, Any]]:
    """`rows`: newest first. A switch-off also tells how long it lasted, from the next switch-on."""
    found = []
    on_again_ms: dict[int, int] = {}  # channel -> the next event, going back in time, that switched it on
    for one in rows:
        off_s = None
        if one.kind == "status" and one.to_status == 1:
            on_again_ms[one.channel_id] = one.at_ms
        elif one.kind == "status" and one.from_status == 1:
            again_ms = on_again_ms.pop(one.channel_id, None)
            off_s = (again_ms - one.at_ms) // 1000 if again_ms is not None else None
        found.append(
            {
                "at": one.at_ms // 1000, "kind": one.kind, "actor": one.actor, "reason": one.message or "", "model": one.model,
                "status_code": one.status_code, "keyword": one.keyword, "from_status": one.from_status,
                "to_status": one.to_status, "request_id": one.request_id, "attempts": one.attempts,
                "latency_ms": one.latency_ms, "off_s": off_s,
            }
        )  # fmt: skip
    return found


async def week(services: Services, request: Request, actor: Actor) -> Response:
    """Calls and failures in each hour of the last seven days, of the channels `ids` (comma-separated)."""
    try:
        ids = [int(one) for one in query(request, "ids").split(",") if one]
    except ValueError as error:
        raise Refusal("invalid_ids", "`ids` are numbers, separated by commas.") from error
    if len(ids) > WEEK_CHANNELS_MAX:
        raise Refusal("too_many_ids", f"At most {WEEK_CHANNELS_MAX} channels at once.", most=WEEK_CHANNELS_MAX)
    begin = (int(time.time()) // HOUR_S - WEEK_HOURS + 1) * HOUR_S
    table = ChannelHealth
    wanted = select(table.channel_id, table.at, table.cell).where(
        table.step == HOUR_S, table.model == "", table.at >= begin, table.channel_id.in_(ids)
    )
    rows = {number: WeekRow(number, begin, [0] * WEEK_HOURS, [0] * WEEK_HOURS) for number in ids}
    async with services.engine.connect() as db:
        found = (await db.execute(wanted)).all()
    for channel, at, data in found:
        cell, place = read_cell(data), min(WEEK_HOURS - 1, (at - begin) // HOUR_S)
        rows[channel].calls[place] += cell.calls
        rows[channel].failures[place] += cell.failed
    return reply(list(rows.values()))


ROUTES = (
    Route("GET", "/api/channel/:id/events", Role.ADMIN, list[EventView], events),
    Route("GET", "/api/health/channels/:id/events", Role.ADMIN, list[EventView], events),
    Route("GET", "/api/health/events", Role.ADMIN, list[ChannelEventView], all_events),
    Route("GET", "/api/health/week", Role.ADMIN, list[WeekRow], week, query=("ids",)),
)
