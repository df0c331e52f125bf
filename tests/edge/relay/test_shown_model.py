"""Option ReturnRequestedModel: streams that we write name the model that was asked for."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge.relay.routes import find_place
from edge.relay.streams import _open_writer
from schema.dialects import neutral
from schema.dialects.providers.base import Settings

BODIES = {
    "/v1/chat/completions": {"model": "asked", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"model": "asked", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": "asked", "input": "hi"},
    "/v1beta/models/asked:streamGenerateContent": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("wished", [True, False])
def test_streams_show_the_model(path, wished):
    place = find_place(path, "alt=sse")
    live: Any = SimpleNamespace(
        dialect=place.dialect,
        place=place,
        body=msgspec.json.encode(BODIES[path]),
        wanted=SimpleNamespace(model="asked"),
        call=SimpleNamespace(settings=Settings(return_requested_model=wished)),
        request_id="r1",
        started_ms=1000,
    )
    writer = _open_writer(live)
    out = writer.write(neutral.Start("id", "upstream-name", 1)) + writer.write(neutral.TextDelta("x")) + writer.close()
    assert (b'"asked"' in out, b"upstream-name" in out) == (wished, not wished)
