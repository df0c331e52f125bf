"""`make bench`: the gateway and nginx in one run, everything switched on; ratios side by side, results kept as JSON.

The gateway is a fresh `medusa up`: authentication, limits, holds, settlement, worker, Valkey and SQLite are all counted.
Besides the loads: memory of idle streams, growth of memory over a long run, settlement alone into SQLite and PostgreSQL,
charges lost after kill -9. LiteLLM is measured as well with `--litellm` (it is installed first, some minutes).
"""

import argparse
import asyncio
import json
import platform
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
import uvloop

from bench import crash, picture, settlement
from bench.books import count_charged, seed
from bench.gateway import run_gateway
from bench.load import Figures, run, write_request
from bench.peers import Peer, run_litellm, run_mock, run_nginx
from bench.procs import memory_bytes
from tests.services import DISK, new_postgres, run_postgres, run_valkey

RESULTS = Path(__file__).parent / "results"
IDLE_STREAMS = 1000
IDLE_MODEL = "bench-n6-d1500000"  # an event every 1.5 s: almost always silent
LITELLM_CALLS = 400  # it takes some ten milliseconds of CPU a call
SLOPE_PARTS = 4  # memory is read after each
SLOPE_WARM_S = 8.0  # of calls before: what an edge remembers of the last five seconds has then reached its level


class Scenario(msgspec.Struct, frozen=True):
    """One load. `limit`: the most CPU relative to nginx that we allow ourselves."""

    name: str
    model: str
    stream: bool
    at_once: int
    calls: int
    warm: int
    limit: float


SCENARIOS = (
    Scenario("plain", "bench", False, 32, 6000, 500, 6.0),
    Scenario("plain, 16 at once", "bench", False, 16, 4000, 200, 6.0),
    Scenario("stream, 100 chunks at once", "bench-n100", True, 32, 2000, 200, 3.0),
    Scenario("1 000 streams, 20 ms a chunk", "bench-n100-d20000", True, 1000, 2000, 0, 1.8),
)
QUICK = {
    "plain": 1000,
    "plain, 16 at once": 500,
    "stream, 100 chunks at once": 200,
    "1 000 streams, 20 ms a chunk": 1000,
}


class Row(msgspec.Struct):
    """One scenario on one system."""

    scenario: str
    system: str
    figures: Figures


def measure(peer: Peer, key: str, scenario: Scenario, calls: int) -> Row:
    url = f"{peer.url}/v1/chat/completions"
    request = write_request(url, key, scenario.model, stream=scenario.stream)
    expect_end = b"[DONE]" if scenario.stream else b""
    figures, _ = uvloop.run(
        run(
            url, request, at_once=scenario.at_once, calls=calls, expect_end=expect_end, warm=min(scenario.warm, calls),
            root_pid=peer.pid,
        )
    )  # fmt: skip
    return Row(scenario.name, peer.name, figures)


class Others(msgspec.Struct):
    """What is measured besides the loads."""

    idle_kib_per_stream: float = -1
    slope_kib_per_1000_calls: float = -1
    settle_per_s: float = -1  # into SQLite, by one worker, no calls meanwhile
    settle_cpu_us: float = -1
    settle_postgres_per_s: float = -1  # -1: not installed
    settle_postgres_cpu_us: float = -1
    killed_answered: int = -1
    killed_lost: int = -1


def measure_idle(peer: Peer, key: str) -> float:
    """KiB that each of many open, silent streams costs in all processes of the gateway.

    One stream goes before: the first that is older than a second loads the token encoder, once a process.
    """
    measure(peer, key, Scenario("one idle stream", IDLE_MODEL, True, 1, 1, 0, 0.0), 1)
    before = memory_bytes(peer.pid)
    idle = Scenario("idle streams", IDLE_MODEL, True, IDLE_STREAMS, IDLE_STREAMS, 0, 0.0)
    peak = measure(peer, key, idle, IDLE_STREAMS).figures.memory_bytes
    return (peak - before) / IDLE_STREAMS / 1024


def measure_slope(peer: Peer, key: str, calls: int) -> tuple[float, int]:
    """KiB by which the memory of edges and worker grows per 1 000 plain calls, once warm; and how many calls were made."""
    plain = Scenario("slope", "bench", False, 32, calls, 0, 0.0)
    sizes: list[int] = []
    made, warm_at = 0, time.monotonic() + SLOPE_WARM_S
    while len(sizes) <= SLOPE_PARTS:
        measure(peer, key, plain, calls)
        made += calls
        if time.monotonic() > warm_at:
            sizes.append(memory_bytes(peer.pid, store=False))
    return (sizes[-1] - sizes[0]) / 1024 / (SLOPE_PARTS * calls / 1000), made


