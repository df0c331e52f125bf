"""The tables that only we have. Their names begin with `mx_`, so that no predecessor mistakes them for its own."""

from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column

from schema.columns import Base, BigId, Flag, Int, LongText, Real

# Names that are compared exactly, whatever the collation of the database.
Name = String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")
Word = String(64).with_variant(mysql.VARCHAR(64, collation="utf8mb4_bin"), "mysql", "mariadb")


def _count() -> Any:
    return mapped_column(Int, nullable=False, default=0, server_default=text("0"))


class Meta(Base):
    """Facts about this database: schema_version, origin (new, new-api, one-api), adopted_at, adopted_log_id ..."""

    __tablename__ = "mx_meta"
    key: Mapped[str] = mapped_column(Word, primary_key=True)
    value: Mapped[str] = mapped_column(LongText, nullable=False, default="")


class LedgerEntry(Base):
    """One movement of quota. Append-only: a correction is another entry, never an UPDATE or a DELETE.

    Unique (kind, reference): the second lock against charging twice. `delta` moved the balance named in `balance`;
    `token_delta` is what the same movement did to the limited token `token_id` (0 for unlimited ones). What an account
    had when its database was adopted stands here as a first entry of kind `opening`.
    """

    __tablename__ = "mx_ledger_entries"
    __table_args__ = (
        UniqueConstraint("kind", "reference", name="mx_ledger_kind_reference"),
        Index("mx_ledger_user", "user_id", "id"),
    )
    id: Mapped[BigId]
    kind: Mapped[str] = mapped_column(Word, nullable=False)  # settle, refund, topup, redeem, gift, invite, adjust ...
    reference: Mapped[str] = mapped_column(Name, nullable=False)  # the request id of a call, the number of an order ...
    balance: Mapped[str] = mapped_column(String(8), nullable=False, default="user")  # user, token, or aff
    user_id: Mapped[int] = mapped_column(Int, nullable=False)
    token_id: Mapped[int] = _count()  # 0: none
    delta: Mapped[int] = mapped_column(Int, nullable=False)  # quota; signed: a charge is negative
    token_delta: Mapped[int] = _count()  # quota; what the same movement did to a limited token
    actor: Mapped[str] = mapped_column(String(64), nullable=False, default="system", server_default="system")
    reason: Mapped[str] = mapped_column(String(255), nullable=False, default="", server_default="")
    at_ms: Mapped[int] = mapped_column(Int, nullable=False)  # Unix ms, when it happened, not when it was written


class SettleCursor(Base):
    """How far a partition of the usage stream has been applied; moved by compare-and-set together with the effects."""

    __tablename__ = "mx_settle_cursors"
    partition: Mapped[int] = mapped_column(Int, primary_key=True, autoincrement=False)
    position: Mapped[str] = mapped_column(
        String(64), nullable=False, default="0-0"
    )  # stream id of the last one applied
    moved_ms: Mapped[int] = _count()


class UsageHourly(Base):
    """Usage of one hour by channel, model, user and token. Dashboards read this and never the log."""

    __tablename__ = "mx_usage_hourly"
    __table_args__ = (
        UniqueConstraint("hour", "user_id", "token_id", "channel_id", "model", "group", name="mx_usage_hourly_cell"),
        Index("mx_usage_hourly_channel", "channel_id", "hour"),
        Index("mx_usage_hourly_user", "user_id", "hour"),
    )
    id: Mapped[BigId]
    hour: Mapped[int] = mapped_column(Int, nullable=False)  # s, multiple of 3600
    channel_id: Mapped[int] = mapped_column(Int, nullable=False)
    model: Mapped[str] = mapped_column(Name, nullable=False)
    user_id: Mapped[int] = mapped_column(Int, nullable=False)
    token_id: Mapped[int] = _count()
    group: Mapped[str] = mapped_column(Word, nullable=False, default="", server_default="")
    calls: Mapped[int] = _count()
    errors: Mapped[int] = _count()
    streams: Mapped[int] = _count()
    quota: Mapped[int] = _count()
    quota_saved: Mapped[int] = _count()  # what the cached prompt tokens would have cost more without the cache
    prompt_tokens: Mapped[int] = _count()  # all of them, cached and written ones included
    cached_tokens: Mapped[int] = _count()
    cache_write_tokens: Mapped[int] = _count()
    completion_tokens: Mapped[int] = _count()
    reasoning_tokens: Mapped[int] = _count()
    latency_ms_sum: Mapped[int] = _count()
    latency_ms_max: Mapped[int] = _count()
    first_byte_ms_sum: Mapped[int] = _count()
    first_byte_count: Mapped[int] = _count()  # calls that had a first byte: divisor of first_byte_ms_sum


