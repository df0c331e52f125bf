"""The tables that the predecessors made and we keep, column for column; our own stand in `own_tables` and are re-exported here.

Columns marked "ours" are added to adopted databases as well, always nullable or with a default. Unix times are seconds
unless the name ends in `_ms`; the times of `midjourneys` are milliseconds. Quota columns are whole quota units.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.columns import Base, BigId, Flag, IndexedText, Int, LongText, Moment, Padded, Real, UInt
from schema.own_tables import (
    AsyncTask,
    AuditEntry,
    ChannelBalance,
    ChannelEvent,
    LedgerEntry,
    Meta,
    Passkey,
    SettleCursor,
    TopUpOrder,
    TwoFactor,
    UsageHourly,
    UsageTotal,
)

__all__ = [
    "Ability",
    "AsyncTask",
    "AuditEntry",
    "Base",
    "Channel",
    "ChannelBalance",
    "ChannelEvent",
    "LedgerEntry",
    "Log",
    "Meta",
    "Midjourney",
    "OptionRow",
    "Passkey",
    "QuotaData",
    "Redemption",
    "SettleCursor",
    "Setup",
    "Task",
    "Token",
    "TopUp",
    "TopUpOrder",
    "TwoFactor",
    "UsageHourly",
    "UsageTotal",
    "User",
]


def _int(default: int | None = None, **more: Any) -> Any:
    # A quoted default: MySQL before 8.0.13 refuses `DEFAULT (-1)`, and all three read '-1' as a number.
    if default is None:
        return mapped_column(Int, nullable=True, **more)
    return mapped_column(Int, nullable=True, default=default, server_default=str(default), **more)


def _word(default: str | None = None, **more: Any) -> Any:
    if default is None:
        return mapped_column(IndexedText, nullable=True, **more)
    return mapped_column(IndexedText, nullable=True, default=default, server_default=default, **more)


def _short(size: int, default: str | None = None, **more: Any) -> Any:
    if default is None:
        return mapped_column(String(size), nullable=True, **more)
    return mapped_column(String(size), nullable=True, default=default, server_default=default, **more)


def _flag() -> Any:
    return mapped_column(Flag, nullable=True, default=False, server_default=false())


class User(Base):
    """An account. `quota` moves only together with a ledger entry; it may be negative."""

    __tablename__ = "users"
    __table_args__ = (
        Index("idx_users_username", "username"),
        Index("idx_users_display_name", "display_name"),
        Index("idx_users_email", "email"),
        Index("idx_users_git_hub_id", "github_id"),
        Index("idx_users_oidc_id", "oidc_id"),
        Index("idx_users_we_chat_id", "wechat_id"),
        Index("idx_users_telegram_id", "telegram_id"),
        Index("idx_users_linux_do_id", "linux_do_id"),
        Index("idx_users_access_token", "access_token", unique=True),
        Index("idx_users_aff_code", "aff_code", unique=True),
        Index("idx_users_inviter_id", "inviter_id"),
        Index("idx_users_deleted_at", "deleted_at"),
        Index("mx_users_access_token_hash", "access_token_hash", unique=True),
        Index("mx_users_github_numeric_id", "github_numeric_id"),
        Index("mx_users_discord_id", "discord_id"),
    )
    id: Mapped[BigId]
    username: Mapped[str] = mapped_column(IndexedText, unique=True, nullable=True)
    password: Mapped[str] = mapped_column(LongText, nullable=False, default="")  # bcrypt; '' for accounts made by OAuth
    display_name: Mapped[str | None] = _word()
    role: Mapped[int] = _int(1)  # 0 guest, 1 common, 10 admin, 100 root
    status: Mapped[int] = _int(1)  # 1 enabled, 2 disabled, 3 deleted (One API)
    email: Mapped[str | None] = _word()
    github_id: Mapped[str | None] = _word()  # the login name, as adopted; the number is in github_numeric_id
    oidc_id: Mapped[str | None] = _word()
    wechat_id: Mapped[str | None] = _word()
    lark_id: Mapped[str | None] = _word()  # One API; `open_id` of Lark
    telegram_id: Mapped[str | None] = _word()
    linux_do_id: Mapped[str | None] = _word()
    access_token: Mapped[str | None] = mapped_column(Padded(32), nullable=True)  # plaintext, adopted rows only
    quota: Mapped[int] = _int(0)
    used_quota: Mapped[int] = _int(0)
    request_count: Mapped[int] = _int(0)
    group: Mapped[str] = _short(64, "default")
    aff_code: Mapped[str | None] = _short(32)
    aff_count: Mapped[int] = _int(0)
    aff_quota: Mapped[int] = _int(0)
    aff_history: Mapped[int] = _int(0)
    inviter_id: Mapped[int | None] = _int()
    deleted_at: Mapped[datetime | None] = mapped_column(Moment, nullable=True)
    setting: Mapped[str | None] = mapped_column(Text, nullable=True)  # JSON
    # ours
    access_token_hash: Mapped[str | None] = _short(64)  # hex SHA-256
    github_numeric_id: Mapped[str | None] = _short(32)
    discord_id: Mapped[str | None] = _short(64)
    created_at: Mapped[int | None] = _int()  # s; NULL in adopted rows
    last_login_at: Mapped[int | None] = _int()  # s
    email_verified_at: Mapped[int | None] = _int()  # s
    remark: Mapped[str | None] = mapped_column(Text, nullable=True)  # the admins' note


class Token(Base):
    """A client's key. `key` is stored without `sk-`; `remain_quota` of an unlimited token means nothing."""

    __tablename__ = "tokens"
    __table_args__ = (
        Index("idx_tokens_user_id", "user_id"),
        Index("idx_tokens_key", "key", unique=True),
        Index("idx_tokens_name", "name"),
        Index("idx_tokens_deleted_at", "deleted_at"),
        Index("mx_tokens_key_hash", "key_hash", unique=True),
    )
    id: Mapped[BigId]
    user_id: Mapped[int] = _int()
    key: Mapped[str] = mapped_column(Padded(48), nullable=True)
    status: Mapped[int] = _int(1)  # 1 enabled, 2 disabled, 3 expired, 4 exhausted
    name: Mapped[str | None] = _word()
    created_time: Mapped[int | None] = _int()
    accessed_time: Mapped[int | None] = _int()
    expired_time: Mapped[int] = _int(-1)  # -1 never
    remain_quota: Mapped[int] = _int(0)
    unlimited_quota: Mapped[bool] = _flag()
    used_quota: Mapped[int] = _int(0)
    model_limits_enabled: Mapped[bool] = _flag()
    model_limits: Mapped[str | None] = mapped_column(Text, nullable=True)  # comma list of exact names
    allow_ips: Mapped[str | None] = mapped_column(Text, nullable=True)
    group: Mapped[str | None] = _word("")  # '' the user's group
    deleted_at: Mapped[datetime | None] = mapped_column(Moment, nullable=True)
    models: Mapped[str | None] = mapped_column(Text, nullable=True)  # One API's model_limits
    subnet: Mapped[str | None] = _word("")  # One API: comma list of CIDR blocks
    # ours
    key_hash: Mapped[str | None] = _short(64)  # hex HMAC-SHA256 of the key where TOKEN_KEYS_AT_REST=hashed
    note: Mapped[str | None] = mapped_column(Text, nullable=True)
    setting: Mapped[str | None] = mapped_column(Text, nullable=True)  # JSON: limits of this token
    last_used_ip: Mapped[str | None] = _short(64)


