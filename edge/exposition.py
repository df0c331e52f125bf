"""/metrics: the counters of all edge processes of this machine, the gauges of the workers from Redis, as Prometheus text.

Each process writes its figures to a file `metrics/edge-<n>.json` in DATA_DIR, under the number of its spool file: a second after
they changed, and every five seconds while they stand still. Whoever takes over that number goes on counting from there, so a restart is no reset.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from edge.metrics import SECONDS, Figures, Histogram, Meters
from edge.spool import REFUSES
from edge.task_metrics import task_metrics
from schema.cluster_pipe import Pipe
from schema.health import NODE_S_MAX, NODES, NodeState, read_node
from schema.ledger.keys import HOLDS, JOBS, LOSSES, METRICS, NOTICES, SETTLED, TASK_COUNTS, WORKERS
from schema.ticks import next_tick, until_tick
from schema.version import VERSION, find_commit

log = structlog.get_logger(__name__)

PUBLISH_S = 1.0
STILL_S = 5.0  # while nothing is counted: to put a file in place of another costs half a ms
CHANNELS_MAX = 2_000  # more: the busiest CHANNELS_TOP by name, the rest as `other`
CHANNELS_TOP = 200
LAG_TICK_S = 0.25

_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "attempts_total": ("Attempts on channels.", ("channel", "result")),
    "tokens_total": ("Model tokens billed.", ("direction",)),
    "quota_charged_total": ("Quota charged.", ("kind",)),
    "express_calls_total": ("Calls that nothing was out of the ordinary with: carried out without a task.", ()),
    "spooled_total": ("Records written to disk because Redis was away.", ()),
    "replayed_total": ("Records sent again after Redis was away.", ()),
    "logins_total": ("Log-ins.", ("method", "result")),
    "task_callbacks_total": ("Call-backs of upstreams about tasks.", ("result",)),
    "rate_limited_total": ("Calls refused by a rate limit.", ("mark",)),
    "hedges_total": ("Second channels that were asked: won, or lost to the first.", ("result",)),
    "hedge_lost_quota_total": ("What prompts of cut attempts may have cost, in quota.", ()),
    "redis_emptied_total": ("Times that an edge found Redis emptied under its feet.", ()),
    "redis_errors_total": ("PINGs that Redis did not answer.", ()),
}
_HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "request_seconds": ("From the request's head to the end of the answer.", ("dialect", "route", "status", "stream")),
    "first_byte_seconds": ("To the first byte of the upstream.", ("dialect", "route", "status", "stream")),
    "redis_seconds": ("Round trips of a PING.", ()),
}
_GAUGES: Mapping[str, str] = {
    "inflight": "Calls that are open.",
    "stream_bytes_buffered": "Upstream bytes that wait for slow clients.",
    "spool_bytes": "Records on disk that wait for Redis.",
    "snapshot_age_seconds": "Since settings and channels were read.",
    "snapshot_version": "Version of the settings in effect.",
    "db_pool_in_use": "Database connections in use.",
    "loop_lag_seconds": "How late the event loop is, worst of the last five seconds.",
}
_MOVING = ("redis_seconds", "snapshot_age_seconds", "loop_lag_seconds")  # change while nothing happens
_MOST = frozenset({"snapshot_age_seconds", "loop_lag_seconds"})  # of several processes the worst counts, not the sum
_WORKER_COUNTERS: Mapping[str, str] = {
    "settle_records_total": "Usage records applied.",
    "settle_duplicates_total": "Usage records that were in the books already.",
    "settle_batches_total": "Transactions of settlement.",
    "settle_batch_seconds_total": "Time spent in them.",
    "settle_failures_total": "Transactions that failed and were repeated.",
}


Pairs = dict[str, str]  # a hash of Redis


class Told(Struct, frozen=True):
    """What workers tell in Redis. `nodes` expire with their workers, so gauges come from there and counters do not."""

    nodes: list[Pairs] = []
    holds: Pairs = {}
    losses: Pairs = {}
    settled: Pairs = {}
    tasks: Pairs = {}
    jobs: Pairs = {}
    runs: Pairs = {}


class Lag:
    """How late the event loop runs its timers."""

    def __init__(self) -> None:
        self._worst: list[float] = [0.0] * 20  # five seconds
        self._at = 0

    @property
    def seconds(self) -> float:
        return max(self._worst)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait_s = until_tick(LAG_TICK_S, loop.time())
            due_s = loop.time() + wait_s
            await asyncio.sleep(wait_s)
            self._at = (self._at + 1) % len(self._worst)
            self._worst[self._at] = max(0.0, loop.time() - due_s)


class Exposition:
    """One per process: publishes its own figures, answers for the whole machine."""

    def __init__(self, folder: Path, number: str, pipe: Pipe, gauges: Callable[[], dict[str, float]]) -> None:
        """`number`: the name of this process's place, unique on the machine and taken over by a successor."""
        self._folder, self._pipe, self._gauges = folder, pipe, gauges
        self._file = folder / f"{number}.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.meters = Meters(_read(self._file))
        self._written_s, self._written = 0.0, b""

    async def run(self) -> None:
        while True:
            await next_tick(PUBLISH_S)
            started_s = time.perf_counter()
            try:
                await self._pipe.execute(b"PING")
                self.meters.observe("redis_seconds", time.perf_counter() - started_s)
            except REFUSES:
                self.meters.count("redis_errors_total")
            figures = self._figures()
            if _still(figures) != self._written or time.monotonic() - self._written_s >= STILL_S:
                self._write(figures)

    def publish(self) -> None:
        """Write the file now."""
        self._write(self._figures())

    def _figures(self) -> Figures:
        return self.meters.figures(self._gauges(), os.getpid())

    def _write(self, figures: Figures) -> None:
        """A full disk costs metrics, not calls."""
        self._written_s, self._written = time.monotonic(), _still(figures)
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.json.encode(figures))
            fresh.replace(self._file)
        except OSError as error:
            log.warning("metrics_not_written", reason=error.strerror)

    async def text(self, channels: Iterable[int]) -> bytes:
        """Prometheus text. `channels`: those that are enabled."""
        self.publish()
        files = [found for path in sorted(self._folder.glob("*.json")) if (found := _read(path))]
        families = [*_own(files), *await self._shared(channels)]
        return generate_latest(_Once(families))

    async def _shared(self, channels: Iterable[int]) -> list[Metric]:
        """What all processes of the installation say together."""
        try:
            states = [read_node(data) for data in await self._pipe.execute(b"HVALS", NODES)]
            notices = _pairs(await self._pipe.execute(b"HGETALL", NOTICES))
            workers = await self._pipe.execute(b"ZCOUNT", WORKERS, int(time.time() * 1000), b"+inf")
            living = _living(states, int(workers))
            return [
                *living,
                *_channel_gauges(channels, states),
                *_workers(await self._read_redis()),
                _notices(notices),
            ]
        except REFUSES as error:
            log.warning("shared_metrics_not_read", error=type(error).__name__)
            return _channel_gauges(channels, [])

    async def _read_redis(self) -> Told:
        names, cursor = [], b"0"
        while True:
            cursor, found = await self._pipe.execute(b"SCAN", cursor, b"MATCH", METRICS + "*", b"COUNT", b"1000")
            names += found
            if cursor == b"0":
                break
        nodes = [_pairs(await self._pipe.execute(b"HGETALL", name)) for name in names]
        others = (HOLDS, LOSSES, SETTLED, TASK_COUNTS, JOBS, f"{JOBS}:runs")
        return Told(nodes, *[_pairs(await self._pipe.execute(b"HGETALL", name)) for name in others])


