"""A channel's row as something that can be called: its provider, its keys, its JSON columns decoded."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects.providers.base import ChannelView, Provider
from schema.dialects.providers.registry import get_provider
from schema.providers import provider_of
from schema.secrets import Vault
from schema.upstreams.one_api_rows import read_credentials

KEYS_MAX = 1_000  # of one channel
MULTI_KEY = ("random", "round_robin")  # values of `setting.multi_key`; anything else: the column holds one key


class Account(Struct, frozen=True):
    """One channel, whatever its status."""

    id: int
    name: str
    type: int  # as stored
    status: int
    provider: Provider
    view: ChannelView  # with the first usable key
    keys: tuple[str, ...]  # usable ones; more than one only for multi-key channels
    multi_key: str  # '', or one of MULTI_KEY
    info: Mapping[str, Any]  # other_info
    groups: tuple[str, ...]
    models: tuple[str, ...]
    test_model: str
    model_mapping: Mapping[str, str]
    status_mapping: dict[str, str]
    auto_ban: bool


def read_object(text: str | None) -> dict[str, Any]:
    """A JSON object of a column; empty for '', NULL and what is no object."""
    if not text or not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def split_names(text: str | None) -> tuple[str, ...]:
    """A comma list, trimmed, without empty and repeated names."""
    return tuple(dict.fromkeys(name for part in (text or "").split(",") if (name := part.strip())))


def key_name(key: str) -> str:
    """Names a key without telling it: 12 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def split_keys(text: str, multi_key: str, retired: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that may be used, in their order. With `multi_key` one a line, retired ones left out."""
    if multi_key not in MULTI_KEY:
        return (text,)
    found = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))[:KEYS_MAX]
    return tuple(key for key in found if key_name(key) not in retired)


def read_account(row: Any, vault: Vault, *, one_api: bool = False) -> Account:
    """`row` has the columns of `channels`. Raises schema.secrets.SealError when the key cannot be opened."""
    name = row.provider or provider_of(row.type or 0, one_api=one_api)
    setting = read_object(vault.unseal(row.setting or ""))
    info = read_object(row.other_info)
    retired = info.get("retired_keys")
    multi_key = str(setting.get("multi_key") or "")
    key, other = vault.unseal(row.key or "").strip(), (row.other or "").strip()
    if row.config:
        key, other, more = read_credentials(name, key, other, read_object(vault.unseal(row.config)))
        setting = more | setting
    keys = split_keys(key, multi_key, retired if isinstance(retired, dict) else {})
    models = split_names(row.models)
    mapping = {k: v for k, v in read_object(row.model_mapping).items() if isinstance(v, str) and v}
    return Account(
        id=row.id,
        name=row.name or "",
        type=row.type or 0,
        status=row.status or 0,
        provider=get_provider(name),
        view=ChannelView(
            id=row.id,
            provider=name,
            key=keys[0] if keys else "",
            type=row.type or 0,
            base_url=(row.base_url or "").strip(),
            other=other,
            organization=row.open_ai_organization or "",
            setting=setting,
            system_prompt=row.system_prompt or "",
            param_override=read_object(row.param_override),
            models=frozenset(models),
            literal=frozenset(mapping.values()),
        ),
        keys=keys,
        multi_key=multi_key if multi_key in MULTI_KEY else "",
        info=info,
        groups=split_names(row.group),
        models=models,
        test_model=(row.test_model or "").strip(),
        model_mapping=mapping,
        status_mapping={k: v for k, v in read_object(row.status_code_mapping).items() if isinstance(v, str)},
        auto_ban=row.auto_ban == 1,
    )