class UsageTotal(Base):
    """Sums of mx_usage_hourly for the pages that people open, so that these look at hundreds of rows and not at millions.

    Hours: `all`; `hour` by model and group; `chan_h` by channel; `token_h` by account, key and group. Days (UTC): `user`;
    `token` by account and key; `channel` by channel and model. Four hours: `model` by account and model. Weeks that begin on
    Thursdays, as Unix time did: `user_w`, `token_w`. What a kind does not tell apart is 0 or ''. Made by the job
    `usage_totals`, and anew at any time.
    """

    __tablename__ = "mx_usage_sums"
    __table_args__ = (
        UniqueConstraint(
            "kind", "at", "user_id", "token_id", "channel_id", "model", "group", name="mx_usage_sums_cell"
        ),
        Index("mx_usage_sums_user", "user_id", "kind", "at"),
        Index("mx_usage_sums_channel", "channel_id", "kind", "at"),
    )
    id: Mapped[BigId]
    kind: Mapped[str] = mapped_column(String(8), nullable=False)
    at: Mapped[int] = mapped_column(Int, nullable=False)  # Unix s, when the span began
    user_id: Mapped[int] = _count()
    token_id: Mapped[int] = _count()
    channel_id: Mapped[int] = _count()
    model: Mapped[str] = mapped_column(Name, nullable=False, default="", server_default="")
    group: Mapped[str] = mapped_column(Word, nullable=False, default="", server_default="")
    calls: Mapped[int] = _count()
    errors: Mapped[int] = _count()
    quota: Mapped[int] = _count()
    quota_saved: Mapped[int] = _count()
    prompt_tokens: Mapped[int] = _count()
    cached_tokens: Mapped[int] = _count()
    completion_tokens: Mapped[int] = _count()


class AuditEntry(Base):
    """Who changed what. Append-only; secrets are masked before they get here."""

    __tablename__ = "mx_audit_entries"
    __table_args__ = (Index("mx_audit_at", "at_ms"), Index("mx_audit_subject", "subject", "subject_id"))
    id: Mapped[BigId]
    at_ms: Mapped[int] = mapped_column(Int, nullable=False)
    actor_id: Mapped[int] = _count()  # users.id; 0: the system
    actor: Mapped[str] = mapped_column(String(64), nullable=False, default="")
    ip: Mapped[str] = mapped_column(String(64), nullable=False, default="", server_default="")
    action: Mapped[str] = mapped_column(String(64), nullable=False)  # channel.update, option.write, user.manage ...
    subject: Mapped[str] = mapped_column(String(32), nullable=False, default="", server_default="")
    subject_id: Mapped[str] = mapped_column(String(191), nullable=False, default="", server_default="")
    detail: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON: old and new values
    request_id: Mapped[str] = mapped_column(String(64), nullable=False, default="", server_default="")


class ChannelEvent(Base):
    """A change of a channel's status, by a rule or by a person, with the evidence."""

    __tablename__ = "mx_channel_events"
    __table_args__ = (Index("mx_channel_events_channel", "channel_id", "id"), Index("mx_channel_events_at", "at_ms"))
    id: Mapped[BigId]
    channel_id: Mapped[int] = mapped_column(Int, nullable=False)
    at_ms: Mapped[int] = mapped_column(Int, nullable=False)
    kind: Mapped[str] = mapped_column(
        String(32), nullable=False, default="status"
    )  # status, test, key, balance, breaker
    actor: Mapped[str] = mapped_column(String(64), nullable=False)  # rule:<n>, or user:<id>
    from_status: Mapped[int | None] = mapped_column(Int, nullable=True)
    to_status: Mapped[int | None] = mapped_column(Int, nullable=True)
    status_code: Mapped[int | None] = mapped_column(Int, nullable=True)  # of the upstream
    keyword: Mapped[str] = mapped_column(String(191), nullable=False, default="", server_default="")
    message: Mapped[str | None] = mapped_column(Text, nullable=True)  # at most 500 characters
    model: Mapped[str] = mapped_column(String(255), nullable=False, default="", server_default="")
    request_id: Mapped[str] = mapped_column(String(64), nullable=False, default="", server_default="")
    attempts: Mapped[int] = _count()  # of the last minute
    latency_ms: Mapped[int | None] = mapped_column(Int, nullable=True)