class Channel(Base):
    """One account at an upstream provider. `key` and `setting` may be sealed (see schema.secrets)."""

    __tablename__ = "channels"
    __table_args__ = (Index("idx_channels_name", "name"), Index("idx_channels_tag", "tag"))
    id: Mapped[BigId]
    type: Mapped[int] = _int(0)  # a number that the two predecessors read differently: route by `provider`
    key: Mapped[str] = mapped_column(LongText, nullable=False, default="")
    open_ai_organization: Mapped[str | None] = mapped_column(LongText, nullable=True)
    test_model: Mapped[str | None] = mapped_column(LongText, nullable=True)
    status: Mapped[int] = _int(1)  # 0 unknown, 1 enabled, 2 disabled by hand, 3 disabled automatically
    name: Mapped[str | None] = _word()
    weight: Mapped[int | None] = mapped_column(UInt, nullable=True, default=0, server_default=text("0"))
    created_time: Mapped[int | None] = _int()
    test_time: Mapped[int | None] = _int()
    response_time: Mapped[int | None] = _int()  # ms, of the last test
    base_url: Mapped[str | None] = _word("")
    other: Mapped[str | None] = mapped_column(LongText, nullable=True)
    balance: Mapped[float | None] = mapped_column(Real, nullable=True)  # USD
    balance_updated_time: Mapped[int | None] = _int()
    models: Mapped[str | None] = mapped_column(LongText, nullable=True)  # comma list
    group: Mapped[str] = _short(64, "default")  # comma list
    used_quota: Mapped[int] = _int(0)
    model_mapping: Mapped[str | None] = mapped_column(Text, nullable=True)  # JSON object
    priority: Mapped[int | None] = _int(0)
    status_code_mapping: Mapped[str | None] = _short(1024, "")
    auto_ban: Mapped[int | None] = _int(1)
    other_info: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON: status_reason, status_time
    tag: Mapped[str | None] = _word()
    setting: Mapped[str | None] = mapped_column(Text, nullable=True)  # JSON: proxy, cache_ratio, multi-key ...
    param_override: Mapped[str | None] = mapped_column(Text, nullable=True)  # JSON object
    config: Mapped[str | None] = mapped_column(LongText, nullable=True)  # One API, JSON
    system_prompt: Mapped[str | None] = mapped_column(Text, nullable=True)  # One API
    # ours
    provider: Mapped[str | None] = _short(32)  # symbolic name, see schema.providers
    remark: Mapped[str | None] = mapped_column(Text, nullable=True)


