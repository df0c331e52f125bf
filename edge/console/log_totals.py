"""Quota charged over a span and a filter: whole hours from the kept totals, only their ragged ends from the log."""

import time
from typing import Any

from blacksheep import Request
from sqlalchemy import ColumnElement, func, select

from edge.console import usage_sums
from edge.console.calls import query
from edge.console.paging import read_int
from edge.console.usage_sums import Asked
from edge.services import Services
from schema.migrate import read_meta
from schema.tables import Log

HOUR_S = 3600
CONSUMED = 2  # logs.type
ROW_FILTERS = ("token_name", "request_id", "status", "before_id")  # what the totals do not know


async def sum_quota(
    services: Services, request: Request, where: list[ColumnElement[bool]], *, user_id: int | None, admin: bool
) -> int:
    """The sum of what was charged.

    Args:
        where: the filter as conditions on the log, without times.
        user_id: of the account it is about, None for all; -1 when the filter names one that only the log knows.
    """
    start, end = read_int(query(request, "start_timestamp")), read_int(query(request, "end_timestamp"))
    first, last = await _whole_hours(services, start, end)
    if first >= last or user_id == -1 or any(query(request, name) for name in ROW_FILTERS):
        return await _from_log(services, where, start, end)
    asked = Asked(
        user_id,
        read_int(query(request, "channel")) if admin else 0,  # people do not learn which channel served them
        query(request, "model_name"),
        query(request, "group"),
    )
    async with services.engine.connect() as db:
        hours = await usage_sums.sum_quota(db, asked, first, last)
    before = await _from_log(services, where, start, first - 1) if start < first else 0
    return before + hours + await _from_log(services, where, last, end)


async def _whole_hours(services: Services, start: int, end: int) -> tuple[int, int]:
    """The hours that lie wholly inside the span and for which there are totals: since the database is ours."""
    ours = int(await read_meta(services.engine, "adopted_at") or time.time())
    first = -(-max(start, ours) // HOUR_S) * HOUR_S
    last = min(end + 1 if end else int(time.time()), int(time.time())) // HOUR_S * HOUR_S
    return first, last


async def _from_log(services: Services, where: list[ColumnElement[bool]], start: int, end: int) -> int:
    conditions: list[Any] = [Log.type == CONSUMED, *where]
    if start:
        conditions.append(Log.created_at >= start)
    if end:
        conditions.append(Log.created_at <= end)
    async with services.log_engine.connect() as db:
        statement = select(func.coalesce(func.sum(Log.quota), 0)).where(*conditions)
        return int((await db.execute(statement)).scalar_one())
