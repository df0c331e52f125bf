"""`medusa doctor`: look at everything, change nothing, say what to do."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import typer

from medusa import doctor as checks
from medusa.backup.redis_access import find_running
from medusa.commands.database import load_config
from medusa.doctor import Verdict
from schema.config import Config


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    worker: bool = typer.Option(False, help="Only: is a worker of this machine alive?"),
    as_json: bool = typer.Option(False, "--json", help="One JSON object a line."),
) -> None:
    """Look for what is wrong; status 1 when something must be repaired."""
    config = load_config()
    if worker:
        raise typer.Exit(0 if asyncio.run(_worker(config)) else 1)
    findings = asyncio.run(_examine(config))
    for one in findings:
        if as_json:
            line = {"verdict": one.verdict.value.lower(), "check": one.check, "sentence": one.sentence}
            typer.echo(json.dumps(line))
        else:
            typer.echo(f"{one.verdict.value:4}  {one.check}: {one.sentence}")
    raise typer.Exit(1 if any(one.verdict is Verdict.FAIL for one in findings) else 0)


async def _examine(config: Config) -> checks.Findings:
    async with AsyncExitStack() as stack:
        redis: Any | None = await stack.enter_async_context(find_running(config))
        return await checks.examine(config, redis)


async def _worker(config: Config) -> bool:
    async with find_running(config) as redis:
        return redis is not None and await checks.worker_is_alive(redis, config)
