"""The command `medusa`: a list of subcommands, one module of `medusa.commands` each."""

import importlib
import pkgutil
import sys

import typer

import medusa.commands

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="MedusaXD API: an AI gateway with exact bills.",
)  # fmt: skip


@app.callback()
def _root() -> None:
    """Keeps subcommands named even while there is only one."""


def main() -> None:
    for module in pkgutil.iter_modules(medusa.commands.__path__):
        importlib.import_module(f"medusa.commands.{module.name}").register(app)
    try:
        app()
    except Exception as error:
        from medusa.unusable import find_sentence  # what it needs is loaded by whatever raised

        if (sentence := find_sentence(error)) is None:
            raise
        typer.echo(f"medusa: {sentence}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
