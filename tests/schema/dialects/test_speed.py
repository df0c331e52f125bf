"""A coarse guard on what translating costs; the exact figure is measured with the whole gateway around it."""

import time

import pytest

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage

NAMES = ["openai", "claude", "gemini", "responses"]
CHUNK_US_MAX = 60  # on a busy machine; 6 to 10 measured on a quiet one


def upstream_stream(name: str) -> list[bytes]:
    writer = get_dialect(name).event_writer(StreamContext("req-1", "m", 1))
    texts = [neutral.TextDelta(f"word{i} ") for i in range(100)]
    usage = neutral.UsageEvent(TokenUsage(input_text=5, output_text=100))
    events = [neutral.Start("id", "model", 1), *texts, neutral.Finished("stop"), usage]
    return [chunk for event in events if (chunk := writer.write(event))] + [writer.close()]


def translate(provider: str, client: str, chunks: list[bytes]) -> None:
    reader, writer = (
        get_dialect(provider).event_reader(),
        get_dialect(client).event_writer(StreamContext("req-1", "m", 1)),
    )
    for chunk in chunks:
        b"".join([writer.write(event) for event in reader.feed(chunk)])
    writer.close()


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("client", NAMES)
def test_a_translated_chunk_costs_microseconds(provider, client):
    chunks, costs = upstream_stream(provider), []
    for _ in range(7):
        begun = time.process_time()
        for _ in range(5):
            translate(provider, client, chunks)
        costs.append((time.process_time() - begun) / 5 / len(chunks) * 1e6)
    assert min(costs) < CHUNK_US_MAX, costs
