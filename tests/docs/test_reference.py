"""The documentation says what is there: generated pages are fresh, named targets and variables exist, examples parse."""

import re
from pathlib import Path

import pytest
import yaml

from medusa.commands.docs import write_environment, write_options
from schema.config import IGNORED, VARIABLES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
KNOWN = {name for variable in VARIABLES for name in (variable.name, *variable.aliases)} | IGNORED
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.mark.parametrize(("page", "write"), [("environment.md", write_environment), ("options.md", write_options)])
def test_generated_pages_are_fresh(page, write):
    assert (ROOT / "docs" / page).read_text() == write(), "run: medusa docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_are_named_exist(page):
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", page.read_text())) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_that_are_named_exist(page):
    named = set(re.findall(r"`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", page.read_text()))
    assert named <= KNOWN


@pytest.mark.parametrize("service", ["edge", "worker", "migrate"])
def test_compose_sets_only_variables_that_we_read(service):
    assert set(COMPOSE["services"][service]["environment"]) <= KNOWN


def test_compose_depends_only_on_services_that_it_has():
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
