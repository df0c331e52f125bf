"""OpenTelemetry traces of calls: off unless OTEL_EXPORTER_OTLP_ENDPOINT is set, and then only for a sample of calls.

A call that is not sampled pays one comparison. A sampled one is carried out by a subclass of the live call whose steps are
timed, and whose usage record tells the worker of the trace; nothing of prompts, keys or answers goes into a span. A client's
`traceparent` is continued.
"""

import functools
import random
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from schema.config import Config
from schema.tracing import TRACEPARENT, close_provider, open_provider
from schema.usage import UsageRecord

SERVICE = "medusa-edge"


class Tracing:
    """One per process."""

    def __init__(self, provider: Any, ratio: float, dice: Callable[[], float] = random.random) -> None:
        """`provider`: an opentelemetry.sdk.trace.TracerProvider."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider, self._ratio, self._dice = provider, ratio, dice
        self.tracer = provider.get_tracer("medusa.relay")
        self.propagator = TraceContextTextMapPropagator()
        self._classes: dict[type, type] = {}

    def kind_of(self, base: type) -> type:
        """The class that carries out the next call: `base` itself, or for a sampled call its timed subclass."""
        if self._dice() >= self._ratio:
            return base
        found = self._classes.get(base)
        if found is None:
            found = self._classes[base] = make_timed(base, self)
        return found

    async def close(self) -> None:
        await close_provider(self._provider)


def open_tracing(config: Config) -> Tracing | None:
    """None while no endpoint is set."""
    provider = open_provider(config, SERVICE)
    return None if provider is None else Tracing(provider, config.otel_sample_ratio)


def make_timed(base: Any, tracing: Tracing) -> type:
    """A subclass of the live call: root span `call` with admit, choose, hold, attempt, settle below it."""
    from opentelemetry import trace

    tracer = tracing.tracer

    class TimedCall(base):  # type: ignore[misc]  # the class is handed in
        """One sampled call."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            carrier = {name.decode(): self.headers[name].decode("latin-1") for name in _CONTEXT if name in self.headers}
            parent = tracing.propagator.extract(carrier)
            facts = {"medusa.request_id": self.request_id, "medusa.dialect": self.dialect, "medusa.mode": self.mode}
            self._root = tracer.start_span("call", context=parent, kind=trace.SpanKind.SERVER, attributes=facts)
            self._below = trace.set_span_in_context(self._root)
            self._admit: Any = tracer.start_span("admit", context=self._below)
            self._attempts = 0
            told: dict[str, str] = {}
            if self._root.is_recording():  # a client may have asked not to be traced
                tracing.propagator.inject(told, self._below)
            self._traceparent = told.get(TRACEPARENT, "")

        def _span(self, name: str, **facts: Any) -> Any:
            return tracer.start_as_current_span(name, context=self._below, attributes=facts, record_exception=False)

        def choose(self, *arguments: Any) -> Any:
            if self._admit is not None:
                self._admit.end()
                self._admit = None
            with self._span("choose") as span:
                found = super().choose(*arguments)
                span.set_attribute("medusa.channel", found.id if found is not None else 0)
                return found

        async def hold(self, *arguments: Any) -> None:
            with self._span("hold"):
                await super().hold(*arguments)

        async def attempt(self, *arguments: Any) -> None:
            self._attempts += 1
            before = self.first_byte_ms
            facts = {"medusa.channel": self.channel.id, "medusa.attempt": self._attempts}
            with self._span("attempt", **facts) as span:
                try:
                    await super().attempt(*arguments)
                except Exception as error:
                    failure = getattr(error, "failure", None)
                    span.set_attribute("medusa.upstream_status", failure.status if failure is not None else 0)
                    span.set_status(trace.StatusCode.ERROR, type(error).__name__)
                    raise
                finally:
                    if self.first_byte_ms != before:
                        at_ns = (self.started_ms + self.first_byte_ms) * 1_000_000
                        span.add_event("first byte", timestamp=at_ns)

        def record(self, *arguments: Any, **more: Any) -> UsageRecord:
            record: UsageRecord = super().record(*arguments, **more)
            if not self._traceparent:
                return record
            return replace(record, other={**record.other, TRACEPARENT: self._traceparent})

        async def settle(self, *arguments: Any, **more: Any) -> None:
            with self._span("settle"):
                await super().settle(*arguments, **more)

        async def finish(self) -> None:
            try:
                await super().finish()
            finally:
                if self._admit is not None:
                    self._admit.end()
                wanted = getattr(self, "wanted", None)
                self._root.set_attribute("http.response.status_code", self.status)
                self._root.set_attribute("medusa.model", wanted.model if wanted is not None else "")
                self._root.set_attribute("medusa.stream", self.stream)
                self._root.set_attribute("medusa.attempts", self._attempts)
                if self.status >= 500 or self.status == 0:
                    self._root.set_status(trace.StatusCode.ERROR)
                self._root.end(end_time=time.time_ns())

    functools.update_wrapper(TimedCall, base, updated=())
    return TimedCall


_CONTEXT = (b"traceparent", b"tracestate")
