"""Channels as the relay routes by them: rows of SQL read once into frozen values, indexed by group and model."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from edge.relay.choose import Tiers, build_tiers
from schema.dialects.providers.base import ChannelView, Provider
from schema.secrets import Vault
from schema.upstreams.account import key_name, read_account, read_object, split_names

__all__ = ["RoutedChannel", "index_channels", "read_channel", "read_object", "split_names"]


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
    keys: tuple["RoutedChannel", ...] = ()  # of a multi-key channel: the same channel with each key that still works
    multi_key: str = ""  # random or round_robin, where `keys` are
    key_no: int = 0  # which of the keys this one has
    key_name: str = ""  # of a multi-key channel's key, for events; tells nothing of the key
    key_names: frozenset[str] = frozenset()  # of all keys that still worked when this was read
    drained: bool = False  # no new calls
    concurrency_max: int = 0  # calls at once; 0: any
    per_minute_max: int = 0  # calls a minute; 0: any
    cost: float = 1.0  # relative price at the upstream, for the choice `cheapest`


def read_channel(row: Any, vault: Vault, *, one_api: bool) -> RoutedChannel:
    """`row` has the columns of `channels`. Raises schema.secrets.SealError when the key cannot be opened."""
    account = read_account(row, vault, one_api=one_api)
    setting = account.view.setting
    ratio = setting.get("cache_ratio")
    channel = RoutedChannel(
        id=account.id,
        priority=row.priority or 0,
        weight=max(0, row.weight or 0),
        type=account.type,
        view=account.view,
        provider=account.provider,
        groups=account.groups,
        models=account.models,
        model_mapping=account.model_mapping,
        status_mapping=account.status_mapping,
        auto_ban=account.auto_ban,
        cache_ratio=Decimal(str(ratio)) if isinstance(ratio, int | float) and 0 <= ratio <= 1 else None,
        key_name=key_name(account.keys[0]) if account.multi_key and account.keys else "",
        drained=account.info.get("drained") is True,
        concurrency_max=_whole(setting.get("concurrency_max")),
        per_minute_max=_whole(setting.get("per_minute_max")),
        cost=float(cost) if isinstance(cost := setting.get("cost"), int | float) and cost >= 0 else 1.0,
    )
    if not account.multi_key:
        return channel
    names = [key_name(key) for key in account.keys]
    channel = replace(channel, key_names=frozenset(names))
    variants = tuple(
        replace(channel, view=replace(account.view, key=key), key_no=number, key_name=names[number])
        for number, key in enumerate(account.keys)
    )
    return replace(channel, keys=variants, multi_key=account.multi_key)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def index_channels(channels: Iterable[RoutedChannel]) -> dict[tuple[str, str], Tiers]:
    """(group, model) -> tiers."""
    found: dict[tuple[str, str], list[RoutedChannel]] = {}
    for channel in channels:
        if channel.drained or (channel.multi_key and not channel.keys):
            continue
        for group in channel.groups:
            for model in channel.models:
                found.setdefault((group, model), []).append(channel)
    return {key: build_tiers(members) for key, members in found.items()}
