"""`medusa openapi`: the OpenAPI document of this version, for generators of types and clients."""

import typer


def register(app: typer.Typer) -> None:
    app.command("openapi")(openapi)


def openapi() -> None:
    """Print the OpenAPI 3.1 document of the console; needs no database and no running gateway."""
    from edge.console.app import ROUTES  # the console takes a second to import, which other commands need not wait for
    from edge.console.openapi import write_openapi

    typer.echo(write_openapi(ROUTES).decode())
