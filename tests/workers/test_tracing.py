"""Spans of settlement: one for each sampled call that was written, none for the others or for what was there before."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from schema.config import read_config
from schema.tracing import TRACEPARENT
from tests.schema.ledger.books import Books, make_record
from tests.workers.settling import make_settler, settle_all
from workers.tracing import SettleTracing, open_settle_tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def traced(request_id: str, parent: str = f"00-{TRACE}-{SPAN}-01", **more):
    return make_record(request_id, other={TRACEPARENT: parent}, **more)


@pytest.fixture
def collected():
    """(what settled() was told ends here, the spans)."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return SettleTracing(provider), spans


async def test_a_span_for_each_sampled_call(books: Books, collected):
    tracing, spans = collected
    await books.add_user(1, 10_000)
    for record in (
        make_record("plain"),
        traced("sampled"),
        traced("failed", error_code="x", quota=0),
        traced("odd", "-"),
    ):
        await books.hot.load(1)
        await books.hot.reserve(request_id=record.request_id, user_id=1, token_id=None, amount=300, deadline_ms=10**14)
        await books.hot.settle(record)
    assert await settle_all(make_settler(books, traced=tracing.settled)) == 4
    found = {span.attributes["medusa.request_id"]: span for span in spans.get_finished_spans()}
    assert set(found) == {"sampled", "failed"}, "what names no trace gets no span"
    span = found["sampled"]
    assert span.name == "settle in SQL" and span.start_time <= span.end_time
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.attributes["medusa.partition"] == 1 and span.attributes["medusa.batch_records"] == 4


async def test_a_record_that_comes_again_has_no_second_span(books: Books, collected):
    tracing, spans = collected
    await books.add_user(1, 10_000)
    settler = make_settler(books, traced=tracing.settled)
    await books.hot.settle(traced("a"))
    assert await settle_all(settler) == 1
    await books.hot.replay([traced("a")])
    assert await settle_all(settler) == 0
    assert len(spans.get_finished_spans()) == 1


def test_off_unless_somebody_wants_it():
    assert open_settle_tracing(read_config({"SESSION_SECRET": "s" * 32})) is None
