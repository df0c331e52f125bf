"""How users, tokens and redemption codes look in replies: the predecessors' member names, never a secret of others."""

import json
from datetime import datetime
from typing import Any

from msgspec import Struct

from schema.tables import Redemption, Token, User


class UserView(Struct):
    """`password`, `verification_code` are always empty, `access_token` always null. Quota in units, times in Unix s."""

    id: int = 0
    username: str = ""
    password: str = ""
    display_name: str = ""
    role: int = 0
    status: int = 0
    email: str = ""
    github_id: str = ""
    oidc_id: str = ""
    wechat_id: str = ""
    telegram_id: str = ""
    verification_code: str = ""
    access_token: str | None = None
    quota: int = 0
    used_quota: int = 0
    request_count: int = 0
    group: str = ""
    aff_code: str = ""
    aff_count: int = 0
    aff_quota: int = 0
    aff_history_quota: int = 0
    inviter_id: int = 0
    DeletedAt: datetime | None = None
    linux_do_id: str = ""
    setting: str = ""
    has_password: bool = False
    has_access_token: bool = False
    last_login_at: int = 0
    two_factor: bool = False
    discord_id: str = ""
    lark_id: str = ""


_TEXTS = (
    "display_name",
    "email",
    "github_id",
    "oidc_id",
    "wechat_id",
    "telegram_id",
    "aff_code",
    "linux_do_id",
    "discord_id",
    "lark_id",
)
_NUMBERS = ("quota", "used_quota", "request_count", "aff_count", "aff_quota", "inviter_id", "last_login_at")


def view_user(row: Any, *, own: bool = False) -> UserView:
    """A row of `users`. The webhook secret is left out of `setting`; its owner learns that it is set."""
    view = UserView(id=row.id, username=row.username or "", role=row.role or 0, status=row.status or 0)
    for name in _TEXTS:
        setattr(view, name, getattr(row, name) or "")
    for name in _NUMBERS:
        setattr(view, name, getattr(row, name) or 0)
    view.aff_history_quota = row.aff_history or 0
    view.group, view.DeletedAt = row.group or "default", row.deleted_at
    view.has_password = bool(row.password)
    view.has_access_token = bool(row.access_token or row.access_token_hash)
    setting = read_setting(row.setting)
    if setting.pop("webhook_secret", None) and own:
        setting["webhook_secret_set"] = True
    view.setting = json.dumps(setting, ensure_ascii=False) if setting else ""
    return view


def view_login(row: Any) -> UserView:
    """What a sign-in answers."""
    view = UserView(id=row.id, username=row.username, role=row.role, status=row.status)
    view.display_name, view.group = row.display_name or "", row.group or "default"
    return view


def read_setting(text: str | None) -> dict[str, Any]:
    """The JSON object of a setting column; {} when it is none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class TokenView(Struct):
    """`key` without `sk-`, whole or masked. `expired_time` -1 never."""

    id: int
    user_id: int
    key: str
    status: int
    name: str
    created_time: int
    accessed_time: int
    expired_time: int
    remain_quota: int
    unlimited_quota: bool
    model_limits_enabled: bool
    model_limits: str
    allow_ips: str | None
    used_quota: int
    group: str
    DeletedAt: datetime | None
    subnet: str
    last_used_ip: str
    note: str


def mask_key(key: str) -> str:
    return f"{key[:4]}**********{key[-4:]}"


def view_token(row: Token | Any, *, full_key: bool) -> TokenView:
    """A row of `tokens`, for its owner only."""
    key = row.key or ""
    return TokenView(
        row.id, row.user_id, key if full_key else mask_key(key), row.status, row.name or "", row.created_time or 0,
        row.accessed_time or 0, row.expired_time, row.remain_quota or 0, bool(row.unlimited_quota),
        bool(row.model_limits_enabled), row.model_limits or "", row.allow_ips, row.used_quota or 0, row.group or "",
        row.deleted_at, row.subnet or "", row.last_used_ip or "", row.note or "",
    )  # fmt: skip


class RedemptionView(Struct):
    """A code worth `quota` units. Status 1 usable, 2 disabled, 3 used."""

    id: int
    user_id: int
    key: str
    status: int
    name: str
    quota: int
    created_time: int
    redeemed_time: int
    used_user_id: int
    expired_time: int
    DeletedAt: datetime | None
    count: int = 0


def view_redemption(row: Redemption | Any) -> RedemptionView:
    return RedemptionView(
        row.id, row.user_id or 0, row.key or "", row.status, row.name or "", row.quota, row.created_time or 0,
        row.redeemed_time or 0, row.used_user_id or 0, row.expired_time or 0, row.deleted_at,
    )  # fmt: skip


USER_COLUMNS = tuple(User.__table__.columns)
TOKEN_COLUMNS = tuple(Token.__table__.columns)
REDEMPTION_COLUMNS = tuple(Redemption.__table__.columns)