class ChannelBalance(Base):
    """What a provider reported as our balance, over time: the "days left" of the dashboard."""

    __tablename__ = "mx_channel_balances"
    __table_args__ = (Index("mx_channel_balances_channel", "channel_id", "at_ms"),)
    id: Mapped[BigId]
    channel_id: Mapped[int] = mapped_column(Int, nullable=False)
    at_ms: Mapped[int] = mapped_column(Int, nullable=False)
    balance: Mapped[float] = mapped_column(Real, nullable=False)
    currency: Mapped[str] = mapped_column(String(8), nullable=False, default="USD", server_default="USD")


class ChannelHealth(Base):
    """Figures of attempts on one channel in one span of time, merged from the edges' minutes. `model` '' = all models."""

    __tablename__ = "mx_channel_health"
    __table_args__ = (
        UniqueConstraint("step", "at", "channel_id", "model", name="mx_channel_health_cell"),
        Index("mx_channel_health_channel", "channel_id", "step", "at"),
    )
    id: Mapped[BigId]
    step: Mapped[int] = mapped_column(Int, nullable=False)  # s: 600, 3600 or 86400
    at: Mapped[int] = mapped_column(Int, nullable=False)  # Unix s, a multiple of `step`
    channel_id: Mapped[int] = mapped_column(Int, nullable=False)
    model: Mapped[str] = mapped_column(Name, nullable=False, default="", server_default="")
    cell: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)  # schema.health.Cell in msgpack


class TopUpOrder(Base):
    """What was ordered at a payment provider; a call-back credits only when every column here agrees with it."""

    __tablename__ = "mx_top_up_orders"
    __table_args__ = (
        Index("mx_top_up_orders_user", "user_id", "id"),
        Index("mx_top_up_orders_status", "status", "created_ms"),
    )
    id: Mapped[BigId]
    trade_no: Mapped[str] = mapped_column(Name, nullable=False, unique=True)  # ours
    top_up_id: Mapped[int] = _count()  # row of top_ups
    user_id: Mapped[int] = mapped_column(Int, nullable=False)
    provider: Mapped[str] = mapped_column(String(32), nullable=False)  # epay, stripe
    merchant: Mapped[str] = mapped_column(String(191), nullable=False, default="", server_default="")
    method: Mapped[str] = mapped_column(String(32), nullable=False, default="", server_default="")
    money_minor: Mapped[int] = mapped_column(Int, nullable=False)  # cents, fen
    currency: Mapped[str] = mapped_column(String(8), nullable=False)
    quota: Mapped[int] = mapped_column(Int, nullable=False)  # to credit
    status: Mapped[str] = mapped_column(String(16), nullable=False, default="pending", server_default="pending")
    provider_trade_no: Mapped[str] = mapped_column(String(255), nullable=False, default="", server_default="")
    created_ms: Mapped[int] = mapped_column(Int, nullable=False)
    expires_ms: Mapped[int] = _count()
    paid_ms: Mapped[int] = _count()
    detail: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON, as the provider told


class TwoFactor(Base):
    """TOTP of one account. The secret is sealed; backup codes are stored as hashes, a JSON list."""

    __tablename__ = "mx_two_factors"
    user_id: Mapped[int] = mapped_column(Int, primary_key=True, autoincrement=False)
    secret: Mapped[str] = mapped_column(Text, nullable=False)
    enabled: Mapped[bool] = mapped_column(Flag, nullable=False, default=False)
    backup_codes: Mapped[str | None] = mapped_column(Text, nullable=True)
    last_step: Mapped[int] = _count()  # last time step accepted: a code works once
    created_ms: Mapped[int] = _count()


