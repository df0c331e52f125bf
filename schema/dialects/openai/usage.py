"""OpenAI's `usage` object and its relatives, to disjoint counts and back.

Sources: OpenAI API reference (chat completion object); DeepSeek docs (prompt_cache_hit_tokens); Moonshot docs
(cached_tokens); xAI docs (reasoning outside completion_tokens); OpenRouter docs (cache_write_tokens).
"""

from typing import Any

from msgspec import Struct

from schema.usage import TokenUsage


class InputDetails(Struct, frozen=True):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(Struct, frozen=True):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None


_NO_INPUT, _NO_OUTPUT = InputDetails(), OutputDetails()


def read_usage(usage: Usage | None) -> TokenUsage | None:
    """None when the provider sent no counts: absent, or all zero."""
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    total = usage.total_tokens or 0
    inside, outside = usage.prompt_tokens_details or _NO_INPUT, usage.completion_tokens_details or _NO_OUTPUT
    reasoning = outside.reasoning_tokens or 0
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning  # xAI and some Gemini faces count reasoning beside the completion
    elif total > prompt and not completion:
        completion = total - prompt if prompt else 0
        prompt = prompt or total
    if not prompt and not completion:
        return None
    cached = inside.cached_tokens or usage.prompt_cache_hit_tokens or usage.cached_tokens or 0
    cache_write = inside.cache_creation_tokens or inside.cache_write_tokens or 0
    audio, image, output_audio = inside.audio_tokens or 0, inside.image_tokens or 0, outside.audio_tokens or 0
    if not (cached or cache_write or audio or image or output_audio or reasoning) and prompt >= 0 and completion >= 0:
        return TokenUsage(prompt, 0, 0, 0, 0, completion)  # most answers: nothing to split
    return disjoint(
        prompt=prompt,
        completion=completion,
        cached=cached,
        cache_write=cache_write,
        audio=audio,
        image=image,
        output_audio=output_audio,
        reasoning=reasoning,
    )


def disjoint(
    *,
    prompt: int,
    completion: int,
    cached: int = 0,
    cache_write: int = 0,
    audio: int = 0,
    image: int = 0,
    output_audio: int = 0,
    reasoning: int = 0,
) -> TokenUsage:
    """Split totals into disjoint parts. Parts that a provider overstates are cut, so the sums always hold."""
    rest = max(prompt, 0)
    parts = []
    for part in (cached, cache_write, audio, image):
        taken = min(max(part, 0), rest)
        parts.append(taken)
        rest -= taken
    completion = max(completion, 0)
    out_audio = min(max(output_audio, 0), completion)
    return TokenUsage(
        rest,
        parts[0],
        parts[1],
        parts[2],
        parts[3],
        completion - out_audio,
        out_audio,
        min(max(reasoning, 0), completion),
    )


def write_usage(usage: TokenUsage) -> dict[str, Any]:
    """OpenAI's usage object, details always present."""
    inside = {
        "cached_tokens": usage.input_cached,
        "text_tokens": usage.prompt_tokens - usage.input_audio - usage.input_image,
        "audio_tokens": usage.input_audio,
        "image_tokens": usage.input_image,
    }
    if written := usage.cache_written:
        inside["cache_creation_tokens"] = inside["cache_write_tokens"] = written
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": inside,
        "completion_tokens_details": {
            "text_tokens": usage.output_text,
            "audio_tokens": usage.output_audio,
            "reasoning_tokens": usage.reasoning,
        },
    }