class _Once:
    """A registry of what was collected already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _still(figures: Figures) -> bytes:
    """What a process has done and has in hand."""
    histograms = {name: found for name, found in figures.histograms.items() if name not in _MOVING}
    gauges = {name: value for name, value in figures.gauges.items() if name not in _MOVING}
    return msgspec.json.encode((figures.counters, histograms, gauges))


def _pairs(answer: list[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(answer[::2], answer[1::2], strict=True)}


def _read(path: Path) -> Figures | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Figures)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("metrics_not_read", file=path.name, error=type(error).__name__)
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _own(files: list[Figures]) -> list[Metric]:
    families: list[Metric] = []
    for metric, (text, labels) in _COUNTERS.items():
        values: dict[str, float] = {}
        for one in files:
            for key, value in one.counters.get(metric, {}).items():
                values[key] = values.get(key, 0) + value
        if labels[:1] == ("channel",):
            values = _busiest(values)
        counter = CounterMetricFamily(f"medusa_{metric}", text, labels=labels)
        if not labels and not values:
            values = {"": 0.0}  # a first event must be seen as a rise
        for key, value in values.items():
            counter.add_metric(key.split("\t") if labels else [], value)
        families.append(counter)
    for metric, (text, labels) in _HISTOGRAMS.items():
        sums: dict[str, Histogram] = {}
        for one in files:
            for key, found in one.histograms.get(metric, {}).items():
                sums.setdefault(key, Histogram()).add(found)
        histogram = HistogramMetricFamily(f"medusa_{metric}", text, labels=labels)
        for key, found in sums.items():
            histogram.add_metric(key.split("\t") if labels else [], _buckets(found), found.total_s)
        families.append(histogram)
    requests = CounterMetricFamily(
        "medusa_requests_total", "Calls that have ended.", labels=_HISTOGRAMS["request_seconds"][1]
    )
    for key, calls in _sum_requests(files).items():
        requests.add_metric(key.split("\t"), calls)
    live = [one.gauges for one in files if _alive(one.pid)]
    for metric, text in _GAUGES.items():
        figures = [one[metric] for one in live if metric in one]
        families.append(GaugeMetricFamily(f"medusa_{metric}", text, (max if metric in _MOST else sum)(figures or [0])))
    build = GaugeMetricFamily("medusa_build_info", "1; the labels say what runs.", labels=["version", "commit"])
    build.add_metric([VERSION, find_commit()], 1)
    return [requests, build, *families]


def _sum_requests(files: list[Figures]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for one in files:
        for key, found in one.histograms.get("request_seconds", {}).items():
            totals[key] = totals.get(key, 0) + sum(found.counts)
    return totals


def _buckets(found: Histogram) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them."""
    names = [*map(str, SECONDS), "+Inf"]
    return [(name, sum(found.counts[: place + 1])) for place, name in enumerate(names)]


