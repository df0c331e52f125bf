"""A real Prometheus with our configuration before a real gateway: every panel shows figures, every alarm can ring and be silent."""

import asyncio
import contextlib
import math
import subprocess
import time
from contextlib import asynccontextmanager

import httpx
import pytest
import yaml
from sqlalchemy import insert, update

from schema.tables import Ability, Channel, Log, User
from tests.docs.test_deploy_strict import DASHBOARD, ROOT, RULES
from tests.services import find_binary, free_port
from tests.system import open_system, plain, until

CONFIG = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
SCRAPE_S = 1
TOKEN = "m" * 20
ROOT_TOKEN = "a" * 32


def promtool(*words, folder=ROOT):
    command = [find_binary("promtool"), *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def configured(folder, targets):
    """Our configuration; only names and paths of the composed network are replaced, and it looks more often."""
    text = yaml.safe_dump(CONFIG)
    for old, new in (("/etc/prometheus/", f"{ROOT}/deploy/prometheus/"), ("/tmp/token", f"{folder}/token")):
        assert old in text
        text = text.replace(old, new)
    config = yaml.safe_load(text)
    (job,) = config["scrape_configs"]
    assert job.pop("dns_sd_configs")
    job["static_configs"] = [{"targets": targets}]
    config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    (folder / "token").write_text(TOKEN)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_promtool_accepts_configuration_and_rules(tmp_path):
    assert f"{len(RULES)} rules found" in promtool("check", "rules", ROOT / "deploy/prometheus/alerts.yml")
    assert "SUCCESS" in promtool("check", "config", configured(tmp_path, ["127.0.0.1:1"]))


# alarm: labels, then series that ring it and series that do not; a value a minute, as promtool writes them
UP = 'medusa_build_info{instance="a"}', "1x90"
CASES = {
    "LedgerDrift": ({}, [("medusa_ledger_drift_units", "7x90")], [("medusa_ledger_drift_units", "0x90")]),
    "SettlementBehind": ({}, [("medusa_settle_lag_seconds", "61x90")], [("medusa_settle_lag_seconds", "59x90")]),
    "NoWorker": ({}, [("medusa_workers", "0x90")], [("medusa_workers", "1x90")]),
    "SpoolInUse": (
        {"instance": "b"},
        [('medusa_spool_bytes{instance="a"}', "0x90"), ('medusa_spool_bytes{instance="b"}', "1x90")],
        [('medusa_spool_bytes{instance="a"}', "0x90")],
    ),
    "RedisEmptied": (
        {},
        [('medusa_redis_emptied_total{instance="a"}', "0x80 1x20"), ('medusa_redis_losses_total{instance="a"}', "0x90")],
        [('medusa_redis_emptied_total{instance="a"}', "1x90"), ('medusa_redis_losses_total{instance="a"}', "3x90")],
    ),
    "ReconcileMissing": (
        {},
        [('medusa_job_last_success_timestamp{job="reconcile"}', "0x200")],
        [('medusa_job_last_success_timestamp{job="reconcile"}', "0+60x200")],
    ),
    "NoEdge": ({}, [("medusa_workers", "1x90")], [UP]),
    "EdgeDown": (
        {"instance": "b", "job": "edge"},
        [('up{job="edge",instance="a"}', "1x90"), ('up{job="edge",instance="b"}', "0x90")],
        [('up{job="edge",instance="a"}', "1x90"), ('up{job="other",instance="b"}', "0x90")],
    ),
    "CallsFail": (
        {},
        [('medusa_requests_total{status="5xx"}', "0+60x90"), ('medusa_requests_total{status="2xx"}', "0+600x90")],
        [('medusa_requests_total{status="5xx"}', "0+60x90"), ('medusa_requests_total{status="2xx"}', "0+6000x90")],
    ),
    "NoChannels": ({}, [UP], [('medusa_channel_up{channel="1"}', "1x90")]),
    "ChannelClosed": (
        {"channel": "2"},
        [('medusa_channel_breaker_state{channel="2"}', "2x90"), ('medusa_channel_breaker_state{channel="1"}', "0x90")],
        [('medusa_channel_breaker_state{channel="2"}', "2 2 1 0 2 2 0x84")],
    ),
    "LoopLate": (
        {"instance": "a"},
        [('medusa_loop_lag_seconds{instance="a"}', "1.5x90")],
        [('medusa_loop_lag_seconds{instance="a"}', "0.2x90")],
    ),
    "JobFails": (
        {"job": "probe"},
        [('medusa_job_runs_total{job="probe",result="failed"}', "0+1x90")],
        [('medusa_job_runs_total{job="probe",result="ok"}', "0+1x90")],
    ),
    "NoticesFail": (
        {"transport": "email"},
        [('medusa_notifications_total{transport="email",result="failed"}', "0x60 1x60")],
        [('medusa_notifications_total{transport="email",result="sent"}', "0+1x90")],
    ),
}  # fmt: skip
AT_M = {"ReconcileMissing": 121}  # two hours and a minute


def rings(alert, series, labels, at_m):
    severity = RULES[alert]["labels"]
    expected = [{"exp_labels": {**labels, **severity}}] if labels is not None else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "alert_rule_test": [{"eval_time": f"{at_m}m", "alertname": alert, "exp_alerts": expected}],
    }