def report(rows: list[Row], asked: int, charged: int, others: Others) -> str:
    """Markdown: one line per scenario and system, CPU relative to nginx; then the other figures."""
    floor = {row.scenario: row.figures.cpu_us for row in rows if row.system == "nginx"}
    lines = [
        "| scenario | system | calls/s | p50 ms | p99 ms | first byte p50 ms | CPU µs/call | × nginx | memory MiB | errors |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        one = row.figures
        ratio = f"{one.cpu_us / floor[row.scenario]:.1f}" if floor.get(row.scenario) else "–"
        lines.append(
            f"| {row.scenario} | {row.system} | {one.calls_per_s:.0f} | {one.p50_ms:.1f} | {one.p99_ms:.1f} |"
            f" {one.first_byte_p50_ms:.1f} | {one.cpu_us:.0f} | {ratio} | {one.memory_bytes / 2**20:.0f} | {one.errors} |"
        )
    if not floor:
        lines.append("\nnginx is not installed here: no ratios.")
    if not any(row.system == "LiteLLM" for row in rows):
        lines.append("\nLiteLLM was not measured; `python -m bench --litellm` does.")
    added = _added_ms(rows)
    if added is not None:
        lines.append(f"\nAdded by the gateway at 16 at once: {added:.1f} ms at the median.")
    lines += [
        "",
        f"Calls answered by the gateway: {asked}, in its books: {charged}.",
        f"Memory of an idle stream: {others.idle_kib_per_stream:.0f} KiB ({IDLE_STREAMS} open, all processes counted).",
        f"Growth of memory of edges and worker: {others.slope_kib_per_1000_calls:.1f} KiB per 1 000 calls.",
        f"Settlement alone: {others.settle_per_s:,.0f} records/s into SQLite, {others.settle_cpu_us:.0f} µs CPU each.",
        f"Settlement alone: {others.settle_postgres_per_s:,.0f} records/s into PostgreSQL (fsync off), "
        f"{others.settle_postgres_cpu_us:.0f} µs CPU each in the worker."
        if others.settle_postgres_per_s > 0
        else "PostgreSQL is not installed here: settlement into it was not measured.",
        f"kill -9 of everything under load: {others.killed_answered} calls answered, {others.killed_lost} charges lost.",
    ]
    return "\n".join(lines)


def _added_ms(rows: list[Row]) -> float | None:
    found = {row.system: row.figures.p50_ms for row in rows if row.scenario == "plain, 16 at once"}
    return found["medusa"] - found["nginx"] if "nginx" in found and "medusa" in found else None


def measure_settlement(records: int, others: Others) -> None:
    with run_valkey() as valkey, tempfile.TemporaryDirectory() as name:
        speed, *_ = asyncio.run(settlement.measure(valkey, "", Path(name), records, 200))
        others.settle_per_s, others.settle_cpu_us = speed.per_s, speed.cpu_us
        try:
            with run_postgres(DISK) as server:
                dsn = new_postgres(server, "bench")
                speed, *_ = asyncio.run(settlement.measure(valkey, dsn, Path(name), records, 200))
                others.settle_postgres_per_s, others.settle_postgres_cpu_us = speed.per_s, speed.cpu_us
        except pytest.skip.Exception:  # tests/services.py speaks to pytest
            print("PostgreSQL is not installed here.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few calls: shows that everything works, not how fast")
    parser.add_argument("--litellm", action="store_true", help="measure LiteLLM too; installs it on first use")
    wish = parser.parse_args()
    quick = wish.quick
    rows: list[Row] = []
    asked, others = 0, Others()
    with run_mock() as mock, run_nginx(mock.url) as nginx, run_gateway() as gateway:
        ours = Peer("medusa", gateway.port, gateway.process.pid)
        key = seed(gateway, mock.url, [*dict.fromkeys(one.model for one in SCENARIOS), IDLE_MODEL])
        asked += 1  # the call that proved the channel
        others.idle_kib_per_stream = measure_idle(ours, key)  # first: later nobody could tell whose memory it is
        for scenario in SCENARIOS:
            calls = QUICK[scenario.name] if quick else scenario.calls
            for peer in filter(None, (nginx, ours)):
                rows.append(measure(peer, key, scenario, calls))
                if peer is ours:
                    asked += rows[-1].figures.calls - rows[-1].figures.errors + min(scenario.warm, calls)
        if wish.litellm:
            with run_litellm(mock.url, list(dict.fromkeys(one.model for one in SCENARIOS)), key) as litellm:
                for scenario in SCENARIOS[:3] if litellm is not None else ():
                    rows.append(measure(litellm, key, scenario, min(QUICK[scenario.name], LITELLM_CALLS)))
        slope_calls = 500 if quick else 5000
        others.slope_kib_per_1000_calls, made = measure_slope(ours, key, slope_calls)
        asked += 1 + IDLE_STREAMS + made
        charged = count_charged(gateway, asked)
    with run_mock() as mock, tempfile.TemporaryDirectory(prefix="medusa-crash-", ignore_cleanup_errors=True) as name:
        losses = crash.measure(Path(name), mock.url)
        others.killed_answered, others.killed_lost = losses.answered, losses.lost
    measure_settlement(5000 if quick else 50_000, others)
    text = report(rows, asked, charged, others)
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    facts = {"machine": platform.platform(), "python": platform.python_version(), "charged": charged, "answered": asked}
    more = {"others": msgspec.to_builtins(others), "limits": {one.name: one.limit for one in SCENARIOS}}
    result = {**facts, **more, "rows": msgspec.to_builtins(rows)}
    (RESULTS / f"{stamp}.json").write_text(json.dumps(result, indent=1))
    picture.draw(result, RESULTS / f"{stamp}.svg")
    (RESULTS / f"{stamp}.md").write_text(text + "\n")
    print(text)
    return 0 if charged == asked and others.killed_lost == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
