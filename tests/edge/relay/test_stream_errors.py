"""Error events in the middle of a passed-through stream: they lose the channel's key and address, nothing else changes."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge.relay.streams import _without_secrets
from schema.dialects.providers.base import ChannelView
from schema.dialects.providers.registry import get_provider

KEY = "opaque-key-0123456789"
LEAK = f"Your key {KEY} is wrong, see http://up.example:8080/keys?x=1 and Bearer abc123."


def live(wire: str) -> Any:
    view = ChannelView(1, "openai", KEY, base_url="http://up.example:8080")
    channel = SimpleNamespace(view=view, provider=get_provider("openai"))
    return SimpleNamespace(sent=SimpleNamespace(wire=wire), channel=channel)


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
    clean = _without_secrets(live(wire), frames)
    assert KEY.encode() not in clean and b"up.example" not in clean and b"abc123" not in clean
    assert b"is wrong, see [upstream]" in clean and clean.endswith(b"\n\n")


def test_ordinary_events_keep_their_bytes():
    """Also where the model itself writes of errors, keys and addresses."""
    text = f'data: {{"choices":[{{"index":0,"delta":{{"content":"{KEY} http://up.example:8080"}}}}],"x":{{"error":null}}}}\n\n'
    frames = text.encode()
    assert _without_secrets(live("openai"), frames) is frames
