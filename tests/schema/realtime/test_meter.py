"""What a session's meter makes of events: both interface generations, odd shapes, and the handshake towards providers."""

import base64
import json

import msgspec
import pytest

from schema.counting import count_text, realtime_audio_tokens
from schema.dialects.providers.base import ChannelView, KeyFormatError
from schema.dialects.providers.registry import get_provider
from schema.realtime.handshake import write_handshake
from schema.realtime.meter import InvalidEvent, Meter, Transcribed, TurnEnd
from schema.realtime.wire import Usage, error_event, token_usage
from schema.usage import TokenUsage
from tests.schema.realtime.events import audio, event


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param({"input_tokens": 7, "output_tokens": 5}, TokenUsage(input_text=7, output_text=5), id="no details: text"),
        pytest.param(
            {"input_tokens": 30, "output_tokens": 9, "input_token_details": {"audio_tokens": 20}, "output_token_details": {"audio_tokens": 4}},
            TokenUsage(input_text=10, input_audio=20, output_text=5, output_audio=4),
            id="what the details leave out is text",
        ),
        pytest.param(
            {"input_tokens": 30, "input_token_details": {"text_tokens": 10, "audio_tokens": 20, "cached_tokens": 15}},
            TokenUsage(input_text=0, input_cached=15, input_audio=15),
            id="cached tokens of no kind come off the text first",
        ),
        pytest.param(
            {"input_tokens": 40, "input_token_details": {"text_tokens": 10, "audio_tokens": 20, "image_tokens": 10, "cached_tokens": 9,
             "cached_tokens_details": {"text_tokens": 2, "audio_tokens": 3, "image_tokens": 4}}},
            TokenUsage(input_text=8, input_cached=9, input_audio=17, input_image=6),
            id="cached tokens by kind",
        ),
        pytest.param({"input_tokens": 5, "input_token_details": {"cached_tokens": 900}}, TokenUsage(input_cached=5), id="more cached than asked"),
    ],
)  # fmt: skip
def test_reported_usage_becomes_disjoint_counts(reported: dict, expected: TokenUsage):
    assert token_usage(msgspec.convert(reported, Usage)) == expected


@pytest.mark.parametrize("prefix", ["response.audio", "response.output_audio"])
def test_both_generations_count_alike(prefix: str):
    meter = Meter("gpt-4o-realtime-preview")
    text = prefix.replace("audio", "text").replace("output_text", "output_text")
    meter.upstream_event(event("response.created", response={"id": "r"}), 1.0)
    meter.upstream_event(event(f"{prefix}.delta", response_id="r", delta=audio(2)), 2.0)
    meter.upstream_event(event(f"{prefix}_transcript.delta", response_id="r", delta="one two"), 2.0)
    meter.upstream_event(event(f"{text}.delta", response_id="r", delta=" three"), 2.0)
    assert meter.answering
    end = meter.upstream_event(event("response.done", response={"id": "r", "status": "cancelled"}), 3.0)
    assert isinstance(end, TurnEnd) and not end.completed and (end.began_s, end.spoke_s) == (1.0, 2.0)
    assert end.usage.output_audio == realtime_audio_tokens(2, output=True)
    assert end.usage.output_text == count_text("gpt-4o", "one two three") and end.usage.estimated
    assert not meter.answering


def test_g711_is_counted_by_its_own_rate_in_either_form():
    for session in (
        {"input_audio_format": "g711_ulaw"},
        {
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcm", "rate": 24000}},
            }
        },
    ):
        meter = Meter("m")
        meter.upstream_event(event("session.updated", session=session), 0.0)
        meter.client_event(event("input_audio_buffer.append", audio=base64.b64encode(b"\0" * 8000 * 6).decode()))
        meter.upstream_event(event("input_audio_buffer.committed"), 0.0)
        meter.upstream_event(event("response.created", response={"id": "r"}), 0.0)
        assert meter.open_usage().input_audio == realtime_audio_tokens(6, output=False)


