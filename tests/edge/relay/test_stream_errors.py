"""Error events in the middle of a passed-through stream: they lose the channel's key and address, nothing else changes."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge.relay.passed_stream import PassedStream
from schema.dialects.providers.base import ChannelView
from schema.dialects.providers.registry import get_provider

KEY = "opaque-key-0123456789"
LEAK = f"Your key {KEY} is wrong, see http://up.example:8080/keys?x=1 and Bearer abc123."


def stream(wire: str) -> PassedStream:
    """One that has begun."""
    view = ChannelView(1, "openai", KEY, base_url="http://up.example:8080")
    channel = SimpleNamespace(view=view, provider=get_provider("openai"))
    live: Any = SimpleNamespace(
        sent=SimpleNamespace(wire=wire), channel=channel, dialect=wire, head_sent=True,
        wanted=SimpleNamespace(model="m", include_usage=True), place=SimpleNamespace(json_array=False),
    )  # fmt: skip
    return PassedStream(live)


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        ("openai", 'data: {"error":{"message":"%s","type":"server_error"}}\n\n'),
        ("claude", 'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"%s"}}\n\n'),
        ("gemini", 'data: {"error":{"code":500,"message":"%s","status":"INTERNAL"}}\n\n'),
    ],
)
def test_errors_lose_what_is_the_operators(wire, event):
    frames = (event % LEAK).encode()
    clean = stream(wire).turn(frames)
    assert KEY.encode() not in clean and b"up.example" not in clean and b"abc123" not in clean
    assert b"is wrong, see [upstream]" in clean and clean.endswith(b"\n\n")


def test_ordinary_events_keep_their_bytes():
    """Also where the model itself writes of errors, keys and addresses."""
    text = f'data: {{"choices":[{{"index":0,"delta":{{"content":"{KEY} http://up.example:8080"}}}}],"x":{{"error":null}}}}\n\n'
    frames = text.encode()
    assert stream("openai").turn(frames) is frames
