"""`medusa explain`: how the charge of one request came about, from the log, the ledger and what still waits in Redis."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import typer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from medusa.backup.redis_access import find_running
from medusa.commands.database import load_config, open_engine
from medusa.explain import Entry, explain_call, explain_entries, of_log, of_record
from schema.config import Config
from schema.database import make_engine
from schema.ledger.connection import Execute, over_redis_py
from schema.ledger.entries import KINDS
from schema.ledger.keys import Keys
from schema.options import read_options
from schema.tables import LedgerEntry, Log, OptionRow
from schema.usage import UsageRecord, read_record, records_in
from workers.reap import read_holds

PAGE = 250  # stream entries read at once; each holds up to a hundred records
CONSUMED, FAILED = 2, 5  # logs.type


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(request_id: str = typer.Argument(help="As in the header X-Oneapi-Request-Id of the answer.")) -> None:
    """Print how a charge came about, line by line. Status 1 when nothing is known of the request."""
    config = load_config()
    lines = asyncio.run(_explain(config, request_id.strip()))
    typer.echo("\n".join(lines) if lines else "nothing is known of this request: it was refused, or its log is gone")
    raise typer.Exit(0 if lines else 1)


async def _explain(config: Config, request_id: str) -> list[str]:
    engine = open_engine(config)
    logs = make_engine(config.log_sql_dsn, sqlite_path=config.sqlite_file) if config.log_sql_dsn else engine
    try:
        async with find_running(config) as redis:
            execute = over_redis_py(redis) if redis is not None else None
            return await explain_request(engine, logs, execute, config.partitions, request_id)
    finally:
        await engine.dispose()
        if logs is not engine:
            await logs.dispose()


async def explain_request(
    engine: AsyncEngine, logs: AsyncEngine, execute: Execute | None, partitions: int, request_id: str
) -> list[str]:
    """Everything that is known; empty when nothing is."""
    wanted = select(*Log.__table__.columns).where(Log.request_id == request_id, Log.request_id != "").order_by(Log.id)
    async with logs.connect() as db:
        rows = (await db.execute(wanted.where(Log.type.in_((CONSUMED, FAILED))))).all()
    async with engine.connect() as db:
        entry = LedgerEntry
        moved = select(entry.kind, entry.delta, entry.token_delta, entry.at_ms, entry.reason)
        # by kind and reference, as the index is made
        moved = moved.where(entry.kind.in_(KINDS), entry.reference == request_id).order_by(entry.id)
        entries = [Entry(*row) for row in await db.execute(moved)]
        unit = (await db.execute(select(OptionRow.value).where(OptionRow.key == "QuotaPerUnit"))).scalar_one_or_none()
    quota_per_unit = Decimal(read_options({"QuotaPerUnit": unit} if unit else {}).quota_per_unit)
    lines: list[str] = []
    for row in rows:
        if row.type == FAILED:
            lines.append(
                f"request {request_id} failed with status {row.status_code}: {row.content}; nothing is charged"
            )
        else:
            lines += explain_call(of_log(row, quota_per_unit))
    if execute is not None:
        lines += await _in_redis(execute, Keys(partitions), request_id, settled=bool(entries))
    return lines + explain_entries(entries)


async def _in_redis(execute: Execute, keys: Keys, request_id: str, *, settled: bool) -> list[str]:
    """A record that waits for a worker, or a hold of a call that has not ended."""
    lines: list[str] = []
    for partition in range(keys.partitions):
        record = None if settled else await _find_record(execute, keys.usage(partition), request_id)
        if record is not None:
            lines += explain_call(of_record(record))
        for hold in await read_holds(execute, keys, partition):
            if hold.request_id == request_id:
                lines.append(f"request {request_id} of user {hold.user_id} has not ended; {hold.amount} quota are held")
    return lines


async def _find_record(execute: Execute, stream: str, request_id: str) -> UsageRecord | None:
    after, name = "-", request_id.encode()
    while True:
        page: list[Any] = await execute(b"XRANGE", stream, after, b"+", b"COUNT", PAGE)
        for _, fields in page:
            record = _find_among(fields, request_id) if name in fields[7] else None
            if record is not None:
                return record
        if len(page) < PAGE:
            return None
        last = page[-1][0]
        after = "(" + (last.decode() if isinstance(last, bytes) else last)


def _find_among(fields: list[bytes], request_id: str) -> UsageRecord | None:
    try:
        written = records_in(fields)
    except msgspec.DecodeError:
        return None
    for one in written:
        try:
            record = read_record(one)
        except msgspec.DecodeError:
            continue
        if record.request_id == request_id:
            return record
    return None
