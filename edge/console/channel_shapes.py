"""What the channel routes read and answer."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from edge.services import Services
from schema.providers import provider_of, shown_number


class ChannelBody(Struct):
    """Absent members of a PUT stay unchanged; so do '' of `key` and 0 of `type`, as old front-ends send them."""

    id: int = 0
    type: int = 0
    key: str = ""
    name: str | UnsetType = UNSET
    status: int | UnsetType = UNSET
    weight: int | UnsetType | None = UNSET
    priority: int | UnsetType | None = UNSET
    auto_ban: int | UnsetType | None = UNSET
    base_url: str | UnsetType | None = UNSET
    other: str | UnsetType | None = UNSET
    models: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    openai_organization: str | UnsetType | None = UNSET
    test_model: str | UnsetType | None = UNSET
    model_mapping: str | UnsetType | None = UNSET
    status_code_mapping: str | UnsetType | None = UNSET
    tag: str | UnsetType | None = UNSET
    setting: str | UnsetType | None = UNSET
    param_override: str | UnsetType | None = UNSET
    system_prompt: str | UnsetType | None = UNSET
    remark: str | UnsetType | None = UNSET


class ChannelView(Struct):
    """`key` is always ''. Times in Unix s, `response_time` in ms, `used_quota` in units; JSON members are texts."""

    id: int
    type: int
    key: str
    openai_organization: str | None
    test_model: str | None
    status: int
    name: str
    weight: int | None
    created_time: int
    test_time: int
    response_time: int
    base_url: str | None
    other: str
    balance: float
    balance_updated_time: int
    models: str
    group: str
    used_quota: int
    model_mapping: str | None
    status_code_mapping: str | None
    priority: int | None
    auto_ban: int | None
    other_info: str
    tag: str | None
    setting: str | None
    param_override: str | None
    system_prompt: str | None
    remark: str | None
    provider: str


class CopyView(Struct):
    id: int


class ChannelKeyView(Struct):
    key: str


class IdsBody(Struct):
    ids: list[int]
    tag: str | None = None


class TagBody(Struct):
    """Empty or absent members keep what is."""

    tag: str
    new_tag: str | None = None
    priority: int | None = None
    weight: int | None = None
    model_mapping: str | None = None
    models: str | None = None
    groups: str | None = None


def view_channel(services: Services, row: Any) -> ChannelView:
    provider = row.provider or provider_of(row.type or 0)
    return ChannelView(
        row.id, shown_number(provider), "", row.open_ai_organization, row.test_model, row.status, row.name or "",
        row.weight, row.created_time or 0, row.test_time or 0, row.response_time or 0, row.base_url, row.other or "",
        float(row.balance or 0), row.balance_updated_time or 0, row.models or "", row.group or "", row.used_quota or 0,
        row.model_mapping, row.status_code_mapping, row.priority, row.auto_ban, row.other_info or "", row.tag,
        services.vault.unseal(row.setting) if row.setting else row.setting, row.param_override, row.system_prompt,
        row.remark, provider,
    )  # fmt: skip
