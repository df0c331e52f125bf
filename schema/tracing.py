"""Where spans go, for edges and workers alike: nowhere unless OTEL_EXPORTER_OTLP_ENDPOINT is set.

A sampled call carries its place in the trace with its usage record, as the member TRACEPARENT of `other`: other calls' records are
as long as ever, and the log row names the trace.
"""

import asyncio
from typing import Any

import structlog

from schema.config import Config

log = structlog.get_logger(__name__)

TRACEPARENT = "traceparent"  # the W3C's name and form
CLOSE_S = 5.0  # spans that were not sent by then are dropped


def open_provider(config: Config, service: str) -> Any | None:
    """An opentelemetry.sdk.trace.TracerProvider, whose exporter sends in a thread of its own; None while nothing is traced."""
    if not config.otel_endpoint or config.otel_sample_ratio <= 0:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    endpoint = config.otel_endpoint.rstrip("/")
    address = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint}/v1/traces"
    provider = TracerProvider(resource=Resource.create({"service.name": service, "host.name": config.node_name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    return provider


async def close_provider(provider: Any) -> None:
    """Send what waits."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await asyncio.to_thread(provider.shutdown)
    except TimeoutError:
        log.warning("traces_not_sent")
