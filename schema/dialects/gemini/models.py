"""Model listings in Gemini's shape.

Source: Gemini API reference, models.list.
"""

from collections.abc import Sequence
from typing import Any

from schema.dialects.base import ListedModel
from schema.dialects.body import encode


def _entry(model: ListedModel) -> dict[str, Any]:
    embeds = "embedding" in model.id
    methods = (
        ["embedContent", "batchEmbedContents"]
        if embeds
        else ["generateContent", "streamGenerateContent", "countTokens"]
    )
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": "001",
        "displayName": model.display_name or model.id,
        "supportedGenerationMethods": methods,
    }


def write_models(models: Sequence[ListedModel]) -> bytes:
    return encode({"models": [_entry(model) for model in models]})


def write_model(model: ListedModel) -> bytes:
    return encode(_entry(model))