def test_instructions_and_tools_count_once_a_change_and_only_when_answered():
    meter = Meter("m")
    words = event("session.update", session={"instructions": "be very kind", "tools": [{"name": "f"}]})
    meter.client_event(words)
    meter.client_event(words)
    assert meter.open_usage() == TokenUsage() == meter.abandon(), "nobody has answered"
    meter = Meter("m")
    meter.client_event(words)
    meter.client_event(words)
    end = meter.upstream_event(event("response.done", response={"id": "r"}), 0.0)
    assert isinstance(end, TurnEnd)
    once = end.usage.input_text
    assert 0 < once <= count_text("m", "be very kind") + count_text("m", '[{"name":"f"}]') + 8 + 2
    again = meter.upstream_event(event("response.done", response={"id": "r"}), 0.0)
    assert isinstance(again, TurnEnd) and again.usage.input_text == 0


def test_a_transcription_names_its_own_model():
    meter = Meter("m")
    session = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    meter.upstream_event(event("session.updated", session=session), 0.0)
    kind = "conversation.item.input_audio_transcription.completed"
    by_time = meter.upstream_event(event(kind, usage={"type": "duration", "seconds": 6}), 0.0)
    assert by_time == Transcribed(
        "whisper-1", TokenUsage(input_audio=realtime_audio_tokens(6, output=False), estimated=True)
    )
    by_tokens = meter.upstream_event(event(kind, usage={"type": "tokens", "input_tokens": 9, "output_tokens": 2}), 0.0)
    assert by_tokens == Transcribed("whisper-1", TokenUsage(input_text=9, output_text=2))


@pytest.mark.parametrize("data", [b"", b"[]", b'"x"', b'{"no":"type"}', b'{"type":1}', b'{"type":"x"', b"\xff"])
def test_what_is_no_event_stays_with_the_client_and_passes_from_the_provider(data: bytes):
    meter = Meter("m")
    with pytest.raises(InvalidEvent):
        meter.client_event(data)
    assert meter.upstream_event(data, 0.0) is None


def test_a_provider_that_never_ends_its_responses_does_not_fill_the_memory():
    meter = Meter("m")
    for number in range(1000):
        meter.upstream_event(event("response.text.delta", response_id=f"r{number}", delta="word "), 0.0)
    assert meter.open_usage().output_text >= 1000
    assert len(meter._open) <= 64


@pytest.mark.parametrize(
    ("name", "channel", "url", "header"),
    [
        pytest.param("openai", {}, "wss://api.openai.com/v1/realtime?model=up&intent=x", ("Authorization", "Bearer k"), id="openai"),
        pytest.param("openai", {"base_url": "http://h:1/v1"}, "ws://h:1/v1/realtime?model=up&intent=x", ("Authorization", "Bearer k"), id="own address with version"),
        pytest.param("azure", {"base_url": "https://r.openai.azure.com/", "other": "2025-04-01-preview"},
                     "wss://r.openai.azure.com/openai/realtime?deployment=up&api-version=2025-04-01-preview&intent=x", ("api-key", "k"), id="azure"),
        pytest.param("azure", {"base_url": "https://r.openai.azure.com", "setting": {"azure_realtime_ga": True}},
                     "wss://r.openai.azure.com/openai/v1/realtime?model=up&intent=x", ("api-key", "k"), id="azure, GA"),
    ],
)  # fmt: skip
def test_the_handshake_of_each_provider(name: str, channel: dict, url: str, header: tuple[str, str]):
    view = ChannelView(id=1, provider=name, key="k", **channel)
    made = write_handshake(
        get_provider(name), view, model="up", query={"intent": "x", "model": "m"}, beta="", azure_version="v"
    )
    assert made.url == url and made.headers == (header,)


def test_the_beta_header_goes_on_only_when_the_client_sent_it_and_an_address_is_needed():
    view = ChannelView(id=1, provider="openai", key="k", organization="org")
    made = write_handshake(get_provider("openai"), view, model="m", query={}, beta="realtime=v1", azure_version="v")
    assert dict(made.headers) == {
        "Authorization": "Bearer k",
        "OpenAI-Beta": "realtime=v1",
        "OpenAI-Organization": "org",
    }
    with pytest.raises(KeyFormatError):
        write_handshake(
            get_provider("azure"),
            ChannelView(id=1, provider="azure", key="k"),
            model="m",
            query={},
            beta="",
            azure_version="v",
        )


def test_our_error_event_names_the_event_that_caused_it():
    told = json.loads(error_event("1", "invalid_request_error", "invalid_event", "No.", b'"mine"'))
    assert told["error"]["event_id"] == "mine" and told["event_id"] == "evt_1"
    assert json.loads(error_event("1", "t", "c", "m", b"[1]"))["error"]["event_id"] is None