class Ability(Base):
    """Group G may use model M on channel C. Derived from `channels`; may always be rebuilt."""

    __tablename__ = "abilities"
    __table_args__ = (
        Index("idx_abilities_channel_id", "channel_id"),
        Index("idx_abilities_priority", "priority"),
        Index("idx_abilities_weight", "weight"),
        Index("idx_abilities_tag", "tag"),
    )
    group: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    channel_id: Mapped[int] = mapped_column(Int, primary_key=True, autoincrement=False)
    enabled: Mapped[bool] = mapped_column(Flag, nullable=True)
    priority: Mapped[int | None] = _int(0)
    weight: Mapped[int | None] = mapped_column(UInt, nullable=True, default=0, server_default=text("0"))
    tag: Mapped[str | None] = _word()


class Log(Base):
    """What happened, for people to read; may live in another database (LOG_SQL_DSN). The ledger is the book of money.

    New databases get fewer indexes than the predecessors made: each one is paid for by every call. Pages are read in the
    order of (created_at, id), so the indexes end with these; rows that are not about calls are few and have their own.
    """

    __tablename__ = "logs"
    __table_args__ = (
        Index("mx_logs_time", "created_at", "id"),
        Index("mx_logs_user", "user_id", "created_at", "id"),
        Index("mx_logs_token", "token_id", "id"),
        Index("mx_logs_channel", "channel_id", "created_at", "id"),
        Index(
            "mx_logs_other",
            "type",
            "created_at",
            "id",
            sqlite_where=text("type <> 2"),
            postgresql_where=text("type <> 2"),
        ),
        Index(
            "mx_logs_request_id",
            "request_id",
            sqlite_where=text("request_id <> ''"),
            postgresql_where=text("request_id <> ''"),
        ),
    )
    id: Mapped[BigId]
    user_id: Mapped[int | None] = _int()
    created_at: Mapped[int | None] = _int()
    type: Mapped[int | None] = _int()  # 1 top-up, 2 consumption, 3 management, 4 system, 5 error (One API: test)
    content: Mapped[str | None] = mapped_column(LongText, nullable=True)
    username: Mapped[str] = _word("")
    token_name: Mapped[str] = _word("")
    model_name: Mapped[str] = _word("")
    quota: Mapped[int] = _int(0)
    prompt_tokens: Mapped[int] = _int(0)
    completion_tokens: Mapped[int] = _int(0)
    use_time: Mapped[int] = _int(0)  # whole seconds
    is_stream: Mapped[bool] = _flag()
    channel_id: Mapped[int | None] = _int()
    channel_name: Mapped[str | None] = mapped_column(LongText, nullable=True)  # never written by anybody
    token_id: Mapped[int] = _int(0)
    group: Mapped[str | None] = _word()
    other: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON
    request_id: Mapped[str | None] = _word("")
    elapsed_time: Mapped[int | None] = _int(0)  # ms
    system_prompt_reset: Mapped[bool] = _flag()
    # ours
    ip: Mapped[str | None] = _short(64)
    status_code: Mapped[int | None] = _int()  # HTTP status that the client got


class OptionRow(Base):
    """One changed setting; absent means the built-in default. Secret values may be sealed."""

    __tablename__ = "options"
    key: Mapped[str] = mapped_column(IndexedText, primary_key=True)
    value: Mapped[str | None] = mapped_column(LongText, nullable=True)


class Redemption(Base):
    """A code worth quota. Redeemed by `UPDATE ... WHERE status = 1`: one winner."""

    __tablename__ = "redemptions"
    __table_args__ = (
        Index("idx_redemptions_key", "key", unique=True),
        Index("idx_redemptions_name", "name"),
        Index("idx_redemptions_deleted_at", "deleted_at"),
    )
    id: Mapped[BigId]
    user_id: Mapped[int | None] = _int()  # who made it
    key: Mapped[str] = mapped_column(Padded(32), nullable=True)
    status: Mapped[int] = _int(1)  # 1 unused, 2 disabled, 3 used
    name: Mapped[str | None] = _word()
    quota: Mapped[int] = _int(100)
    created_time: Mapped[int | None] = _int()
    redeemed_time: Mapped[int | None] = _int()
    used_user_id: Mapped[int | None] = _int()
    deleted_at: Mapped[datetime | None] = mapped_column(Moment, nullable=True)
    # ours
    expired_time: Mapped[int | None] = _int()  # s; NULL or 0 never


