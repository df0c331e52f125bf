"""`medusa docs`: reference pages made from the declarations in the code, so that they cannot drift apart."""

from pathlib import Path

import msgspec
import typer

from schema.config import VARIABLES, Config
from schema.options import OPTIONS

_CELL_MAX = 60  # characters of a default; price tables have 20 000
UNITS = {
    "units": "units of quota",
    "tokens": "model tokens",
    "usd": "USD",
    "cny": "CNY",
    "percent": "%",
    "times": "multiple",
    "part": "a part of 1",
}  # others say themselves what they are: s, ms, min, days, calls


def register(app: typer.Typer) -> None:
    app.command("docs")(docs)


def docs(folder: Path = Path("docs")) -> None:
    """Write environment.md and options.md into a folder."""
    (folder / "environment.md").write_text(write_environment())
    (folder / "options.md").write_text(write_options())


def write_environment() -> str:
    defaults = {field.name: field.default for field in msgspec.structs.fields(Config)}
    lines = [
        "# Environment variables", "",
        "Read once at start, from the environment or a file `.env` beside it (the environment wins). All mistakes are",
        "reported at once. This page is made by `medusa docs`.", "",
        "| variable | default | what it does |", "|---|---|---|",
    ]  # fmt: skip
    for variable in VARIABLES:
        names = ", ".join(f"`{name}`" for name in (variable.name, *variable.aliases))
        choices = f" ({', '.join(choice or 'empty' for choice in variable.choices)})" if variable.choices else ""
        lines.append(f"| {names} | {_cell(defaults[variable.field])} | {_text(variable.help + choices)} |")
    return "\n".join(lines) + "\n"


def write_options() -> str:
    lines = [
        "# Options", "",
        "Settings kept in the database: `GET /api/option/`, `PUT /api/option/` or the settings pages. A change is effective on",
        "every edge within two seconds, without a restart. This page is made by `medusa docs`.", "",
        "| option | kind | default | what it does |", "|---|---|---|---|",
    ]  # fmt: skip
    for key, spec in OPTIONS.items():
        if not spec.hidden:
            kind = spec.kind + (" (secret)" if spec.secret else "")
            unit = UNITS.get(spec.unit, spec.unit)
            meaning = f"**{_text(spec.english.label)}**{f' ({unit})' if unit else ''}. {_text(spec.english.help)}"
            lines.append(f"| `{key}` | {kind} | {_cell(spec.default)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) > _CELL_MAX:
        return "built in"
    return f"`{_text(text)}`" if text else "–"


def _text(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
