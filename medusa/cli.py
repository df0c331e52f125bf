"""The command `medusa`: a list of subcommands, one module of `medusa.commands` each."""

import importlib
import pkgutil

import typer

import medusa.commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help="MedusaXD API: an AI gateway with exact bills.")


@app.callback()
def _root() -> None:
    """Keeps subcommands named even while there is only one."""


def main() -> None:
    for module in pkgutil.iter_modules(medusa.commands.__path__):
        importlib.import_module(f"medusa.commands.{module.name}").register(app)
    app()


if __name__ == "__main__":
    main()
