"""`medusa up`: the whole gateway on one machine."""

import os
import sys

import typer
from dotenv import load_dotenv

from schema.config import ConfigError, read_config


def register(app: typer.Typer) -> None:
    app.command("up")(up)


def up(port: int = typer.Option(0, help="Listening port; the variable PORT wins.")) -> None:
    """Migrate the database and run edge, worker and, without REDIS_CONN_STRING, an embedded Valkey."""
    from medusa.prepare import prepare  # loads SQLAlchemy and Redis: other commands should not wait for that

    if sys.platform == "win32":
        typer.echo("medusa: Windows is not supported; use WSL or a container.", err=True)
        raise typer.Exit(2)
    load_dotenv(".env", override=False)
    if port:
        os.environ.setdefault("PORT", str(port))
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(f"medusa: {problem}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(prepare(config))