class TopUp(Base):
    """An order as the predecessors list it. Ours also have a row in `mx_top_up_orders`, where the order number is unique."""

    __tablename__ = "top_ups"
    __table_args__ = (Index("idx_top_ups_user_id", "user_id"),)
    id: Mapped[BigId]
    user_id: Mapped[int | None] = _int()
    amount: Mapped[int | None] = _int()  # whole USD
    money: Mapped[float | None] = mapped_column(Real, nullable=True)  # price in the currency of payment
    trade_no: Mapped[str | None] = mapped_column(LongText, nullable=True)  # neither unique nor indexed in old data
    create_time: Mapped[int | None] = _int()
    status: Mapped[str | None] = mapped_column(LongText, nullable=True)  # pending, success; ours: expired, failed


class Midjourney(Base):
    """A drawing task as the predecessors list it. Times in ms."""

    __tablename__ = "midjourneys"
    __table_args__ = tuple(
        Index(f"idx_midjourneys_{name}", name)
        for name in ("user_id", "action", "mj_id", "submit_time", "start_time", "finish_time", "status", "progress")
    )
    id: Mapped[BigId]
    code: Mapped[int | None] = _int()
    user_id: Mapped[int | None] = _int()
    action: Mapped[str | None] = _short(40)
    mj_id: Mapped[str | None] = _word()
    prompt: Mapped[str | None] = mapped_column(LongText, nullable=True)
    prompt_en: Mapped[str | None] = mapped_column(LongText, nullable=True)
    description: Mapped[str | None] = mapped_column(LongText, nullable=True)
    state: Mapped[str | None] = mapped_column(LongText, nullable=True)
    submit_time: Mapped[int | None] = _int()
    start_time: Mapped[int | None] = _int()
    finish_time: Mapped[int | None] = _int()
    image_url: Mapped[str | None] = mapped_column(LongText, nullable=True)
    status: Mapped[str | None] = _short(20)
    progress: Mapped[str | None] = _short(30)
    fail_reason: Mapped[str | None] = mapped_column(LongText, nullable=True)
    channel_id: Mapped[int | None] = _int()
    quota: Mapped[int | None] = _int()
    buttons: Mapped[str | None] = mapped_column(LongText, nullable=True)
    properties: Mapped[str | None] = mapped_column(LongText, nullable=True)


class Task(Base):
    """An asynchronous task (Suno) as the predecessors list it. Times in s."""

    __tablename__ = "tasks"
    __table_args__ = tuple(
        Index(f"idx_tasks_{name}", name)
        for name in (
            "created_at",
            "task_id",
            "platform",
            "user_id",
            "channel_id",
            "action",
            "status",
            "submit_time",
            "start_time",
            "finish_time",
            "progress",
        )
    )
    id: Mapped[BigId]
    created_at: Mapped[int | None] = _int()
    updated_at: Mapped[int | None] = _int()
    task_id: Mapped[str | None] = _short(50)
    platform: Mapped[str | None] = _short(30)
    user_id: Mapped[int | None] = _int()
    channel_id: Mapped[int | None] = _int()
    quota: Mapped[int | None] = _int()
    action: Mapped[str | None] = _short(40)
    status: Mapped[str | None] = _short(20)
    fail_reason: Mapped[str | None] = mapped_column(LongText, nullable=True)
    submit_time: Mapped[int | None] = _int()
    start_time: Mapped[int | None] = _int()
    finish_time: Mapped[int | None] = _int()
    progress: Mapped[str | None] = _short(20)
    properties: Mapped[Any] = mapped_column(JSON, nullable=True)
    data: Mapped[Any] = mapped_column(JSON, nullable=True)


class QuotaData(Base):
    """Usage of one user and model in one hour, as the predecessors' dashboard reads it. Logical key: our unique index on new databases."""

    __tablename__ = "quota_data"
    __table_args__ = (
        Index("mx_quota_data_user", "user_id", "created_at"),
        Index("idx_qdt_created_at", "created_at"),
        Index("idx_qdt_model_user_name", "model_name", "username"),
    )
    id: Mapped[BigId]
    user_id: Mapped[int | None] = _int()
    username: Mapped[str] = _short(64, "")
    model_name: Mapped[str] = _short(64, "")
    created_at: Mapped[int | None] = _int()  # s, rounded down to the hour
    token_used: Mapped[int] = _int(0)
    count: Mapped[int] = _int(0)
    quota: Mapped[int] = _int(0)


class Setup(Base):
    """One row: the first-run wizard is done."""

    __tablename__ = "setups"
    id: Mapped[BigId]
    version: Mapped[str] = mapped_column(String(50), nullable=False)
    initialized_at: Mapped[int] = mapped_column(Int, nullable=False)  # s