def _busiest(values: dict[str, float]) -> dict[str, float]:
    """A bounded number of channels."""
    traffic: dict[str, float] = {}
    for key, value in values.items():
        channel = key.split("\t")[0]
        traffic[channel] = traffic.get(channel, 0) + value
    if len(traffic) <= CHANNELS_MAX:
        return values
    named = set(sorted(traffic, key=lambda channel: -traffic[channel])[:CHANNELS_TOP])
    merged: dict[str, float] = {}
    for key, value in values.items():
        channel, result = key.split("\t")
        name = f"{channel if channel in named else 'other'}\t{result}"
        merged[name] = merged.get(name, 0) + value
    return merged


def _is_fresh(node: NodeState) -> bool:
    return node.at_ms > (time.time() - NODE_S_MAX) * 1000


def _living(nodes: list[NodeState], workers: int) -> list[Metric]:
    """Processes that have told of themselves lately, wherever they run."""
    edges = sum(map(_is_fresh, nodes))
    return [
        GaugeMetricFamily("medusa_edges", "Edge processes of the installation.", edges),
        GaugeMetricFamily("medusa_workers", "Workers of the installation; 0: nothing is booked.", workers),
    ]


def _channel_gauges(channels: Iterable[int], nodes: list[NodeState]) -> list[Metric]:
    """`nodes`: of all edges; of one channel the sternest opinion of any of its models counts."""
    up = GaugeMetricFamily("medusa_channel_up", "1 for a channel that is enabled.", labels=["channel"])
    breaker = GaugeMetricFamily(
        "medusa_channel_breaker_state", "0 closed, 1 half open, 2 open: its worst model.", labels=["channel"]
    )
    worst: dict[int, int] = {}
    for node in nodes:
        for gate in node.gates if _is_fresh(node) else ():
            worst[gate.channel_id] = max(worst.get(gate.channel_id, 0), gate.state)
    for channel in sorted(channels)[:CHANNELS_MAX]:
        up.add_metric([str(channel)], 1)
        breaker.add_metric([str(channel)], worst.get(channel, 0))
    return [up, breaker]


def _notices(counts: dict[str, str]) -> Metric:
    family = CounterMetricFamily(
        "medusa_notifications_total", "Notices to people.", labels=["kind", "transport", "result"]
    )
    for key, value in counts.items():
        labels = key.split("|")
        if len(labels) == 3:
            family.add_metric(labels, float(value))
    return family


def _workers(told: Told) -> list[Metric]:
    families: list[Metric] = [
        CounterMetricFamily(f"medusa_{name}", text, float(told.settled.get(name, 0)))
        for name, text in _WORKER_COUNTERS.items()
    ]
    gauges = {
        "settle_lag_seconds": ("Age of the oldest record that waits.", _most(told.nodes, "settle_lag_seconds")),
        "ledger_drift_units": ("Quota by which the books differ; 0 is right.", _most(told.nodes, "drift_units")),
        "holds_open": ("Holds that stand.", float(told.holds.get("open", 0))),
    }
    families += [GaugeMetricFamily(f"medusa_{name}", text, value) for name, (text, value) in gauges.items()]
    reaped = CounterMetricFamily(
        "medusa_holds_reaped_total", "Holds ended because their edge had gone.", labels=["how"]
    )
    for how in ("charged", "released"):
        reaped.add_metric([how], float(told.holds.get(how, 0)))
    lost = CounterMetricFamily(
        "medusa_redis_losses_total",
        "Times that workers found Redis without its memory or its last writes.",
        sum(map(float, told.losses.values())),
    )
    return [*families, reaped, lost, *task_metrics(told.nodes, told.tasks), *_jobs(told.jobs, told.runs)]


def _jobs(jobs: dict[str, str], runs: dict[str, str]) -> list[Metric]:
    ran = CounterMetricFamily("medusa_job_runs_total", "Runs of scheduled jobs.", labels=["job", "result"])
    for key, value in runs.items():
        job, _, result = key.rpartition(":")
        ran.add_metric([job, result], float(value))
    took = GaugeMetricFamily("medusa_job_seconds", "How long the last run took.", labels=["job"])
    last = GaugeMetricFamily("medusa_job_last_success_timestamp", "When it last ended well, Unix s.", labels=["job"])
    for job, state in jobs.items():
        found: dict[str, Any] = json.loads(state)
        took.add_metric([job], found["seconds"])
        if found["ok"]:
            last.add_metric([job], found["started_ms"] / 1000 + found["seconds"])
    return [ran, took, last]


def _most(nodes: list[dict[str, str]], name: str) -> float:
    return max((float(node.get(name, 0)) for node in nodes), default=0.0)
