"""Model listings in Claude's shape.

Source: Anthropic API reference, Models.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from schema.dialects.base import ListedModel
from schema.dialects.body import encode


def _entry(model: ListedModel) -> dict[str, Any]:
    created = datetime.fromtimestamp(model.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    named = {"type": "model", "id": model.id, "display_name": model.display_name or model.id}
    return named | {"created_at": created, "lifecycle": "active"}


def write_models(models: Sequence[ListedModel]) -> bytes:
    ends = (models[0].id, models[-1].id) if models else (None, None)
    return encode(
        {"data": [_entry(model) for model in models], "has_more": False, "first_id": ends[0], "last_id": ends[1]}
    )


def write_model(model: ListedModel) -> bytes:
    return encode(_entry(model))
