"""Metrics: counters go on over restarts, labels are bounded, the processes of a machine are summed."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select

from edge.exposition import (
    CHANNELS_TOP,
    Exposition,
    Told,
    _busiest,
    _channel_gauges,
    _living,
    _notices,
    _own,
    _read,
    _workers,
)
from edge.metrics import Meters, result_of
from schema.ledger.keys import METRICS
from schema.tables import AuditEntry, User
from tests.schema.ledger.books import make_record
from tests.system import open_system, until


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        pytest.param(0, "", "connect", id="nobody answered"),
        pytest.param(401, "", "auth", id="the channel's key is wrong"),
        pytest.param(429, "insufficient_quota", "quota", id="the account is empty, whatever the status"),
        pytest.param(429, "", "rate_limit", id="too many calls"),
        pytest.param(503, "", "5xx", id="their trouble"),
        pytest.param(200, "", "bad_response", id="an answer that is none"),
        pytest.param(400, "content_filter", "content_filter", id="refused for its content"),
    ],
)
def test_failures_fall_into_classes(status: int, code: str, result: str):
    assert result_of(status, code) == result


def test_a_successor_goes_on_counting(tmp_path: Path):
    meters = Meters()
    for number in range(3):
        meters.ended("openai", "chat", 200, False, 0.02, 10)
        meters.attempt(7, "ok")
        meters.settled(make_record(f"r{number}"))
    (tmp_path / "edge-0.json").write_bytes(msgspec.json.encode(meters.figures({"inflight": 3}, 1)))
    successor = Meters(_read(tmp_path / "edge-0.json"))
    successor.ended("openai", "chat", 200, False, 400.0, -1)
    figures = successor.figures({}, 2)
    found = figures.histograms["request_seconds"]["openai\tchat\t2xx\tfalse"]
    assert (found.counts[2], found.counts[-1], sum(found.counts)) == (3, 1, 4)
    assert figures.counters["tokens_total"] == {"prompt": 3000, "completion": 1500}
    assert figures.counters["quota_charged_total"] == {"settle": 675}


class Answering:
    """A Redis that is there."""

    async def execute(self, *_: Any) -> bytes:
        return b"PONG"


async def test_the_file_follows_what_is_counted_and_rests_while_nothing_is(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("edge.exposition.PUBLISH_S", 0.02)
    pipe: Any = Answering()
    exposition = Exposition(tmp_path, "edge-0", pipe, lambda: {"inflight": 0, "snapshot_age_seconds": time.monotonic()})
    file = tmp_path / "edge-0.json"

    async def attempts() -> dict[str, float] | None:
        found = _read(file)
        return found.counters["attempts_total"] if found is not None else None

    async def written_after(moment_ns: int) -> bool:
        return file.stat().st_mtime_ns > moment_ns

    running = asyncio.create_task(exposition.run())
    await asyncio.sleep(0.2)
    assert await attempts() == {}
    written_ns = file.stat().st_mtime_ns
    await asyncio.sleep(0.2)
    assert not await written_after(written_ns)
    exposition.meters.attempt(7, "ok")
    await until(attempts, "what was counted is in the file")
    monkeypatch.setattr("edge.exposition.STILL_S", 0.1)
    written_ns = file.stat().st_mtime_ns
    await until(lambda: written_after(written_ns), "the file is written now and then")
    running.cancel()


def test_thousands_of_channels_become_the_busiest_and_the_rest():
    values = {f"{channel}\tok": float(channel) for channel in range(3000)}
    merged = _busiest(values)
    assert len(merged) == CHANNELS_TOP + 1
    assert sum(merged.values()) == sum(values.values())
    assert "other\tok" in merged and "2999\tok" in merged


def test_the_page_about_metrics_names_all_of_them_with_their_labels():
    families = [*_own([]), *_living([], 0), *_channel_gauges([], []), *_workers(Told()), _notices({})]
    told = {
        family.name + ("_total" if family.type == "counter" else ""): frozenset(family._labelnames)
        for family in families
    }
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    rows = re.findall(r"^\| (`medusa_.*) \|(.*)\|$", page, re.MULTILINE)
    written = {
        name: frozenset(label.strip() for label in labels.split(",") if label.strip())
        for names, labels in rows
        for name in re.findall(r"`(medusa_[a-z_]+)`", names)
    }
    assert written == told


async def scrape(address: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{address}/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.timeout(120)
async def test_two_processes_on_one_port_answer_with_the_sum(tmp_path: Path):
    async with open_system(tmp_path, environ={"EDGE_WORKERS": "2", "METRICS_TOKEN": "m" * 20}) as system:
        await system.seed()
        system.add_edge()
        system.add_worker()
        await system.ready()
        for _ in range(10):  # new connections, so that both processes get some
            async with system.client() as http:
                await asyncio.gather(*(http.post("/v1/chat/completions", json={"model": "plain"}) for _ in range(4)))
                await http.post("/v1/chat/completions", json={"model": "unknown"})

        async def all_counted() -> bool:
            found = await scrape(system.address())
            calls = {labels: value for (name, labels), value in found.items() if name == "medusa_requests_total"}
            by_status = {dict(labels)["status"]: value for labels, value in calls.items()}
            settled = found.get(("medusa_settle_records_total", ()), 0)
            return by_status == {"2xx": 40.0, "5xx": 10.0} and settled == 40

        await until(all_counted, "not all calls are counted", within_s=20)
        found = await scrape(system.address())
        assert found["medusa_attempts_total", (("channel", "1"), ("result", "ok"))] == 40
        assert found["medusa_tokens_total", (("direction", "prompt"),)] == 40_000
        assert found["medusa_quota_charged_total", (("kind", "settle"),)] == 40 * 225
        assert found["medusa_channel_up", (("channel", "1"),)] == 1
        assert found["medusa_channel_breaker_state", (("channel", "1"),)] == 0
        assert found["medusa_inflight", ()] == 0
        key = (("dialect", "openai"), ("le", "+Inf"), ("route", "chat"), ("status", "2xx"), ("stream", "false"))
        assert found["medusa_request_seconds_bucket", key] == 40
        async with httpx.AsyncClient(trust_env=False, base_url=system.address()) as http:
            behind_a_proxy = {"x-forwarded-for": "192.0.2.1"}
            assert (await http.get("/metrics", headers=behind_a_proxy)).status_code == 403
            assert (await http.get("/readyz", headers=behind_a_proxy)).json() == {"ready": True}
            allowed = {**behind_a_proxy, "authorization": "Bearer " + "m" * 20}
            assert (await http.get("/metrics", headers=allowed)).status_code == 200
            assert (await http.get("/healthz")).json()["status"] == "ok"
        await administrators_see_jobs_and_nodes(system)
        for log in (*system.edges, *system.workers):
            lines = [json.loads(line) for line in log.log.read_text().splitlines() if line.startswith("{")]
            assert lines and all({"event", "time", "level"} <= line.keys() for line in lines)
            assert "kkkkkkkk" not in log.log.read_text() and "sk-up" not in log.log.read_text()
            assert not [line for line in log.log.read_text().splitlines() if "info     ]" in line], "not for terminals"


COUNTERS = re.compile(r"medusa_settle_\w+_total|medusa_task_\w+_total|medusa_job_runs_total|medusa_holds_reaped_total")


@pytest.mark.timeout(120)
async def test_counters_outlive_the_workers(tmp_path: Path):
    """One is stopped and one killed, what they told of themselves expires, a third goes on: no counter ever falls."""
    async with open_system(tmp_path) as system:
        await system.seed()
        system.add_edge()
        await system.ready()
        highest: dict[Any, float] = {}
        calls = 0
        for end in ("stopped", "killed", ""):
            worker = system.add_worker()
            async with system.client() as http:
                for _ in range(5):
                    assert (await http.post("/v1/chat/completions", json={"model": "plain"})).status_code == 200
            calls += 5

            async def all_counted(wanted: int = calls) -> bool:
                return (await scrape(system.address())).get(("medusa_settle_records_total", ())) == wanted

            if end == "stopped":

                async def booked(wanted: int = calls) -> bool:
                    return len(await system.charged()) == wanted

                await until(booked, "the calls are not booked")
                worker.terminate()  # at once: it still says what it has counted
                assert await worker.wait() == 0
            await until(all_counted, "not all calls are counted", within_s=20)
            if end == "killed":
                worker.kill()
            found = {key: value for key, value in (await scrape(system.address())).items() if COUNTERS.match(key[0])}
            fallen = {key: value for key, value in highest.items() if found.get(key, 0) < value}
            assert fallen == {}
            highest = found
            if end:
                names = [name async for name in system.redis.scan_iter(METRICS + "*")]
                await system.redis.delete(*names)  # as they expire within a minute or two


async def administrators_see_jobs_and_nodes(system) -> None:
    root = {"username": "root", "password": "", "role": 100, "status": 1, "quota": 0, "aff_code": "r"}
    async with system.engine.begin() as db:
        await db.execute(insert(User).values(id=99, access_token="a" * 32, **root))
        await db.execute(
            insert(User).values(
                id=98, access_token="b" * 32, **{**root, "username": "admin", "role": 10, "aff_code": "b"}
            )
        )
    headers = {"authorization": "a" * 32}
    async with httpx.AsyncClient(trust_env=False, base_url=system.address(), headers=headers) as http:
        for path in ("/api/jobs", "/api/nodes"):
            assert (await http.get(path, headers={"authorization": "b" * 32})).status_code == 403
        jobs = {job["name"]: job for job in (await http.get("/api/jobs")).json()["data"]}
        assert jobs["retention"]["schedule"] == "daily 03:30" and jobs["retention"]["next_at"] > time.time()
        assert jobs["reconcile"]["may_run_now"] and not jobs["notify"]["may_run_now"]
        assert jobs["retention"]["ok"] is None and jobs["retention"]["runs"] == 0
        assert not (await http.post("/api/jobs/notify/run")).json()["success"]
        assert (await http.post("/api/jobs/nothing/run")).status_code == 404
        assert (await http.post("/api/jobs/retention/run")).json()["success"]

        async def ran():
            found = {job["name"]: job for job in (await http.get("/api/jobs")).json()["data"]}["retention"]
            return found if found["ok"] else None

        run = await until(ran, "the job did not run", within_s=30)
        assert run["runs"] == 1 and "users_blanked" in run["result"] and run["node"]
        nodes = (await http.get("/api/nodes")).json()["data"]
        assert sorted(node["role"] for node in nodes) == ["edge", "edge", "worker"]
        assert all(node["version"] and time.time() - node["started_at"] < 600 for node in nodes)
        now = (await http.get("/api/health")).json()["data"]
        assert [one["window_s"] for one in now["windows"]] == [60, 300, 3600, 86_400]
    async with system.engine.connect() as db:
        audited = (await db.execute(select(AuditEntry.action, AuditEntry.subject_id, AuditEntry.actor_id))).all()
    assert ("job.run", "retention", 99) in [tuple(row) for row in audited]
