"""Model listings in OpenAI's shape.

Source: OpenAI API reference, Models; the `permission` member is what One API's clients know.
"""

from collections.abc import Sequence
from typing import Any

from schema.dialects.base import ListedModel
from schema.dialects.body import encode

_PERMISSION = {
    "id": "modelperm-LwHkVFn8AcMItP432fKKDIKJ",
    "object": "model_permission",
    "created": 1_626_777_600,
    "allow_create_engine": True,
    "allow_sampling": True,
    "allow_logprobs": True,
    "allow_search_indices": False,
    "allow_view": True,
    "allow_fine_tuning": False,
    "organization": "*",
    "group": None,
    "is_blocking": False,
}


def _entry(model: ListedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created_s,
        "owned_by": model.owned_by,
        "permission": [_PERMISSION],
        "root": model.id,
        "parent": None,
    }


def write_models(models: Sequence[ListedModel]) -> bytes:
    return encode({"object": "list", "data": [_entry(model) for model in models]})


def write_model(model: ListedModel) -> bytes:
    return encode(_entry(model))
