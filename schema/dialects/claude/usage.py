"""Claude's `usage` object: input_tokens excludes what was read from or written to the cache.

Source: Anthropic API reference, Messages, usage; prompt caching guide.
"""

from typing import Any

from msgspec import Struct

from schema.usage import TokenUsage


class OutputDetails(Struct, frozen=True):
    thinking_tokens: int | None = None  # a part of output_tokens


class Usage(Struct, frozen=True):
    """Members are None when an event does not repeat them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


def read_usage(usage: Usage) -> TokenUsage:
    return TokenUsage(
        input_text=usage.input_tokens or 0,
        input_cached=usage.cache_read_input_tokens or 0,
        input_cache_write=usage.cache_creation_input_tokens or 0,
        output_text=usage.output_tokens or 0,
        reasoning=(usage.output_tokens_details.thinking_tokens or 0) if usage.output_tokens_details else 0,
    )


def merge_usage(known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
    """message_start tells the input, message_delta the output and, lately, the input again: what is told last counts."""
    if known is None:
        return new
    return TokenUsage(
        input_text=new.input_text or known.input_text,
        input_cached=new.input_cached or known.input_cached,
        input_cache_write=new.input_cache_write or known.input_cache_write,
        output_text=new.output_text or known.output_text,
        reasoning=new.reasoning or known.reasoning,
    )


def write_usage(usage: TokenUsage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_text + usage.input_audio + usage.input_image,
        "cache_creation_input_tokens": usage.input_cache_write,
        "cache_read_input_tokens": usage.input_cached,
        "output_tokens": usage.completion_tokens,
    }
