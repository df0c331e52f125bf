"""The files of the grown-up form are read by the programs that will read them, or by strict readers of their formats."""

import copy
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from edge.exposition import Told, _channel_gauges, _living, _notices, _own, _workers
from edge.metrics import Meters
from tests.services import find_binary, free_port

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/medusa.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
SUFFIXES = ("_bucket", "_sum", "_count", "_total", "")


def read_compose(document):
    """Raises for what the Compose specification does not allow."""
    PyCompose.from_yaml(yaml.safe_dump(document)).validate()


def test_compose_is_valid():
    read_compose(COMPOSE)


@pytest.mark.parametrize("wrong", [{"restartx": "no"}, {"healthcheck": {"interval": "soon"}}])
def test_the_reader_of_compose_files_is_strict(wrong):
    document = copy.deepcopy(COMPOSE)
    document["services"]["edge"] |= wrong
    with pytest.raises(ValueError):
        read_compose(document)


def test_every_lasting_service_says_whether_it_is_well():
    lasting = {name: one for name, one in COMPOSE["services"].items() if name != "migrate"}
    assert [name for name, one in lasting.items() if "healthcheck" not in one] == []


def test_our_containers_cannot_gain_rights_or_write_outside_their_data():
    for name in ("migrate", "edge", "worker"):
        service = COMPOSE["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert "no-new-privileges:true" in service["security_opt"]
        assert "ports" not in service, "only the balancer is reached from outside"


def test_no_secret_stands_in_the_compose_file():
    text = (ROOT / "compose.yaml").read_text()
    named = re.findall(r"^\s+\w*(?:PASSWORD|SECRET|TOKEN):\s*(\S+)", text, re.MULTILINE)
    assert named
    assert all(value.startswith("${") for value in named)


def nginx_config(tmp_path):
    """Ours, with what needs the composed network taken out."""
    text = (ROOT / "deploy/nginx/nginx.conf").read_text()
    for old, new in (
        ("edge:3000 resolve", "127.0.0.1:9"), ("resolver 127.0.0.11 valid=5s;", ""), ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\n" + text)
    return file


def test_nginx_accepts_its_configuration(tmp_path):
    file = nginx_config(tmp_path)
    command = [find_binary("nginx"), "-t", "-p", str(tmp_path), "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def exported():
    """Names of every metric of the gateway, as a scrape shows them."""
    families = [
        *_own([Meters().figures({}, 0)]),
        *_living([], 0),
        *_workers(Told()),
        *_channel_gauges([], []),
        _notices({}),
    ]
    names = {family.name for family in families}
    return {name + suffix for name in names for suffix in SUFFIXES}


EXPRESSIONS = [
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    *(rule["expr"] for rule in RULES.values()),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_metrics_that_are_asked_for_exist(expression):
    asked = set(re.findall(r"\bmedusa_\w+", expression))
    assert asked or expression.startswith("up{")
    assert asked <= exported()


def test_figures_of_the_workers_are_not_summed_over_edges():
    """Every edge shows them, so a sum would count them once for each edge."""
    shared = {family.name for family in [*_living([], 0), *_workers(Told())]}
    for expression in EXPRESSIONS:
        asked = {name.removesuffix("_total") for name in re.findall(r"\bmedusa_\w+", expression)}
        assert not (asked & shared and "sum" in expression), expression


def test_prometheus_reads_rules_that_are_mounted():
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert config["rule_files"] == ["/etc/prometheus/alerts.yml"]
    mounts = COMPOSE["services"]["prometheus"]["volumes"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in mounts
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["edge"]["dns_sd_configs"][0]["names"][0] in COMPOSE["services"]


def test_the_image_tells_its_health():
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
