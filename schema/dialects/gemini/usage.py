"""Gemini's usageMetadata: thoughts are counted beside the candidates, cached content inside the prompt.

Source: Gemini API reference, UsageMetadata.
"""

from typing import Any

from schema.dialects.gemini.wire import ModalityCount, Usage
from schema.dialects.openai.usage import disjoint
from schema.usage import TokenUsage


def read_usage(usage: Usage | None) -> TokenUsage | None:
    """None when nothing was counted."""
    if usage is None:
        return None
    prompt = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
    thoughts = usage.thoughts_token_count or 0
    completion = (usage.candidates_token_count or 0) + thoughts
    if not prompt and not completion:
        return None
    inside, outside = usage.prompt_tokens_details, usage.candidates_tokens_details
    return disjoint(
        prompt=prompt,
        completion=completion,
        cached=usage.cached_content_token_count or 0,
        audio=_of(inside, "AUDIO") if inside else 0,
        image=_of(inside, "IMAGE") if inside else 0,
        output_audio=_of(outside, "AUDIO") if outside else 0,
        reasoning=thoughts,
    )


def _of(details: list[ModalityCount], modality: str) -> int:
    return sum(detail.token_count or 0 for detail in details if detail.modality == modality)


def write_usage(usage: TokenUsage) -> dict[str, Any]:
    written: dict[str, Any] = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": usage.completion_tokens - usage.reasoning,
        "totalTokenCount": usage.total_tokens,
    }
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.input_cached:
        written["cachedContentTokenCount"] = usage.input_cached
    if usage.input_audio or usage.input_image:
        text = usage.prompt_tokens - usage.input_audio - usage.input_image
        counts = (("TEXT", text), ("AUDIO", usage.input_audio), ("IMAGE", usage.input_image))
        written["promptTokensDetails"] = [{"modality": name, "tokenCount": count} for name, count in counts if count]
    return written
