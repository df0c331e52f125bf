"""`make bench`: the gateway and nginx in one run, everything switched on; ratios side by side, results kept as JSON.

The gateway is a fresh `medusa up`: authentication, limits, holds, settlement, worker, Valkey and SQLite are all counted.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import msgspec
import uvloop

from bench.gateway import Gateway, run_gateway
from bench.load import Figures, run, write_request
from bench.peers import Peer, run_mock, run_nginx

RESULTS = Path(__file__).parent / "results"
SETTLE_S = 20.0  # longest wait until the books show every call


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
    Scenario("stream, 100 chunks at once", "bench-n100", True, 32, 2000, 200, 3.0),
    Scenario("1 000 streams, 20 ms a chunk", "bench-n100-d20000", True, 1000, 2000, 0, 1.8),
)
QUICK = {"plain": 1000, "stream, 100 chunks at once": 200, "1 000 streams, 20 ms a chunk": 1000}


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


def prepare(gateway: Gateway, upstream: str) -> str:
    """Root account, prices, channel and token; returns the token's key."""
    gateway.set_up()
    models = [scenario.model for scenario in SCENARIOS]
    gateway.add_price(dict.fromkeys(models, 1.0))
    gateway.add_channel(upstream, ",".join(models))
    root = gateway.api("GET", "/api/user/self")
    gateway.api("PUT", "/api/user/", {"id": root["id"], "username": "root", "quota": 10**12, "group": "default"})
    return gateway.add_token()


def count_charged(gateway: Gateway, expected: int) -> int:
    """Calls in the books; waits for the worker to catch up."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        charged = int(gateway.api("GET", "/api/user/self")["request_count"])
        if charged >= expected or time.monotonic() > deadline:
            return charged
        time.sleep(0.2)


def report(rows: list[Row], asked: int, charged: int) -> str:
    """A Markdown table: one line per scenario and system, CPU relative to nginx."""
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
    return "\n".join([*lines, "", f"Calls answered by the gateway: {asked}, in its books: {charged}."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few calls: shows that everything works, not how fast")
    quick = parser.parse_args().quick
    rows: list[Row] = []
    asked = 0
    with run_mock() as mock, run_nginx(mock.url) as nginx, run_gateway() as gateway:
        ours = Peer("medusa", gateway.port, gateway.process.pid)
        key = prepare(gateway, mock.url)
        for scenario in SCENARIOS:
            calls = QUICK[scenario.name] if quick else scenario.calls
            for peer in filter(None, (nginx, ours)):
                rows.append(measure(peer, key, scenario, calls))
                if peer is ours:
                    asked += rows[-1].figures.calls - rows[-1].figures.errors + min(scenario.warm, calls)
        charged = count_charged(gateway, asked)
    text = report(rows, asked, charged)
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    facts = {"machine": platform.platform(), "python": platform.python_version(), "charged": charged, "answered": asked}
    (RESULTS / f"{stamp}.json").write_text(json.dumps({**facts, "rows": msgspec.to_builtins(rows)}, indent=1))
    (RESULTS / f"{stamp}.md").write_text(text + "\n")
    print(text)
    return 0 if charged == asked else 1


if __name__ == "__main__":
    raise SystemExit(main())