def test_every_alarm_rings_when_it_should_and_only_then(tmp_path):
    assert CASES.keys() == RULES.keys()
    bare = {"groups": [{"name": "all", "rules": [{**rule, "annotations": {}} for rule in RULES.values()]}]}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(bare))  # texts have values in them
    tests = []
    for alert, (labels, ringing, silent) in CASES.items():
        at_m = AT_M.get(alert, 85)
        tests += [rings(alert, ringing, labels, at_m), rings(alert, silent, None, at_m)]
    unseen = [
        ('medusa_redis_emptied_total{instance="a"}', "0x90"),
        ('medusa_redis_losses_total{instance="a"}', "0x80 1x20"),
    ]
    tests.append(rings("RedisEmptied", unseen, {}, 85))  # by no edge, for it died with the server
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    assert "SUCCESS" in promtool("test", "rules", "tests.yml", folder=tmp_path)


def test_the_page_about_observability_explains_every_alarm():
    page = (ROOT / "docs/observability.md").read_text()
    assert [alert for alert in RULES if f"| `{alert}` |" not in page] == []


# -- the real thing ----------------------------------------------------------------------------------------------------


async def silent(reader, writer, body):
    await asyncio.sleep(0.4)
    await plain(reader, writer, body)


async def broken(reader, writer, body):
    writer.write(b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")


@asynccontextmanager
async def prometheus(folder, targets):
    """Its address."""
    port = free_port()
    command = [
        find_binary("prometheus"), f"--config.file={configured(folder, targets)}", f"--storage.tsdb.path={folder}/series",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
            yield http
    finally:
        process.terminate()
        process.wait(30)


async def ask(http, expression):
    """Values of an instant query; none while Prometheus starts."""
    try:
        answer = (await http.get("/api/v1/query", params={"query": expression})).json()
    except (httpx.TransportError, ValueError):
        return []
    assert answer["status"] == "success", answer
    return [float(one["value"][1]) for one in answer["data"]["result"]]


async def prepare(system, folder):
    """An account for people, a channel that fails, one that is slow, a log row that cannot be archived: all panels have news."""
    names = ("silent", "broken")
    async with system.engine.begin() as db:
        root = {"username": "root", "password": "", "role": 100, "status": 1, "quota": 0, "aff_code": "r"}
        await db.execute(insert(User).values(id=99, access_token=ROOT_TOKEN, email="root@example.com", **root))
        await db.execute(
            insert(Log).values(user_id=1, created_at=int(time.time()) - 90 * 86_400, type=5, content="old")
        )
        await db.execute(
            insert(Channel).values(
                id=2, type=1, key="k", status=1, name="c2", weight=0, models=",".join(names), group="default",
                base_url=f"http://127.0.0.1:{system.upstream.port}", priority=0, provider="openai",
            )
        )  # fmt: skip
        rows = [{"group": "default", "model": name, "channel_id": 2, "enabled": True} for name in names]
        await db.execute(insert(Ability), rows)


class Traffic:
    """Calls of every kind until told to stop."""

    def __init__(self, system):
        self._system, self._running = system, True

    async def run(self):
        async with self._system.client() as http:
            while self._running:
                for model in ("plain", "stream", "silent", "broken"):
                    body = {
                        "model": model,
                        "stream": model == "stream",
                        "messages": [{"role": "user", "content": "hi"}],
                    }
                    await http.post("/v1/chat/completions", json=body)

    def stop(self):
        self._running = False


@pytest.mark.timeout(240)
async def test_every_panel_shows_figures_of_a_gateway_under_load(tmp_path):
    find_binary("prometheus")
    blocked = tmp_path / "file"
    blocked.write_text("a file, so no folder can be made here")
    environ = {"METRICS_TOKEN": TOKEN, "LOG_ARCHIVE_DIR": str(blocked / "archive")}
    async with open_system(tmp_path, environ=environ, silent=silent, broken=broken) as system:
        await system.seed(HedgeAfterMs="100", HedgeModels="silent", HedgePercent="100", BreakerOpenSeconds="30")
        await prepare(system, tmp_path)
        system.add_edge()
        system.add_worker()
        await system.ready()
        traffic = Traffic(system)
        running = asyncio.create_task(traffic.run())
        try:
            async with prometheus(tmp_path, [system.address().removeprefix("http://")]) as http:
                await asyncio.sleep(SCRAPE_S * 3)  # counters of failures must have been seen before they grow
                async with system.engine.begin() as db:  # a balance that is past the books
                    await db.execute(update(User).where(User.id == 99).values(quota=7))
                headers = {"authorization": ROOT_TOKEN}
                async with httpx.AsyncClient(base_url=system.address(), headers=headers, trust_env=False) as console:
                    for job in ("reconcile", "retention"):
                        assert (await console.post(f"/api/jobs/{job}/run")).json()["success"]
                wanted = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
                empty = wanted

                async def all_show():
                    nonlocal empty
                    found = {expression: await ask(http, expression) for expression in empty}
                    empty = [one for one, values in found.items() if not values or any(map(math.isnan, values))]
                    return not empty

                with contextlib.suppress(AssertionError):
                    await until(all_show, "", within_s=90)
                assert empty == [], system.workers[0].tail()

                async def drift_rings():
                    return await ask(http, 'ALERTS{alertname="LedgerDrift", alertstate="firing"}')

                assert await until(drift_rings, "a balance past the books rings") == [1.0]
                assert await ask(http, 'ALERTS{alertname="NoWorker"}') == []
                (kept,) = await ask(http, "sum(scrape_samples_scraped)")
                (took,) = await ask(http, "max(scrape_duration_seconds)")
                print(f"\n{len(wanted)} queries answered; {kept:.0f} samples a scrape, {took * 1000:.0f} ms")
        finally:
            traffic.stop()
            await running
