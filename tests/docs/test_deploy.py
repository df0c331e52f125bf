"""What cannot run without a container engine is at least well formed and names what exists."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_dashboard_has_a_query_in_every_panel_and_no_two_at_one_place():
    panels = json.loads((ROOT / "deploy/grafana/dashboards/medusa.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(
        target["expr"].count("(") == target["expr"].count(")") for panel in panels for target in panel["targets"]
    )
    assert all("medusa_" in target["expr"] for panel in panels for target in panel["targets"])


def test_files_mounted_by_compose_exist():
    mounted = [
        volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])
    ]
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()] == []


def test_volumes_named_by_compose_are_declared():
    mounted = {
        volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])
    }
    assert {name for name in mounted if not name.startswith("./")} <= set(COMPOSE["volumes"])


def test_the_stop_grace_of_the_edge_is_longer_than_its_drain():
    edge = COMPOSE["services"]["edge"]
    assert int(edge["stop_grace_period"].rstrip("s")) > int(edge["environment"]["SHUTDOWN_TIMEOUT"]) + 5


def test_the_image_is_not_run_as_root_and_copies_what_exists():
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER medusa$", text, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(\S+)/ ", text, re.MULTILINE)
    assert copied
    assert all((ROOT / folder).is_dir() for folder in copied)
