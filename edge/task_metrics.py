"""The figures of asynchronous tasks as Prometheus metrics; a worker writes them, see workers.task_figures."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_RETURNS = {"refunds": "refund", "releases": "release"}


def task_metrics(nodes: Iterable[Mapping[str, str]], counts: Mapping[str, str]) -> list[Metric]:
    """`nodes`: the hashes that workers publish; one of them is about tasks. `counts`: since the beginning."""
    figures = next((node for node in nodes if "poll_lag_ms" in node), {})
    opened = GaugeMetricFamily("medusa_tasks_open", "Tasks that have not ended.", labels=["platform", "status"])
    returned = CounterMetricFamily("medusa_task_returns_total", "Tasks whose money went back.", labels=["kind"])
    quota = CounterMetricFamily("medusa_task_returned_quota_total", "Quota that went back.", labels=["kind"])
    errors = CounterMetricFamily("medusa_task_poll_errors_total", "Polls without an answer.", labels=["error"])
    late = CounterMetricFamily("medusa_task_late_successes_total", "Successes of tasks that had expired.")
    late.add_metric([], float(counts.get("late_successes", 0)))
    foreign = CounterMetricFamily("medusa_task_foreign_ids_total", "Ids in answers that nobody had asked for.")
    foreign.add_metric([], float(counts.get("foreign_ids", 0)))
    for name, value in figures.items():
        group, _, rest = name.partition(":")
        if group == "open":
            opened.add_metric(rest.split(":", 1), float(value))
    for name, value in counts.items():
        if name.startswith("poll_errors:"):
            errors.add_metric([name.partition(":")[2]], float(value))
        elif name in _RETURNS:
            returned.add_metric([_RETURNS[name]], float(value))
        elif name.endswith("_quota"):
            quota.add_metric([name.removesuffix("_quota")], float(value))
    gauges = [
        GaugeMetricFamily("medusa_task_oldest_open_seconds", "Age of the oldest task that has not ended.",
                          float(figures.get("oldest_open_ms", 0)) / 1000),
        GaugeMetricFamily("medusa_task_poll_lag_seconds", "How late the latest look at a task is.",
                          float(figures.get("poll_lag_ms", 0)) / 1000),
    ]  # fmt: skip
    return [opened, returned, quota, errors, late, foreign, *gauges]
