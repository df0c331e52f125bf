from decimal import Decimal

import pytest

from schema.dialects.neutral import Reasoning
from schema.dialects.suffixes import (
    Suffix,
    claude_suffix,
    claude_thinking,
    gemini_budget,
    gemini_suffix,
    is_reasoning_model,
    openai_suffix,
    takes_developer,
    xai_suffix,
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("o3-mini-high", Suffix("o3-mini", Reasoning("on", "high"))),
        ("o1-low", Suffix("o1", Reasoning("on", "low"))),
        ("gpt-5-low", Suffix("gpt-5", Reasoning("on", "low"))),
        ("gpt-5-minimal", Suffix("gpt-5", Reasoning("on", "minimal"))),
        ("gpt-5-none", Suffix("gpt-5", Reasoning("off", "none"))),
        ("gpt-5.1-xhigh", Suffix("gpt-5.1", Reasoning("on", "xhigh"))),
        ("o3-minimal", Suffix("o3-minimal")),
        ("gpt-4o-high", Suffix("gpt-4o-high")),
        ("gpt-5-chat-latest", Suffix("gpt-5-chat-latest")),
    ],
)
def test_openai_suffix(model, expected):
    assert openai_suffix(model) == expected


def test_a_name_that_the_channel_offers_keeps_its_suffix():
    assert openai_suffix("o3-mini-high", literal={"o3-mini-high"}) == Suffix("o3-mini-high")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash-thinking", Suffix("gemini-2.5-flash", Reasoning("on", include_thoughts=True))),
        (
            "gemini-2.5-flash-thinking-128",
            Suffix("gemini-2.5-flash", Reasoning("on", budget_tokens=128, include_thoughts=True)),
        ),
        ("gemini-2.5-flash-nothinking", Suffix("gemini-2.5-flash", Reasoning("off", budget_tokens=0))),
        ("gemini-2.5-pro-high", Suffix("gemini-2.5-pro", Reasoning("on", "high"))),
        ("gemini-2.0-flash-thinking-exp", Suffix("gemini-2.0-flash-thinking-exp")),
    ],
)
def test_gemini_suffix(model, expected):
    assert gemini_suffix(model, enabled=True) == expected
    assert gemini_suffix(model, enabled=False) == Suffix(model)


def test_claude_suffix_and_switch():
    assert claude_suffix("claude-3-7-sonnet-thinking", enabled=True) == Suffix("claude-3-7-sonnet", Reasoning("on"))
    assert claude_suffix("claude-3-7-sonnet-thinking", enabled=False) == Suffix("claude-3-7-sonnet-thinking")


def test_xai_suffix():
    assert xai_suffix("grok-3-mini-beta-low") == Suffix("grok-3-mini-beta", Reasoning("on", "low"))
    assert xai_suffix("grok-3-low") == Suffix("grok-3-low")


@pytest.mark.parametrize(
    ("asked", "sent", "budget"), [(8192, 8192, 6553), (100, 1280, 1024), (2000, 2000, 1600), (64_000, 64_000, 51_200)]
)
def test_claude_thinking_arithmetic(asked, sent, budget):
    assert claude_thinking(asked, Decimal("0.8")) == (sent, budget)


def test_the_budget_stays_below_the_limit_whatever_the_option_says():
    limit, budget = claude_thinking(4000, Decimal("1.5"))
    assert budget < limit


def test_gemini_budget_without_a_limit_is_left_to_the_model():
    assert gemini_budget(None, Decimal("0.6")) is None
    assert gemini_budget(1000, Decimal("0.6")) == 600


def test_families():
    assert is_reasoning_model("openai/o4-mini") and not is_reasoning_model("gpt-4o")
    assert takes_developer("o3") and not takes_developer("o1-mini")
