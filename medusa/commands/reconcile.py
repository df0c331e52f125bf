"""`medusa reconcile`: the proof of the books by hand, its repair by entries that everybody can see, and what Redis had lost."""

import asyncio
from typing import Any

import msgspec
import typer

from medusa.backup.redis_access import find_running
from medusa.commands.database import load_config, open_engine
from schema.config import Config
from schema.ledger.connection import over_redis_py
from schema.redis_losses import Found, read_losses
from workers.reconcile import Report, reconcile, repair

SHOWN_MAX = 1_000


def register(app: typer.Typer) -> None:
    app.command("reconcile")(run)


def run(
    do_repair: bool = typer.Option(False, "--repair", help="Write an `adjust` entry for each difference."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object."),
) -> None:
    """Compare ledger, balances and hot balances, and tell what Redis had lost. Status 1 when the books differ."""
    config = load_config()
    report, repaired, hot, losses = asyncio.run(_reconcile(config, do_repair))
    if as_json:
        typer.echo(msgspec.json.encode(_document(report, repaired, hot, losses)).decode())
    else:
        _print(report, hot, losses)
        if do_repair:
            typer.echo(f"{repaired} repaired")
    raise typer.Exit(1 if len(report.drifts) > repaired else 0)


def _print(report: Report, hot: bool, losses: list[Found]) -> None:
    for drift in report.drifts[:SHOWN_MAX]:
        typer.echo(str(drift))
    for loss in losses:
        typer.echo(str(loss))
    typer.echo(
        f"{report.users} users, {report.tokens} limited tokens, "
        + (f"{report.hot} hot balances: " if hot else "hot balances not compared (Redis is not running): ")
        + (f"{len(report.drifts)} differences, {report.units} quota" if report.drifts else "the books add up")
    )


def _document(report: Report, repaired: int, hot: bool, losses: list[Found]) -> dict[str, Any]:
    return {
        "users": report.users,
        "tokens": report.tokens,
        "hot": report.hot if hot else None,
        "units": report.units,
        "repaired": repaired,
        "drifts": report.drifts[:SHOWN_MAX],
        "redis_losses": [{"action": one.action, **msgspec.structs.asdict(one.loss)} for one in losses],
    }


async def _reconcile(config: Config, do_repair: bool) -> tuple[Report, int, bool, list[Found]]:
    engine = open_engine(config)
    try:
        async with find_running(config) as redis:
            execute = over_redis_py(redis) if redis is not None else None
            report = await reconcile(engine, execute, config.partitions)
            repaired = 0
            if do_repair:
                repaired = await repair(engine, execute, config.partitions, report.drifts, "medusa reconcile")
            return report, repaired, execute is not None, await read_losses(engine)
    finally:
        await engine.dispose()
