"""What the health pages read: replies of /api/channel/health and its sisters. Times Unix s, durations ms, ratios 0-1."""

from msgspec import Struct


class Percentiles(Struct):
    """None: nothing was measured."""

    p50: int | None = None
    p95: int | None = None


class Sparkline(Struct):
    """Equal spans of the window, oldest first."""

    ok: list[int]
    failed: list[int]


class ChannelHealthView(Struct, kw_only=True):
    """One channel in a window.

    `failures`: by the channel's fault; `client_errors` are listed apart and counted nowhere. `usual_p95_ms`: the median of
    its daily p95 of the last seven full days; `slower`: the window's is far above it. `failed_in_a_row`: since the last
    success.
    """

    channel_id: int
    name: str
    type: int
    status: int
    tag: str | None
    group: str
    priority: int
    weight: int
    state: str  # good, degraded, bad, idle, off
    calls: int
    failures: int
    client_errors: int
    success_ratio: float | None
    latency_ms: Percentiles
    ttft_ms: Percentiles
    usual_p95_ms: int | None
    slower: bool
    failed_in_a_row: int
    rpm: int
    tpm: int
    in_flight: int
    errors: dict[str, int]
    quota: int
    balance: float
    balance_updated_time: int
    days_left: float | None
    breaker: str
    drained: bool
    disabled_reason: str
    disabled_at: int
    sparkline: Sparkline


class Totals(Struct):
    calls: int
    success_ratio: float | None
    latency_ms_p95: int | None
    ttft_ms_p95: int | None
    quota: int


class AllTotals(Totals, kw_only=True):
    """`queue_lag_s`: age of the oldest call that is not booked yet. `rpm`, `tpm`: calls and tokens of the last minutes."""

    rpm: int
    tpm: int
    in_flight: int
    open_tasks: int
    queue_lag_s: float | None
    settled_per_s: float | None
    holds_open: int | None
    previous: Totals


class Overview(Struct):
    as_of: int
    window_s: int
    totals: AllTotals
    items: list[ChannelHealthView]


class Bucket(Struct):
    at: int
    calls: int
    failures: int
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    ttft_p50_ms: int | None
    ttft_p95_ms: int | None
    tokens: int
    quota: int


class ModelView(Struct):
    model: str
    calls: int
    failures: int
    success_ratio: float | None
    latency_ms: Percentiles
    ttft_ms: Percentiles
    quota: int
    last_success_at: int
    breaker: str
    rpm: int
    tpm: int
    errors: dict[str, int]


class Detail(Struct):
    """`week`: one bucket for each hour of the last seven days."""

    channel: ChannelHealthView
    buckets: list[Bucket]
    week: list[Bucket]
    models: list[ModelView]


class ErrorView(Struct):
    error_class: str
    status: int
    message: str
    model: str
    first_at: int
    last_at: int
    count: int
    request_ids: list[str]


class EventView(Struct):
    """`off_s`: how long a switched-off channel stayed so; None while it is, and for other kinds."""

    at: int
    kind: str
    actor: str
    reason: str
    model: str
    status_code: int | None
    keyword: str
    from_status: int | None
    to_status: int | None
    request_id: str
    attempts: int
    latency_ms: int | None
    off_s: int | None


class ChannelEventView(EventView, kw_only=True):
    """The same among those of all channels. `name`: '' when the channel was deleted."""

    channel_id: int
    name: str


class WeekRow(Struct):
    """One channel, hour by hour from `begin` (Unix s)."""

    channel_id: int
    begin: int
    calls: list[int]
    failures: list[int]
