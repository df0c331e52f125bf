"""Built-in model lists of providers: offered when a channel is created, and the `owned_by` of a name.

The lists are data (`model_lists.json`), refreshed with every release; a channel's own "fetch from upstream" knows better.
"""

from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

UNKNOWN_OWNER = "custom"


class ModelList(Struct, frozen=True):
    owned_by: str
    models: tuple[str, ...] = ()
    same_as: str = ""  # offers another provider's list


@cache
def model_lists() -> dict[str, ModelList]:
    """By the symbolic name of the provider, in the order in which an owner is looked up."""
    raw = (Path(__file__).parent / "model_lists.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, ModelList])


def default_models(provider: str) -> tuple[str, ...]:
    """Names that a new channel of this provider offers; empty for what has no list."""
    held = model_lists().get(_key(provider))
    if held is None:
        return ()
    return model_lists()[held.same_as].models if held.same_as else held.models


def _key(provider: str) -> str:
    plain = provider.lower().replace("_", "-")
    return "ai360" if plain == "360" else plain


@cache
def owners() -> dict[str, str]:
    """Every built-in name to its owner; the first provider that lists a name owns it."""
    found: dict[str, str] = {}
    for held in model_lists().values():
        for model in held.models:
            found.setdefault(model, held.owned_by)
    return found


def owner_of(model: str) -> str:
    return owners().get(model, UNKNOWN_OWNER)
