"""Commands that the documentation names exist, with the options that it gives them; so do metrics, options and alarms."""

import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import click
import pytest
import typer

import medusa.commands
from edge.console.app import ROUTES
from schema.options import OPTIONS
from tests.docs.test_deploy_strict import RULES, exported

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_SPOKEN = re.compile(r"`((?:[A-Z_]+=\S* )*medusa [a-z][^`]*)`")
_SHOWN = re.compile(r"^ {4}((?:[A-Z_]+=(?:'[^']*'|\S*) )*medusa [a-z].*)$", re.MULTILINE)

_CONTAINED = re.compile(r"^ {4}docker compose (?:run|exec) .*?(medusa [a-z].*)$", re.MULTILINE)


def commands():
    """The application as the command line has it."""
    app = typer.Typer()
    app.callback()(lambda: None)
    for module in pkgutil.iter_modules(medusa.commands.__path__):
        importlib.import_module(f"medusa.commands.{module.name}").register(app)
    return app


APP = commands()
TREE = typer.main.get_command(APP)


def find(words):
    """The command that the words name, and what is left of them. Raises KeyError."""
    command, left = TREE, list(words)
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        command = command.commands[left.pop(0)]
    return command, left


def named(page):
    text = page.read_text()
    return [*_SPOKEN.findall(text), *_SHOWN.findall(text), *_CONTAINED.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist_with_their_options(page):
    for line in named(page):
        words = [word for word in shlex.split(line, comments=True) if word not in ("…", "...")]
        words = words[words.index("medusa") + 1 :]
        command, left = find(words)
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        given = [word for word in left if word.startswith("--")]
        assert set(given) <= options, line
        with_value = {
            name
            for parameter in command.params
            if parameter.param_type_name == "option" and not parameter.is_flag
            for name in parameter.opts
        }
        values = sum(word in with_value for word in given)  # an option may be repeated
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        assert len(left) - len(given) - values <= len(arguments), line


SOURCES = "".join(
    file.read_text()
    for folder in ("schema", "edge", "workers", "medusa")
    for file in sorted((ROOT / folder).rglob("*.py"))
)


def test_messages_that_are_quoted_are_ours():
    """What the page on trouble gives between “ and ” stands in the program, word for word around its variables."""
    quoted = re.findall("“([^”]*)”", (ROOT / "docs/troubleshooting.md").read_text())
    assert len(quoted) > 5
    source = re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*f?"', "", SOURCES))
    for message in quoted:
        for piece in message.split("…"):
            assert piece.strip() in source, message


def test_the_pages_name_the_commands():
    spoken = {
        find(shlex.split(line)[shlex.split(line).index("medusa") + 1 :])[0].name
        for page in PAGES
        for line in named(page)
        if "…" not in line
    }
    assert {
        "backup",
        "restore",
        "doctor",
        "invoice",
        "migrate",
        "encrypt",
        "decrypt",
        "rotate",
        "reset-root-password",
    } <= spoken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_that_are_named_exist(page):
    assert set(re.findall(r"`(medusa_\w+)`", page.read_text())) <= exported()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_and_alarms_that_are_named_exist(page):
    words = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z]*)+)(?: to \w+)?`", page.read_text()))
    assert words <= {*OPTIONS, *RULES, "FLUSHALL"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_routes_that_are_named_exist(page):
    paths = {route.path.rstrip("/") for route in ROUTES}
    named_paths = re.findall(r"(?:`|YOUR-ADDRESS)(/api/[\w/:-]+)`", page.read_text())
    assert {path.rstrip("/") for path in named_paths} <= paths