class Passkey(Base):
    """A WebAuthn credential."""

    __tablename__ = "mx_passkeys"
    __table_args__ = (Index("mx_passkeys_user", "user_id"),)
    id: Mapped[BigId]
    user_id: Mapped[int] = mapped_column(Int, nullable=False)
    credential_hash: Mapped[str] = mapped_column(String(64), nullable=False, unique=True)  # hex SHA-256 of the id
    credential_id: Mapped[str] = mapped_column(Text, nullable=False)  # base64url
    public_key: Mapped[str] = mapped_column(Text, nullable=False)  # base64url, COSE
    sign_count: Mapped[int] = _count()
    name: Mapped[str] = mapped_column(String(64), nullable=False, default="", server_default="")
    transports: Mapped[str] = mapped_column(String(191), nullable=False, default="", server_default="")
    created_ms: Mapped[int] = _count()
    last_used_ms: Mapped[int] = _count()


class AsyncTask(Base):
    """One asynchronous task of any platform with its money state. Times in ms.

    Its money changes state only in one transaction: `UPDATE ... WHERE billing_state = <expected>`, one row, plus the
    ledger entry and the balances. Updates compare `version`; terminal statuses are final.
    """

    __tablename__ = "mx_async_tasks"
    __table_args__ = (
        Index("mx_async_tasks_upstream", "channel_id", "upstream_id"),
        Index("mx_async_tasks_named", "upstream_id"),
        Index("mx_async_tasks_due", "status", "next_poll_at"),
        Index("mx_async_tasks_user", "user_id", "id"),
        Index("mx_async_tasks_legacy", "legacy_id"),
        Index("mx_async_tasks_notify", "notify_due_at"),
        Index("mx_async_tasks_outbox", "outbox_due_at"),
        UniqueConstraint("task_key", name="mx_async_tasks_key"),
    )
    id: Mapped[BigId]
    task_key: Mapped[str] = mapped_column(Word, nullable=False)  # the request id of the submit: reference in the ledger
    platform: Mapped[str] = mapped_column(String(32), nullable=False)  # mj, suno ...
    action: Mapped[str] = mapped_column(String(64), nullable=False, default="")
    mode: Mapped[str] = mapped_column(String(32), nullable=False, default="")
    model: Mapped[str] = mapped_column(Name, nullable=False, default="")
    user_id: Mapped[int] = mapped_column(Int, nullable=False)
    token_id: Mapped[int] = _count()
    channel_id: Mapped[int] = _count()
    group: Mapped[str] = mapped_column(String(64), nullable=False, default="default")
    channel_key: Mapped[str] = mapped_column(String(64), nullable=False, default="", server_default="")  # which of many
    price: Mapped[str | None] = mapped_column(Text, nullable=True)  # JSON of schema.tasks.billing.Billing
    code: Mapped[int] = _count()  # what the upstream said at submit
    prompt: Mapped[str | None] = mapped_column(LongText, nullable=True)
    upstream_id: Mapped[str] = mapped_column(Name, nullable=False, default="")
    legacy_id: Mapped[int] = _count()  # row of midjourneys or tasks that shows it to the predecessor
    request: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON, secrets and base64 removed
    result: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON
    image_url: Mapped[str | None] = mapped_column(LongText, nullable=True)
    fail_reason: Mapped[str | None] = mapped_column(LongText, nullable=True)
    error_class: Mapped[str] = mapped_column(String(64), nullable=False, default="")
    status: Mapped[str] = mapped_column(String(20), nullable=False, default="SUBMITTING")
    progress: Mapped[str] = mapped_column(String(20), nullable=False, default="0%")
    version: Mapped[int] = _count()
    quota: Mapped[int] = _count()
    billing_state: Mapped[str] = mapped_column(String(16), nullable=False, default="none")
    late_success: Mapped[bool] = mapped_column(Flag, nullable=False, default=False)
    submit_at: Mapped[int] = _count()
    start_at: Mapped[int] = _count()
    finish_at: Mapped[int] = _count()
    deadline_at: Mapped[int] = _count()
    next_poll_at: Mapped[int] = _count()
    poll_count: Mapped[int] = _count()
    last_poll_at: Mapped[int] = _count()
    lease_owner: Mapped[str] = mapped_column(String(64), nullable=False, default="")
    lease_until: Mapped[int] = _count()
    parent_id: Mapped[int] = _count()
    notify_hook: Mapped[str | None] = mapped_column(LongText, nullable=True)  # of the client, called by us at the end
    notify_due_at: Mapped[int] = _count()  # 0: nothing to tell
    notify_tries: Mapped[int] = _count()
    outbox: Mapped[str | None] = mapped_column(LongText, nullable=True)  # JSON: rows for a log database of its own
    outbox_due_at: Mapped[int] = _count()  # 0: nothing waits
