"""`medusa logs …`: partitions of the log by time, archives of what is old. The ledger is never touched."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import typer
from sqlalchemy import func, select

from medusa.commands.database import load_config
from schema.config import Config
from schema.database import Engine, make_engine
from schema.log_keeping.archive import Archive
from schema.log_keeping.deletion import CONSUMED, FAILED, TEST, booked_until, delete_rows, drop_partitions
from schema.log_keeping.partitions import CannotPartition, partition_log, read_parts
from schema.log_keeping.periods import GRAINS
from schema.tables import Log

Work = Callable[[Engine, Engine], Awaitable[None]]  # of the books, of the log


def register(app: typer.Typer) -> None:
    logs = typer.Typer(no_args_is_help=True, help="The log: partitions by time, archives.")
    logs.command("partition")(partition)
    logs.command("archive")(archive)
    app.add_typer(logs, name="logs")


def partition(
    every: str = typer.Option("month", help="month or day: the span of one partition."),
    check: bool = typer.Option(False, help="Only tell how the log stands."),
) -> None:
    """Split the log by time (PostgreSQL 12, MySQL, MariaDB). The log cannot be written meanwhile; settlement waits."""
    if every not in GRAINS:
        _fail(f"--every {every}: must be one of {', '.join(GRAINS)}")

    async def work(_: Engine, logs: Engine) -> None:
        if not check:
            for step in await partition_log(logs, every, int(time.time())):
                typer.echo(step)
        parts = await read_parts(logs)
        for part in parts:
            until = datetime.fromtimestamp(part.end, UTC).date().isoformat() if part.end is not None else "-"
            typer.echo(f"{part.name}\tbefore {until}")
        if not parts:
            typer.echo("the log is one plain table")

    _run(load_config(), work)


def archive(
    to: Path,
    before: str = typer.Option(..., help="A day, UTC: 2025-01-01. Older rows are taken."),
    errors: bool = typer.Option(False, help="Also rows about failed calls."),
) -> None:
    """Write old rows about calls into files (gzip, JSON lines, one a month) and delete them. Rows about money stay."""
    try:
        before_s = int(datetime.strptime(before, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        _fail(f"{before} is not a day: write 2025-01-01")

    async def work(books: Engine, logs: Engine) -> None:
        types = (CONSUMED, TEST, FAILED) if errors else (CONSUMED, TEST)
        until = await booked_until(books, logs, before_s)
        if until < before_s:
            day = datetime.fromtimestamp(until, UTC).date()
            typer.echo(f"of {day} the totals hold less than the log: nothing since then is taken", err=True)
        folder = Archive(to)
        async with logs.connect() as db:
            wanted = select(func.count()).select_from(Log).where(Log.type.in_(types), Log.created_at < until)
            count = (await db.execute(wanted)).scalar_one()
        dropped = await drop_partitions(logs, types, until, folder)
        await delete_rows(logs, types, until, folder)
        typer.echo(f"{count} rows are in {to}" + (f"; partitions dropped: {', '.join(dropped)}" if dropped else ""))

    _run(load_config(), work)


def _run(config: Config, work: Work) -> None:
    async def run() -> None:
        engine = make_engine(config.sql_dsn, sqlite_path=config.sqlite_file, pool_size=2, pool_max=4)
        logs = make_engine(config.log_sql_dsn, sqlite_path=config.sqlite_file) if config.log_sql_dsn else engine
        try:
            await work(engine, logs)
        finally:
            await engine.dispose()
            if logs is not engine:
                await logs.dispose()

    try:
        asyncio.run(run())
    except CannotPartition as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    typer.echo(f"medusa: {sentence}", err=True)
    raise typer.Exit(1)
