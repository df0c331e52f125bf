"""The last span of a sampled call: its record is settled in SQL. Which call is sampled, its edge has said by its record."""

from collections.abc import Callable
from typing import Any

from schema.config import Config
from schema.tracing import TRACEPARENT, close_provider, open_provider
from workers.batch import Batch

SERVICE = "medusa-worker"


class SettleTracing:
    """One per process."""

    def __init__(self, provider: Any) -> None:
        """`provider`: an opentelemetry.sdk.trace.TracerProvider."""
        from opentelemetry.trace import get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("medusa.settle")
        self._propagator = TraceContextTextMapPropagator()
        self._find: Callable[[Any], Any] = lambda context: get_current_span(context).get_span_context()

    def settled(self, batch: Batch, begun_ns: int, ended_ns: int) -> None:
        """A span for each sampled call of a batch that was committed. Times in Unix ns."""
        written: set[str] | None = None
        for part in batch.slices:
            for entry in part.entries:
                for record in entry.records:
                    parent = record.other.get(TRACEPARENT) if record.other else None
                    if not parent:
                        continue
                    if entry.mark:  # it may have been in the books already
                        written = batch.ledger_references() if written is None else written
                        if record.request_id not in written:
                            continue
                    came_ms = int(entry.position.partition(b"-")[0])  # by Redis' clock
                    facts = {
                        "medusa.request_id": record.request_id,
                        "medusa.partition": part.partition,
                        "medusa.batch_records": batch.records,
                        "medusa.waited_ms": max(0, begun_ns // 1_000_000 - came_ms),
                    }
                    self._write(str(parent), facts, begun_ns, ended_ns)

    def _write(self, parent: str, facts: dict[str, Any], begun_ns: int, ended_ns: int) -> None:
        context = self._propagator.extract({TRACEPARENT: parent})
        if not self._find(context).is_valid:
            return  # a span of its own would say nothing
        self._tracer.start_span("settle in SQL", context=context, attributes=facts, start_time=begun_ns).end(ended_ns)

    async def close(self) -> None:
        await close_provider(self._provider)


def open_settle_tracing(config: Config) -> SettleTracing | None:
    """None while no endpoint is set: then nothing looks into the records."""
    provider = open_provider(config, SERVICE)
    return None if provider is None else SettleTracing(provider)
