"""`medusa rebuild-totals` and `medusa rebuild-abilities`: what is derived is made anew from what it is derived from."""

import asyncio
from datetime import UTC, datetime

import typer
from sqlalchemy import delete, func, insert, select

from medusa.backup.redis_access import find_running
from medusa.commands.database import load_config, open_engine
from schema.config import Config
from schema.ledger import signals
from schema.tables import Ability, Channel, UsageHourly
from schema.upstreams.account import split_names
from schema.usage_totals import DAY_S, rebuild

ENABLED = 1  # channels.status


def register(app: typer.Typer) -> None:
    app.command("rebuild-totals")(totals)
    app.command("rebuild-abilities")(abilities)


def totals(
    since: str = typer.Option("", help="First day, UTC: 2025-04-01; without it from the beginning."),
) -> None:
    """Sum the hours and days behind dashboards and sums again. Needed only after somebody changed them by hand."""
    try:
        first = int(datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) if since else 0
    except ValueError:
        typer.echo(f"medusa: {since} is not a day: write 2025-04-01", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{asyncio.run(_totals(load_config(), first))} days made anew")


async def _totals(config: Config, first: int) -> int:
    engine = open_engine(config)
    try:
        async with engine.connect() as db:
            wanted = select(func.min(UsageHourly.hour), func.max(UsageHourly.hour)).where(UsageHourly.hour >= first)
            begin, end = (await db.execute(wanted)).one()
        if begin is None:
            return 0
        return await rebuild(engine, range(begin - begin % DAY_S, end + 1, DAY_S))
    finally:
        await engine.dispose()


def abilities() -> None:
    """Write the table that says which group may use which model on which channel again, from the channels."""
    typer.echo(f"{asyncio.run(_abilities(load_config()))} abilities")


async def _abilities(config: Config) -> int:
    """One transaction: nobody sees half of it."""
    engine = open_engine(config)
    try:
        async with engine.begin() as db:
            columns = (
                Channel.id,
                Channel.status,
                Channel.group,
                Channel.models,
                Channel.priority,
                Channel.weight,
                Channel.tag,
            )
            rows = [
                {"group": group, "model": model, "channel_id": channel.id, "enabled": channel.status == ENABLED,
                 "priority": channel.priority or 0, "weight": channel.weight or 0, "tag": channel.tag}
                for channel in await db.execute(select(*columns))
                for group in split_names(channel.group)
                for model in split_names(channel.models)
            ]  # fmt: skip
            await db.execute(delete(Ability))
            if rows:
                await db.execute(insert(Ability), rows)
    finally:
        await engine.dispose()
    async with find_running(config) as redis:
        if redis is not None:
            await signals.changed(redis, "channels")
    return len(rows)
