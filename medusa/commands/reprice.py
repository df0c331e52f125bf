"""`medusa reprice`: what history would have cost under other prices; with --post the difference goes through the ledger."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import typer
from msgspec import Struct
from sqlalchemy import func, insert, select, tuple_

from medusa.backup.redis_access import find_running
from medusa.commands.database import load_config, open_engine
from medusa.reprice import (
    DAY_S,
    Cell,
    Correction,
    Prices,
    RepriceError,
    Sum,
    add_calls,
    change_options,
    corrections,
    group_sums,
    read_call,
)
from schema.config import Config
from schema.database import Engine, make_engine
from schema.ledger import signals
from schema.ledger.entries import AlreadyPosted, NoSuchAccount, post
from schema.migrate import read_meta
from schema.options import Options, read_options
from schema.secrets import Vault
from schema.tables import AuditEntry, Channel, LedgerEntry, Log, OptionRow, Token, UsageHourly, User
from schema.upstreams.account import read_object

CONSUMED, SYSTEM = 2, 4  # logs.type
CHUNK = 5_000  # rows of the log read at once
LOOKUP_MAX = 400  # names per SELECT: SQLite takes 999 variables on old builds
BY = ("model", "user", "token", "channel", "group", "day")
MODELS = typer.Option([], "--model", help="Only this model; may be repeated.")
SET = typer.Option([], "--set", help="TABLE.NAME=NUMBER: a price over those in force, as ModelRatio.gpt-4o=1.25.")


class Scope(Struct, frozen=True):
    """What is looked at. Times in Unix s, whole UTC days; 0 = all."""

    since: int
    until: int
    models: tuple[str, ...] = ()
    user_id: int = 0
    channel_id: int = 0
    group: str = ""

    def on(self, table: Any, time_column: Any, model_column: Any) -> list[Any]:
        where = [time_column >= self.since, time_column < self.until]
        if self.models:
            where.append(model_column.in_(self.models))
        if self.user_id:
            where.append(table.user_id == self.user_id)
        if self.channel_id:
            where.append(table.channel_id == self.channel_id)
        if self.group:
            where.append(table.group == self.group)
        return where


class Books(Struct):
    """What a run found."""

    sums: dict[Cell, Sum]
    calls_booked: int  # by the totals of settlement
    quota_booked: int


def register(app: typer.Typer) -> None:
    app.command("reprice")(reprice)


def reprice(
    since: str = typer.Option(..., help="First day, UTC: 2025-04-01."),
    until: str = typer.Option("", help="Day after the last one; without it up to now, or with --post up to today."),
    model: list[str] = MODELS,
    user: int = typer.Option(0, help="Only this account's id."),
    channel: int = typer.Option(0, help="Only this channel's id."),
    group: str = typer.Option("", help="Only this group."),
    change: list[str] = SET,
    by: str = typer.Option("model", help="model, user, token, channel, group or day."),
    do_post: bool = typer.Option(False, "--post", help="Post the differences to the ledger."),
    run: str = typer.Option("", help="With --post: a name; the same name never posts twice."),
    reason: str = typer.Option("", help="With --post: what people read beside the correction."),
) -> None:
    """Tell what calls would have cost under other prices. Nothing changes without --post."""
    config = load_config()
    try:
        if by not in BY:
            raise RepriceError(f"--by {by}: must be one of {', '.join(BY)}")
        if do_post and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", run):
            raise RepriceError("--post needs --run: a name of at most 32 letters, digits, and . _ -")
        today = int(time.time()) // DAY_S * DAY_S
        end = _day(until) if until else today if do_post else int(time.time()) + 1
        if do_post and end > today:
            raise RepriceError("--post takes whole days that are over: --until may be today at most")
        scope = Scope(_day(since), end, tuple(model), user, channel, group)
        asyncio.run(_run(config, scope, change, by, run if do_post else "", reason))
    except RepriceError as error:
        typer.echo(f"medusa: {error}", err=True)
        raise typer.Exit(2) from None


def _day(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise RepriceError(f"{text} is not a day: write 2025-04-01") from None


async def _run(config: Config, scope: Scope, changes: list[str], by: str, run: str, reason: str) -> None:
    engine = open_engine(config)
    logs = make_engine(config.log_sql_dsn, sqlite_path=config.sqlite_file) if config.log_sql_dsn else engine
    try:
        adopted = int(await read_meta(engine, "adopted_at") or 0)
        if await read_meta(engine, "origin") != "new" and scope.since < adopted:
            day = datetime.fromtimestamp(adopted, UTC).date()
            raise RepriceError(f"calls before {day} were charged by the predecessor: their rows do not tell enough")
        options = change_options(await _read_options(config, engine), changes)
        books = await read_books(engine, logs, scope, await _read_prices(engine, options))
        _show(books, by, options)
        earlier, _ = await _read_earlier(engine)
        if given := sum(earlier.get(cell.digest(), 0) for cell in books.sums):
            typer.echo(f"former runs gave back {given} quota of these calls; --post takes that into account")
        if run:
            if _missing(books):
                raise RepriceError("nothing is posted while calls are missing from the log")
            posted, skipped = await post_corrections(engine, run, reason, books.sums)
            await _tell(config, engine, logs, run, reason, posted)
            total = sum(one.delta for one in posted)
            typer.echo(
                f"{len(posted)} entries posted, {total:+} quota given back; {skipped} belong to deleted accounts"
            )
        else:
            typer.echo("dry run: nothing was changed")
    finally:
        await engine.dispose()
        if logs is not engine:
            await logs.dispose()


async def _read_options(config: Config, engine: Engine) -> Options:
    vault = Vault(config.crypto_secret, config.crypto_secret_old)
    async with engine.connect() as db:
        rows = (await db.execute(select(OptionRow.key, OptionRow.value))).all()
    one_api = await read_meta(engine, "origin") == "one-api"
    return read_options({key: vault.unseal(value or "") for key, value in rows}, one_api_origin=one_api)


async def _read_prices(engine: Engine, options: Options) -> Prices:
    async with engine.connect() as db:
        groups = {row.id: row.group or "" for row in await db.execute(select(User.id, User.group))}
        channels = (await db.execute(select(Channel.id, Channel.type, Channel.setting))).all()
    ratios: dict[int, Decimal | None] = {}
    for row in channels:
        ratio = read_object(row.setting).get("cache_ratio")
        ratios[row.id] = Decimal(str(ratio)) if isinstance(ratio, int | float) and 0 <= ratio <= 1 else None
    return Prices(options, groups, ratios, {row.id: row.type or 0 for row in channels})


async def read_books(engine: Engine, logs: Engine, scope: Scope, prices: Prices) -> Books:
    """Everything in scope, each call once, in steps that hold nobody up. Raises RepriceError."""
    sums: dict[Cell, Sum] = {}
    async for rows in _read_log(logs, scope):
        refunded = await _refunded(engine, rows)
        add_calls(sums, (read_call(row) for row in rows if row.request_id not in refunded), prices)
    totals = (func.coalesce(func.sum(UsageHourly.calls), 0), func.coalesce(func.sum(UsageHourly.quota), 0))
    where = scope.on(UsageHourly, UsageHourly.hour, UsageHourly.model)
    async with engine.connect() as db:
        calls, quota = (await db.execute(select(*totals).where(*where))).one()
    return Books(sums, int(calls), int(quota))


async def _refunded(engine: Engine, rows: Sequence[Any]) -> set[str]:
    """Of these rows the tasks whose charge went back: they have cost nothing, at any price."""
    names = [row.request_id for row in rows if row.request_id and '"task_id"' in (row.other or "")]
    found: set[str] = set()
    for start in range(0, len(names), LOOKUP_MAX):
        part = LedgerEntry.reference.in_(names[start : start + LOOKUP_MAX])
        async with engine.connect() as db:
            wanted = select(LedgerEntry.reference).where(LedgerEntry.kind == "refund", part)
            found |= set((await db.execute(wanted)).scalars())
    return found


async def _read_log(engine: Engine, scope: Scope) -> AsyncIterator[Any]:
    columns = (
        Log.id, Log.created_at, Log.user_id, Log.token_id, Log.channel_id, Log.model_name, Log.group, Log.quota,
        Log.prompt_tokens, Log.completion_tokens, Log.other, Log.request_id,
    )  # fmt: skip
    where = [Log.type == CONSUMED, Log.user_id > 0, *scope.on(Log, Log.created_at, Log.model_name)]
    after: tuple[int, int] = (scope.since, 0)
    while True:
        async with engine.connect() as db:
            later = (Log.created_at >= after[0], tuple_(Log.created_at, Log.id) > after)  # the first one is for MySQL
            wanted = select(*columns).where(*where, *later)
            rows = (await db.execute(wanted.order_by(Log.created_at, Log.id).limit(CHUNK))).all()
        if not rows:
            return
        yield rows
        after = (rows[-1].created_at, rows[-1].id)


def _missing(books: Books) -> bool:
    """Does the log lack charged calls? They may be there and not yet in the totals, never the other way round."""
    return sum(one.charged for one in books.sums.values()) < books.quota_booked


async def post_corrections(
    engine: Engine, run: str, reason: str, sums: dict[Cell, Sum]
) -> tuple[list[Correction], int]:
    """One transaction for each account. Killed anywhere, it goes on when the same run is started again.

    Returns what was posted, and how many corrections belong to accounts that do not exist any more.
    """
    earlier, references = await _read_earlier(engine)
    todo: dict[int, list[Correction]] = {}
    for one in corrections(run, sums, earlier, references):
        todo.setdefault(one.cell.user_id, []).append(one)
    limited = await _limited_tokens(engine, {one.cell.token_id for part in todo.values() for one in part})
    posted: list[Correction] = []
    skipped = 0
    for user_id, part in todo.items():
        try:
            async with engine.begin() as db:
                for one in part:
                    token_id = one.cell.token_id if one.cell.token_id in limited else None
                    await post(
                        db, kind="adjust", reference=one.reference, user_id=user_id, delta=one.delta, token_id=token_id,
                        token_delta=one.delta if token_id else 0, actor="medusa reprice", reason=reason or run,
                    )  # fmt: skip
        except NoSuchAccount:
            skipped += len(part)
        except AlreadyPosted:
            raise RepriceError("another run of this name is posting at this moment") from None
        else:
            posted += part
    return posted, skipped


async def _read_earlier(engine: Engine) -> tuple[dict[str, int], set[str]]:
    """By cell what all runs gave back, and the references of all their entries."""
    entry = LedgerEntry
    wanted = select(entry.reference, entry.delta).where(entry.kind == "adjust", entry.reference.like("reprice:%"))
    sums: dict[str, int] = {}
    references: set[str] = set()
    async with engine.connect() as db:
        for reference, delta in await db.execute(wanted):
            references.add(reference)
            digest = reference.rpartition(":")[2]
            sums[digest] = sums.get(digest, 0) + int(delta)
    return sums, references


async def _limited_tokens(engine: Engine, ids: set[int]) -> set[int]:
    found: set[int] = set()
    wanted = sorted(ids - {0})
    async with engine.connect() as db:
        for start in range(0, len(wanted), 500):
            part = select(Token.id, Token.unlimited_quota).where(Token.id.in_(wanted[start : start + 500]))
            found |= {row.id for row in await db.execute(part) if not row.unlimited_quota}
    return found


async def _tell(config: Config, engine: Engine, logs: Engine, run: str, reason: str, posted: list[Correction]) -> None:
    """A row of the log for each account, one of the audit, and hot balances that are loaded again."""
    deltas: dict[int, int] = {}
    for one in posted:
        deltas[one.cell.user_id] = deltas.get(one.cell.user_id, 0) + one.delta
    now_s = int(time.time())
    async with engine.begin() as db:
        detail = f'{{"accounts":{len(deltas)},"entries":{len(posted)},"quota":{sum(deltas.values())}}}'
        entry = {"at_ms": now_s * 1000, "actor": "medusa reprice", "action": "ledger.reprice", "subject": "ledger"}
        await db.execute(insert(AuditEntry).values(**entry, subject_id=run, detail=detail))
        names = {row.id: row.username or "" for row in await db.execute(select(User.id, User.username))}
    rows = [
        {"user_id": user_id, "username": names.get(user_id, ""), "created_at": now_s, "type": SYSTEM,
         "content": f"{reason or run}: {delta:+}"}
        for user_id, delta in deltas.items()
    ]  # fmt: skip
    async with logs.begin() as db:
        if rows:
            await db.execute(insert(Log), rows)
    async with find_running(config) as redis:
        if redis is not None:
            for user_id in deltas:
                await signals.balance_changed(redis, user_id, partitions=config.partitions)


def _show(books: Books, by: str, options: Options) -> None:
    unit = options.quota_per_unit
    typer.echo(f"{by}\tcalls\tcharged\twould be\tdifference\tUSD")
    found = group_sums(books.sums, by)
    if by == "day":
        found = {datetime.fromtimestamp(int(day), UTC).date().isoformat(): one for day, one in found.items()}
    total = Sum()
    for name, one in sorted(found.items()):
        _line(name, one, unit)
        total = Sum(*(a + b for a, b in zip(_figures(total), _figures(one), strict=True)))
    _line("total", total, unit)
    if total.kept:
        typer.echo(f"{total.kept} calls are left as they were charged: the log does not tell their model tokens")
    if _missing(books):
        lacking = books.quota_booked - total.charged
        typer.echo(
            f"calls worth {lacking} quota are in the totals and not in the log (retention, or LogConsumeEnabled)"
        )


def _figures(one: Sum) -> tuple[int, int, int, int]:
    return one.calls, one.charged, one.would, one.kept


def _line(name: str, one: Sum, unit: Decimal) -> None:
    difference = one.would - one.charged
    typer.echo(f"{name}\t{one.calls}\t{one.charged}\t{one.would}\t{difference:+}\t{difference / unit:+.4f}")
