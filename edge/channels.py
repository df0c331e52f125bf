"""Channels as the relay routes by them: rows of SQL read once into frozen values, indexed by group and model."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from edge.relay.choose import Tiers, build_tiers
from schema import tables
from schema.dialects.providers.base import ChannelView, Provider
from schema.dialects.providers.registry import get_provider
from schema.providers import provider_of
from schema.secrets import Vault


class RoutedChannel(Struct, frozen=True):
    """One enabled channel."""

    id: int
    priority: int
    weight: int
    type: int  # new-api's number
    view: ChannelView
    provider: Provider
    groups: tuple[str, ...]
    models: tuple[str, ...]
    model_mapping: Mapping[str, str]
    status_mapping: dict[str, str]
    auto_ban: bool
    cache_ratio: Decimal | None  # of this channel, 0-1; wins over the option


def read_object(text: str | None) -> dict[str, Any]:
    """A JSON object of a column; empty for '', NULL and what is no object."""
    if not text or not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def split_names(text: str | None) -> tuple[str, ...]:
    """A comma list, trimmed, without empty and repeated names."""
    return tuple(dict.fromkeys(name for part in (text or "").split(",") if (name := part.strip())))


def read_channel(row: tables.Channel, vault: Vault, *, one_api: bool) -> RoutedChannel:
    """Raises schema.secrets.SealError when the key cannot be opened."""
    name = row.provider or provider_of(row.type or 0, one_api=one_api)
    setting = read_object(vault.unseal(row.setting or ""))
    models = split_names(row.models)
    ratio = setting.get("cache_ratio")
    return RoutedChannel(
        id=row.id,
        priority=row.priority or 0,
        weight=max(0, row.weight or 0),
        type=row.type or 0,
        view=ChannelView(
            id=row.id,
            provider=name,
            key=vault.unseal(row.key or "").strip(),
            type=row.type or 0,
            base_url=(row.base_url or "").strip(),
            other=(row.other or "").strip(),
            organization=row.open_ai_organization or "",
            setting=setting,
            system_prompt=row.system_prompt or "",
            param_override=read_object(row.param_override),
            models=frozenset(models),
        ),
        provider=get_provider(name),
        groups=split_names(row.group),
        models=models,
        model_mapping={k: v for k, v in read_object(row.model_mapping).items() if isinstance(v, str) and v},
        status_mapping={k: v for k, v in read_object(row.status_code_mapping).items() if isinstance(v, str)},
        auto_ban=row.auto_ban == 1,
        cache_ratio=Decimal(str(ratio)) if isinstance(ratio, int | float) and 0 <= ratio <= 1 else None,
    )


def index_channels(channels: Iterable[RoutedChannel]) -> dict[tuple[str, str], Tiers]:
    """(group, model) -> tiers."""
    found: dict[tuple[str, str], list[RoutedChannel]] = {}
    for channel in channels:
        for group in channel.groups:
            for model in channel.models:
                found.setdefault((group, model), []).append(channel)
    return {key: build_tiers(members) for key, members in found.items()}
