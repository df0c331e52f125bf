import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects.claude import usage as claude
from schema.dialects.gemini import usage as gemini
from schema.dialects.gemini.wire import Usage as GeminiUsage
from schema.dialects.openai import usage as openai
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
