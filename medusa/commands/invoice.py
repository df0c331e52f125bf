"""`medusa invoice`: a provider's CSV beside our books, by channel, model and day."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import func, select

from medusa.commands.database import load_config, open_engine
from medusa.invoice import Cell, InvoiceError, Line, Sum, compare, day_of, read_invoice
from schema.config import Config
from schema.options import read_options
from schema.tables import Channel, OptionRow, UsageHourly

CHANNELS = typer.Option([], help="Channels of this account; may be repeated. Without it: a column `channel`.")
ALIASES = typer.Option([], help="THEIRS=OURS: a model that the provider names otherwise.")


def register(app: typer.Typer) -> None:
    app.command("invoice")(invoice)


def invoice(
    file: Path,
    channel: list[int] = CHANNELS,
    day_column: str = typer.Option("", help="Column of the day, where it is not recognised."),
    model_column: str = typer.Option("", help="Column of the model."),
    cost_column: str = typer.Option("", help="Column of the cost in USD."),
    prompt_column: str = typer.Option("", help="Column of the prompt tokens."),
    completion_column: str = typer.Option("", help="Column of the completion tokens."),
    alias: list[str] = ALIASES,
    tolerance: str = typer.Option("0.01", help="How far tokens may differ: 0.01 is one per cent."),
    every: bool = typer.Option(False, "--all", help="Also show what agrees."),
) -> None:
    """Compare a provider's bill (CSV) with what we counted and charged. Status 1 when something does not agree."""
    names = {
        "day": day_column, "model": model_column, "cost": cost_column, "prompt": prompt_column,
        "completion": completion_column,
    }  # fmt: skip
    config = load_config()
    try:
        allowed = Decimal(tolerance)
        with file.open(newline="", encoding="utf-8-sig") as text:
            theirs = read_invoice(text, names, with_channels=not channel)
        lines = asyncio.run(_compare(config, theirs, channel, dict(_pair(word) for word in alias), allowed))
    except (InvoiceError, InvalidOperation, OSError, UnicodeDecodeError) as error:
        typer.echo(f"medusa: {file}: {error}", err=True)
        raise typer.Exit(2) from None
    _show([line for line in lines if every or line.finding])
    wrong = sum(bool(line.finding) for line in lines)
    typer.echo(f"{len(lines)} cells compared, {wrong} do not agree; {_totals(lines)}")
    raise typer.Exit(1 if wrong else 0)


def _pair(word: str) -> tuple[str, str]:
    theirs, sign, ours = word.partition("=")
    if not sign:
        raise InvoiceError(f"--alias {word}: write THEIRS=OURS")
    return theirs, ours


async def _compare(
    config: Config, bill: dict[Cell, Sum], channels: list[int], aliases: dict[str, str], tolerance: Decimal
) -> list[Line]:
    theirs: dict[Cell, Sum] = {}
    for cell, found in bill.items():
        same = Cell(cell.channel, cell.day, aliases.get(cell.model, cell.model))
        theirs.setdefault(same, Sum()).add(found.money, found.prompt, found.completion)
    if not theirs:
        raise InvoiceError("there is nothing in it")
    days = {cell.day for cell in theirs}
    wanted = channels or sorted({cell.channel for cell in theirs})
    ours = await _read_books(config, wanted, min(days), max(days), apart=not channels)
    return compare(theirs, ours, tolerance=tolerance)


async def _read_books(config: Config, channels: list[int], first: str, last: str, *, apart: bool) -> dict[Cell, Sum]:
    """Our sums under the names that the provider got; `apart`: by channel, else all of them as channel 0."""
    begin = int(datetime.fromisoformat(first).replace(tzinfo=UTC).timestamp())
    end = int(datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp()) + 86_400
    key = (UsageHourly.channel_id, UsageHourly.hour, UsageHourly.model)
    figures = (UsageHourly.quota, UsageHourly.prompt_tokens, UsageHourly.completion_tokens, UsageHourly.calls)
    statement: Any = (
        select(*key, *(func.sum(one) for one in figures))
        .where(UsageHourly.channel_id.in_(channels), UsageHourly.hour >= begin, UsageHourly.hour < end)
        .group_by(*key)
    )
    engine = open_engine(config)
    try:
        async with engine.connect() as db:
            rows = (await db.execute(statement)).all()
            mapped = await db.execute(select(Channel.id, Channel.model_mapping).where(Channel.id.in_(channels)))
            mappings = {row.id: _mapping(row.model_mapping) for row in mapped}
            stored = await db.execute(select(OptionRow.key, OptionRow.value).where(OptionRow.key == "QuotaPerUnit"))
            options = read_options({row.key: row.value or "" for row in stored})
    finally:
        await engine.dispose()
    sums: dict[Cell, Sum] = {}
    for channel_id, hour, model, quota, prompt, completion, calls in rows:
        name = mappings.get(channel_id, {}).get(model, model)
        cell = Cell(channel_id if apart else 0, day_of(hour), name)
        sums.setdefault(cell, Sum()).add(quota / options.quota_per_unit, int(prompt), int(completion), int(calls))
    return sums


def _mapping(text: str | None) -> dict[str, str]:
    try:
        found: Any = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _show(lines: list[Line]) -> None:
    if not lines:
        return
    typer.echo(
        "channel\tday\tmodel\tcalls\ttheir prompt\tour prompt\ttheir completion\tour completion\tbilled\tcharged\tfinding"
    )
    for line in lines:
        cell, bill, book = line.cell, line.theirs, line.ours
        pairs = (bill.prompt, book.prompt, bill.completion, book.completion)
        money = [f"{one:.4f}" if one is not None else "-" for one in (bill.money, book.money)]
        tokens = [str(one) if one is not None else "-" for one in pairs]
        typer.echo("\t".join([str(cell.channel), cell.day, cell.model, str(book.calls), *tokens, *money, line.finding]))


def _totals(lines: list[Line]) -> str:
    billed = sum((line.theirs.money or Decimal(0) for line in lines), Decimal(0))
    charged = sum((line.ours.money or Decimal(0) for line in lines), Decimal(0))
    return f"billed {billed:.2f} USD, charged {charged:.2f} USD"
