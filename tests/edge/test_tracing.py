"""The trace of a call as a collector gets it: admit, choose, hold, attempts, first byte, settle, and the worker's settling in
SQL; nothing of keys or prompts."""

import asyncio
import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import select

from edge.tracing import open_tracing
from schema.config import read_config
from schema.tables import Log
from tests.system import open_system, until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self):
        self.spans, self.raw = [], b""

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.raw += body
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        self.spans += scope.spans
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def test_a_traced_call(tmp_path):
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    async with open_system(tmp_path, environ=environ) as system:
        await system.seed()
        system.add_edge()
        system.add_worker()
        await system.ready()
        body = {"model": "plain", "messages": [{"role": "user", "content": "a secret prompt"}]}
        async with system.client(headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}) as http:
            answer = await http.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text

        async def arrived():
            return {"call", "settle in SQL"} <= {span.name for span in collector.spans}

        await until(arrived, "no trace came", within_s=30)
        async with system.engine.connect() as db:
            (other,) = (await db.execute(select(Log.other).where(Log.type == 2))).scalars()
    server.close()
    by_name = {span.name: span for span in collector.spans}
    assert set(by_name) == {"call", "admit", "choose", "hold", "attempt", "settle", "settle in SQL"}
    root = by_name["call"]
    assert root.trace_id.hex() == TRACE and root.parent_span_id.hex() == PARENT
    assert all(span.parent_span_id == root.span_id for name, span in by_name.items() if name != "call")
    facts = {one.key: one.value.string_value or one.value.int_value for one in root.attributes}
    assert facts["medusa.request_id"] == answer.headers["x-request-id"] and facts["http.response.status_code"] == 200
    booked = by_name["settle in SQL"]
    facts = {one.key: one.value.string_value or one.value.int_value for one in booked.attributes}
    assert (facts["medusa.request_id"], facts["medusa.batch_records"]) == (answer.headers["x-request-id"], 1)
    assert by_name["settle"].start_time_unix_nano <= booked.end_time_unix_nano
    assert json.loads(other)["traceparent"] == f"00-{TRACE}-{root.span_id.hex()}-01", "the log row names the trace"
    attempt = by_name["attempt"]
    assert [event.name for event in attempt.events] == ["first byte"]
    assert attempt.start_time_unix_nano <= by_name["settle"].end_time_unix_nano <= root.end_time_unix_nano
    assert b"secret prompt" not in collector.raw and b"kkkkkkkk" not in collector.raw


async def test_a_call_that_is_not_sampled_leaves_no_trace(tmp_path):
    """The collector is there, the dice say no: neither edge nor worker sends a span, and the record is as ever."""
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "OTEL_TRACES_SAMPLER_ARG": "0.000001",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    async with open_system(tmp_path, environ=environ) as system:
        await system.seed()
        edge, worker = system.add_edge(), system.add_worker()
        await system.ready()
        async with system.client(headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}) as http:
            answer = await http.post("/v1/chat/completions", json={"model": "plain", "messages": []})
            assert answer.status_code == 200, answer.text
        await system.check_books({answer.headers["x-request-id"]})
        async with system.engine.connect() as db:
            (other,) = (await db.execute(select(Log.other).where(Log.type == 2))).scalars()
        for process in (edge, worker):  # which send what they have before they end
            process.terminate()
            await process.wait()
    server.close()
    assert collector.spans == [] and "traceparent" not in json.loads(other)


def test_off_unless_somebody_wants_it():
    assert open_tracing(read_config({"SESSION_SECRET": "s" * 32})) is None
    off = {"SESSION_SECRET": "s" * 32, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_SAMPLER_ARG": "0"}
    assert open_tracing(read_config(off)) is None
