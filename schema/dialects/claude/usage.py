"""Claude's `usage` object: input_tokens excludes what was read from or written to the cache.

Source: Anthropic API reference, Messages, usage; prompt caching guide.
"""

from typing import Any

from msgspec import Struct

from schema.usage import TokenUsage


class OutputDetails(Struct, frozen=True):
    thinking_tokens: int | None = None  # a part of output_tokens


class CacheCreation(Struct, frozen=True):
    """What cache_creation_input_tokens is made of, by lifetime; absent in older answers."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class Usage(Struct, frozen=True):
    """Members are None when an event does not repeat them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    cache_creation: CacheCreation | None = None


def read_usage(usage: Usage) -> TokenUsage:
    written, hour = usage.cache_creation_input_tokens or 0, 0
    if usage.cache_creation is not None:
        hour = max(usage.cache_creation.ephemeral_1h_input_tokens or 0, 0)
        written = written or (usage.cache_creation.ephemeral_5m_input_tokens or 0) + hour
        hour = min(hour, max(written, 0))  # the sum holds, whatever the parts say
    return TokenUsage(
        input_text=usage.input_tokens or 0,
        input_cached=usage.cache_read_input_tokens or 0,
        input_cache_write=written - hour,
        output_text=usage.output_tokens or 0,
        reasoning=(usage.output_tokens_details.thinking_tokens or 0) if usage.output_tokens_details else 0,
        input_cache_write_1h=hour,
    )


def merge_usage(known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
    """message_start tells the input, message_delta the output and, lately, the input again: what is told last counts.

    An event that repeats only the sum of what was written does not undo its parts.
    """
    if known is None:
        return new
    written = new.cache_written or known.cache_written
    hour = min(new.input_cache_write_1h or known.input_cache_write_1h, written)
    return TokenUsage(
        input_text=new.input_text or known.input_text,
        input_cached=new.input_cached or known.input_cached,
        input_cache_write=written - hour,
        output_text=new.output_text or known.output_text,
        reasoning=new.reasoning or known.reasoning,
        input_cache_write_1h=hour,
    )


def write_usage(usage: TokenUsage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_text + usage.input_audio + usage.input_image,
        "cache_creation_input_tokens": usage.cache_written,
        "cache_read_input_tokens": usage.input_cached,
        "output_tokens": usage.completion_tokens,
    }
