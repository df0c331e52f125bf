"""`medusa reconcile`: the proof of the books by hand, and its repair by entries that everybody can see."""

import asyncio

import typer

from medusa.backup.redis_access import find_running
from medusa.commands.database import load_config, open_engine
from schema.config import Config
from schema.ledger.connection import over_redis_py
from workers.reconcile import Report, reconcile, repair

SHOWN_MAX = 1_000


def register(app: typer.Typer) -> None:
    app.command("reconcile")(run)


def run(
    do_repair: bool = typer.Option(False, "--repair", help="Write an `adjust` entry for each difference."),
) -> None:
    """Compare ledger, balances and hot balances. Status 1 when they differ."""
    config = load_config()
    report, repaired, hot = asyncio.run(_reconcile(config, do_repair))
    for drift in report.drifts[:SHOWN_MAX]:
        typer.echo(str(drift))
    typer.echo(
        f"{report.users} users, {report.tokens} limited tokens, "
        + (f"{report.hot} hot balances: " if hot else "hot balances not compared (Redis is not running): ")
        + (f"{len(report.drifts)} differences, {report.units} quota" if report.drifts else "the books add up")
    )
    if do_repair:
        typer.echo(f"{repaired} repaired")
    raise typer.Exit(1 if len(report.drifts) > repaired else 0)


async def _reconcile(config: Config, do_repair: bool) -> tuple[Report, int, bool]:
    engine = open_engine(config)
    try:
        async with find_running(config) as redis:
            execute = over_redis_py(redis) if redis is not None else None
            report = await reconcile(engine, execute, config.partitions)
            repaired = 0
            if do_repair:
                repaired = await repair(engine, execute, config.partitions, report.drifts, "medusa reconcile")
            return report, repaired, execute is not None
    finally:
        await engine.dispose()
