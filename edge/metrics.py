"""What a process counts while it serves: plain dicts, because a call may not pay more than a microsecond for being counted.

Labels come from fixed sets (dialects, modes, status classes, channels), never from users, tokens or keys. The counters of
all processes of a machine are summed when somebody asks (`edge.exposition`).
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import msgspec

from schema.dialects import neutral
from schema.usage import UsageRecord

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # bounds of buckets
_OVER = len(SECONDS)
KINDS_MAX = 10_000  # counted combinations; the labels are bounded, this is the second lock
Labels = tuple[str, ...]


class Histogram(msgspec.Struct, array_like=True):
    """Counts by upper bound in SECONDS, the last one beyond; not cumulative."""

    total_s: float = 0.0
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (_OVER + 1))

    def observe(self, seconds: float) -> None:
        self.total_s += seconds
        self.counts[bisect_left(SECONDS, seconds)] += 1

    def add(self, other: "Histogram") -> None:
        self.total_s += other.total_s
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]


class Figures(msgspec.Struct):
    """All of one process, as its file has them. Keys are label values joined by a tab, so that JSON can hold them."""

    counters: dict[str, dict[str, float]] = {}  # metric -> labels -> value
    histograms: dict[str, dict[str, Histogram]] = {}
    gauges: dict[str, float] = {}
    pid: int = 0


def result_of(status: int, code: str) -> str:
    """The class of a failed attempt, from the upstream's status (0: none came) and its error code."""
    if code in ("content_filter", "content_policy_violation"):
        return "content_filter"
    if status == 0:
        return "connect"
    if status in (401, 403):
        return "auth"
    if status == 402 or code == "insufficient_quota":
        return "quota"
    if status == 429:
        return "rate_limit"
    if status == 404:
        return "model_missing"
    if status in (408, 504, 524):
        return "timeout"
    if status >= 500:
        return "5xx"
    return "bad_response" if status < 400 else "other"


class Meters:
    """One per process; nothing here waits or locks."""

    def __init__(self, figures: Figures | None = None) -> None:
        """`figures`: of the process whose place this one takes; its counters go on."""
        old = figures or Figures()
        self.express = old.counters.get("express_calls_total", {}).get("", 0)  # calls carried out without a task
        self.on_settled: Callable[[UsageRecord, int, int], None] | None = None  # record, prompt and completion tokens
        self._counters = {
            name: {tuple(key.split("\t")) if key else (): value for key, value in values.items()}
            for name, values in old.counters.items()
        }
        self._histograms = {
            name: {tuple(key.split("\t")) if key else (): value for key, value in values.items()}
            for name, values in old.histograms.items()
        }
        self._attempts = self._counters.setdefault("attempts_total", {})
        self._tokens = self._counters.setdefault("tokens_total", {})
        self._quota = self._counters.setdefault("quota_charged_total", {})
        self._requests = self._histograms.setdefault("request_seconds", {})
        self._first_bytes = self._histograms.setdefault("first_byte_seconds", {})

    def ended(self, dialect: str, mode: str, status: int, stream: bool, seconds: float, first_byte_ms: int) -> None:
        """A call is over, whoever answered it."""
        key = (dialect, mode, _CLASSES[status // 100], "true" if stream else "false")
        whole = self._requests.get(key) or _new(self._requests, key)
        whole.total_s += seconds
        whole.counts[bisect_left(SECONDS, seconds)] += 1
        if first_byte_ms >= 0:
            first, first_s = self._first_bytes.get(key) or _new(self._first_bytes, key), first_byte_ms / 1000
            first.total_s += first_s
            first.counts[bisect_left(SECONDS, first_s)] += 1

    def attempt(self, channel: int, result: str) -> None:
        key = (str(channel), result)
        value = self._attempts.get(key)
        if value is None:
            self.count("attempts_total", *key)
        else:
            self._attempts[key] = value + 1

    def failed(self, channel: int, status: int, error: neutral.UpstreamError, *, gone: bool) -> None:
        self.attempt(channel, "client_gone" if gone else result_of(status, error.code))

    def settled(self, record: UsageRecord) -> None:
        """Model tokens and money of one call."""
        tokens, usage = self._tokens, record.usage
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if self.on_settled is not None:
            self.on_settled(record, prompt, completion)
        tokens[_PROMPT] = tokens.get(_PROMPT, 0) + prompt
        tokens[_COMPLETION] = tokens.get(_COMPLETION, 0) + completion
        if usage.input_cached:
            tokens[_CACHED] = tokens.get(_CACHED, 0) + usage.input_cached
        key = (record.kind,)
        self._quota[key] = self._quota.get(key, 0) + record.quota

    def count(self, metric: str, *labels: str, by: float = 1) -> None:
        """Add to any counter; the label values must come from a fixed set."""
        values = self._counters.get(metric)
        if values is None:
            values = self._counters[metric] = {}
        value = values.get(labels)
        if value is None and len(values) >= KINDS_MAX:
            return
        values[labels] = (value or 0) + by

    def observe(self, metric: str, seconds: float, *labels: str) -> None:
        """Add to any histogram; as `count`."""
        values = self._histograms.setdefault(metric, {})
        (values.get(labels) or _new(values, labels)).observe(seconds)

    def figures(self, gauges: dict[str, float], pid: int) -> Figures:
        self._counters["express_calls_total"] = {(): self.express}
        return Figures(
            {name: {"\t".join(key): value for key, value in values.items()} for name, values in self._counters.items()},
            {
                name: {"\t".join(key): value for key, value in values.items()}
                for name, values in self._histograms.items()
            },
            gauges,
            pid,
        )


_CLASSES = ("none", *(f"{digit}xx" for digit in range(1, 10)))  # by the status' first digit; 0: none was sent
_PROMPT, _COMPLETION, _CACHED = ("prompt",), ("completion",), ("cached",)


def _new(histograms: dict[Any, Histogram], key: Labels) -> Histogram:
    found = histograms[key] = Histogram()
    return found
