"""The Responses usage object: the same counts as Chat's under other names.

Source: OpenAI API reference, Responses, usage.
"""

from typing import Any

from schema.dialects.openai.usage import disjoint
from schema.dialects.responses.wire import Usage
from schema.usage import TokenUsage


def read_usage(usage: Usage | None) -> TokenUsage | None:
    """None when nothing was counted."""
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return None
    inside, outside = usage.input_tokens_details, usage.output_tokens_details
    return disjoint(
        prompt=usage.input_tokens or 0,
        completion=usage.output_tokens or 0,
        cached=(inside.cached_tokens or 0) if inside else 0,
        cache_write=(inside.cache_write_tokens or 0) if inside else 0,
        reasoning=(outside.reasoning_tokens or 0) if outside else 0,
    )


def write_usage(usage: TokenUsage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.input_cached, "cache_write_tokens": usage.cache_written},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_tokens,
    }
