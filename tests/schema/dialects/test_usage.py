import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects.claude import usage as claude
from schema.dialects.gemini import usage as gemini
from schema.dialects.gemini.wire import Usage as GeminiUsage
from schema.dialects.openai import usage as openai
from schema.dialects.providers import converse
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage

OPENAI = [
    pytest.param(
        {
            "prompt_tokens": 20,
            "completion_tokens": 3,
            "total_tokens": 23,
            "prompt_tokens_details": {"cached_tokens": 8},
        },
        TokenUsage(input_text=12, input_cached=8, output_text=3),
        id="OpenAI: cached tokens are inside the prompt",
    ),
    pytest.param(
        {"prompt_tokens": 9, "completion_tokens": 40, "prompt_cache_hit_tokens": 4},
        TokenUsage(input_text=5, input_cached=4, output_text=40),
        id="DeepSeek names its hits otherwise",
    ),
    pytest.param(
        {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cached_tokens": 2},
        TokenUsage(input_text=7, input_cached=2, output_text=4),
        id="Moonshot",
    ),
    pytest.param(
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        TokenUsage(input_text=32, output_text=103, reasoning=94),
        id="xAI counts reasoning beside the completion",
    ),
    pytest.param(
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "prompt_tokens_details": {"audio_tokens": 60, "cached_tokens": 10, "cache_write_tokens": 5},
            "completion_tokens_details": {"audio_tokens": 30, "reasoning_tokens": 4},
        },
        TokenUsage(25, 10, 5, 60, 0, 20, 30, 4),
        id="audio, cache write",
    ),
    pytest.param({"total_tokens": 7}, TokenUsage(input_text=7), id="only a total: all of it is prompt"),
    pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, None, id="zeros mean not reported"),
    pytest.param(
        {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 900}},
        TokenUsage(input_cached=5, output_text=1),
        id="an overstated part never makes a count negative",
    ),
]


@pytest.mark.parametrize(("wire", "expected"), OPENAI)
def test_openai_usage(wire, expected):
    assert openai.read_usage(msgspec.convert(wire, openai.Usage)) == expected


def test_claude_input_excludes_the_cache_and_events_add_up():
    meter = get_dialect("claude").meter()
    start = json.dumps(
        {
            "type": "message_start",
            "message": {
                "usage": {
                    "input_tokens": 12,
                    "cache_creation_input_tokens": 5,
                    "cache_read_input_tokens": 8,
                    "output_tokens": 1,
                }
            },
        }
    ).encode()
    known = meter.read_usage(start)
    delta = meter.read_usage(b'{"type":"message_delta","delta":{},"usage":{"output_tokens":30}}')
    total = meter.merge(known, delta)
    assert total == TokenUsage(input_text=12, input_cached=8, input_cache_write=5, output_text=30)
    assert total.prompt_tokens == 25


@pytest.mark.parametrize(
    ("parts", "delta", "short", "hour"),
    [
        pytest.param({"ephemeral_5m_input_tokens": 188, "ephemeral_1h_input_tokens": 0}, {}, 188, 0, id="five minutes"),
        pytest.param({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 188}, {}, 0, 188, id="an hour"),
        pytest.param({"ephemeral_5m_input_tokens": 88, "ephemeral_1h_input_tokens": 100}, {}, 88, 100, id="both"),
        pytest.param({"ephemeral_1h_input_tokens": 100}, {}, 88, 100, id="the rest is short"),
        pytest.param({"ephemeral_1h_input_tokens": 900}, {}, 0, 188, id="the sum holds"),
        pytest.param({"ephemeral_1h_input_tokens": -5}, {}, 188, 0, id="nonsense"),
        pytest.param(None, {}, 188, 0, id="not told"),
        pytest.param(
            {"ephemeral_1h_input_tokens": 100}, {"cache_creation_input_tokens": 188}, 88, 100,
            id="message_delta repeats the sum alone",
        ),
        pytest.param(
            None, {"cache_creation_input_tokens": 200, "cache_creation": {"ephemeral_1h_input_tokens": 150}}, 50, 150,
            id="message_delta knows more",
        ),
    ],
)  # fmt: skip
def test_claude_tells_what_was_written_for_an_hour(parts, delta, short, hour):
    told = {"input_tokens": 21, "cache_creation_input_tokens": 188, "output_tokens": 1, "cache_creation": parts}
    start = {"type": "message_start", "message": {"id": "m", "model": "c", "usage": told}}
    end = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 30, **delta}}
    expected = TokenUsage(input_text=21, input_cache_write=short, output_text=30, input_cache_write_1h=hour)
    meter = get_dialect("claude").meter()
    known = meter.read_usage(json.dumps(start).encode())
    assert meter.merge(known, meter.read_usage(json.dumps(end).encode())) == expected
    assert claude.write_usage(expected)["cache_creation_input_tokens"] == short + hour
    written = openai.write_usage(expected)
    assert written["prompt_tokens_details"]["cache_creation_tokens"] == short + hour
    assert written["prompt_tokens"] == 21 + short + hour


def test_converse_tells_what_was_written_for_an_hour():
    told = {
        "inputTokens": 30, "outputTokens": 5, "cacheWriteInputTokens": 188,
        "cacheDetails": [{"inputTokens": 100, "ttl": "1h"}, {"inputTokens": 88, "ttl": "5m"}],
    }  # fmt: skip
    body = {"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "usage": told}
    expected = TokenUsage(input_text=30, input_cache_write=88, output_text=5, input_cache_write_1h=100)
    assert converse.read_answer(json.dumps(body).encode()).usage == expected


def test_gemini_thoughts_are_output_and_tool_prompts_are_input():
    wire = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 7,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 8,
        "thoughtsTokenCount": 32,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 80}, {"modality": "AUDIO", "tokenCount": 20}],
    }
    usage = gemini.read_usage(msgspec.convert(wire, GeminiUsage))
    assert usage == TokenUsage(input_text=47, input_cached=40, input_audio=20, output_text=40, reasoning=32)


COUNT = st.integers(0, 10**6)


@given(COUNT, COUNT, COUNT, COUNT)
def test_counts_survive_every_dialect(text, cached, output, reasoning):
    usage = TokenUsage(input_text=text, input_cached=cached, output_text=output, reasoning=min(reasoning, output))
    back = openai.read_usage(msgspec.convert(openai.write_usage(usage), openai.Usage))
    assert back == (usage if usage.total_tokens else None)
    back = gemini.read_usage(msgspec.convert(gemini.write_usage(usage), GeminiUsage))
    assert back == (usage if usage.total_tokens else None)
    back = claude.read_usage(msgspec.convert(claude.write_usage(usage), claude.Usage))
    assert back == msgspec.structs.replace(usage, reasoning=0)
