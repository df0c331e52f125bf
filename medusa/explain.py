"""How a charge came about, line by line: from the record that still waits, or from the log row and the ledger. Pure: no IO."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from schema.pricing import (
    AUDIO_COMPLETION_RATIO,
    CACHE_WRITE_HOUR_TIMES,
    CACHE_WRITE_RATIO,
    ONE,
    ZERO,
    cache_write_hour_ratio,
    charge,
)
from schema.quota import Quota
from schema.usage import PriceRecord, TokenUsage, UsageRecord

_decode: Any = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode  # ratios stay as they were written


class Entry(Struct, frozen=True):
    """One movement of the ledger that names the request."""

    kind: str
    delta: int
    token_delta: int
    at_ms: int
    reason: str = ""


class Call(Struct, frozen=True):
    """What is known of a call, wherever it was found."""

    request_id: str
    ended_s: int
    status: int
    who: str
    where: str
    model: str
    group: str
    took: str
    usage: TokenUsage
    price: PriceRecord
    quota: Quota
    cut: bool
    rest: bool = False  # what a call cost beyond the checkpoint charged while its process was thought dead
    settled: bool = True


def of_record(record: UsageRecord) -> Call:
    """A call whose record waits for a worker: everything is exact."""
    return Call(
        record.request_id,
        record.ended_ms // 1000,
        record.status,
        _who(record.user_id, record.username, record.token_id, record.token_name),
        _where(record.channel_id, [str(one) for one in record.use_channel]),
        _model(record.model, record.upstream_model),
        record.group,
        _took(record.ended_ms - record.started_ms, record.first_byte_ms, record.stream),
        record.usage,
        record.price,
        record.quota,
        record.cut,
        settled=False,
    )


def of_log(row: Any, quota_per_unit: Decimal) -> Call:
    """A row of `logs`. `quota_per_unit`: of today, as the row does not tell it."""
    other: dict[str, Any] = {}
    if row.other:
        other = _decode(row.other)
    usage, price = _usage(row, other), _price(other, quota_per_unit)
    rest = not usage.total_tokens and not price.per_call and row.quota > 0
    return Call(
        row.request_id or "",
        row.created_at or 0,
        row.status_code or 200,
        _who(row.user_id or 0, row.username or "", row.token_id or 0, row.token_name or ""),
        _where(row.channel_id or 0, (other.get("admin_info") or {}).get("use_channel") or []),
        _model(row.model_name or "", str(other.get("upstream_model_name", ""))),
        row.group or "",
        _took(row.elapsed_time or 0, int(other.get("frt", -1)), bool(row.is_stream)),
        usage,
        price,
        Quota(row.quota),
        bool(other.get("cut")),
        rest=rest,
    )


def _usage(row: Any, other: dict[str, Any]) -> TokenUsage:
    cached, written = int(other.get("cache_tokens", 0)), int(other.get("cache_creation_tokens", 0))
    hour = min(int(other.get("cache_creation_tokens_1h", 0)), written)
    heard, spoken = int(other.get("audio_input", 0)), int(other.get("audio_output", 0))
    seen = int(other.get("image_tokens", 0))
    return TokenUsage(
        input_text=row.prompt_tokens - cached - written - heard - seen,
        input_cached=cached,
        input_cache_write=written - hour,
        input_audio=heard,
        input_image=seen,
        output_text=row.completion_tokens - spoken,
        output_audio=spoken,
        estimated=bool(other.get("estimated")),
        input_cache_write_1h=hour,
    )


def _price(other: dict[str, Any], quota_per_unit: Decimal) -> PriceRecord:
    def ratio(name: str, default: Decimal) -> Decimal:
        return Decimal(str(other.get(name, default)))

    model_price = ratio("model_price", Decimal(-1))
    return PriceRecord(
        per_call=model_price >= 0,
        model_ratio=ratio("model_ratio", ZERO),
        completion_ratio=ratio("completion_ratio", ZERO),
        group_ratio=ratio("group_ratio", ONE),
        model_price=model_price,
        cache_ratio=ratio("cache_ratio", ONE),
        cache_write_ratio=ratio("cache_creation_ratio", CACHE_WRITE_RATIO),
        audio_ratio=ratio("audio_ratio", ONE),
        audio_completion_ratio=ratio("audio_completion_ratio", AUDIO_COMPLETION_RATIO),
        image_ratio=ratio("image_ratio", ONE),
        quota_per_unit=quota_per_unit,
    )


def _who(user_id: int, name: str, token_id: int, token_name: str) -> str:
    token = f"token {token_id} {token_name}".rstrip() if token_id else "no token"
    return f"user {user_id} {name}".rstrip() + f", {token}"


def _where(channel_id: int, tried: Sequence[str]) -> str:
    return f"channel {channel_id}" + (f", tried in the order {', '.join(tried)}" if len(tried) > 1 else "")


def _model(asked: str, upstream: str) -> str:
    return asked + (f", upstream {upstream}" if upstream not in ("", asked) else "")


def _took(elapsed_ms: int, first_byte_ms: int, stream: bool) -> str:
    text = f"{'stream' if stream else 'plain answer'} of {elapsed_ms / 1000:.3f} s"
    return text + (f", first byte after {first_byte_ms / 1000:.3f} s" if first_byte_ms >= 0 else "")


def explain_call(call: Call) -> list[str]:
    """What happened, then the arithmetic down to the charge."""
    lines = [
        f"request {call.request_id}, ended {_moment(call.ended_s)}, status {call.status}",
        f"  by {call.who}; group {call.group}",
        f"  model {call.model}; {call.where}; {call.took}",
    ]
    if call.rest:
        return [
            *lines,
            f"  rest of a call whose first part was charged when its process was thought dead: {call.quota}",
        ]
    if call.usage.estimated:
        lines.append("  the provider sent no usage: tokens were counted here")
    if call.cut:
        lines.append("  cut: what was relayed until the end is charged")
    lines += _arithmetic(call.usage, call.price)
    expected = charge(call.usage, call.price)
    lines.append(f"  charge: {call.quota} quota = {_usd(call.quota, call.price)} USD")
    if expected != call.quota:
        lines.append(f"  these figures give {expected}: the row does not hold all that priced the call")
    if not call.settled:
        lines.append("  the record waits for a worker; no balance in the database has moved yet")
    return lines


def _arithmetic(usage: TokenUsage, price: PriceRecord) -> list[str]:
    if price.per_call:
        each = price.model_price * price.times
        exact = each * price.quota_per_unit * price.group_ratio
        return [
            f"  {_text(each)} USD a call x {_text(price.quota_per_unit)} quota per USD"
            f" x {_text(price.group_ratio)} group ratio = {_text(exact)}",
            *_rounding(exact),
        ]
    spoken = price.audio_ratio * price.audio_completion_ratio
    parts = [
        ("prompt tokens", usage.input_text, ONE, ""),
        ("prompt tokens read from a cache", usage.input_cached, price.cache_ratio, "cache ratio"),
        ("prompt tokens written to a cache", usage.input_cache_write, price.cache_write_ratio, "cache write ratio"),
        (
            "prompt tokens written to a cache for an hour",
            usage.input_cache_write_1h,
            cache_write_hour_ratio(price),
            f"cache write ratio x {CACHE_WRITE_HOUR_TIMES}",
        ),
        ("image tokens", usage.input_image, price.image_ratio, "image ratio"),
        ("audio tokens heard", usage.input_audio, price.audio_ratio, "audio ratio"),
        ("completion tokens", usage.output_text, price.completion_ratio, "completion ratio"),
        ("audio tokens spoken", usage.output_audio, spoken, "audio ratio x audio completion ratio"),
    ]
    lines, total = [], ZERO
    for what, count, ratio, name in parts:
        if count:
            total += count * ratio
            lines.append(f"  {count} {what}" + (f" x {_text(ratio)} {name} = {_text(count * ratio)}" if name else ""))
    exact = total * price.model_ratio * price.group_ratio
    lines.append(
        f"  {_text(total)} x {_text(price.model_ratio)} model ratio x {_text(price.group_ratio)} group ratio"
        f" = {_text(exact)}"
    )
    return lines + _rounding(exact)


def _rounding(exact: Decimal) -> list[str]:
    if exact == exact.to_integral_value():
        return []
    return [f"  rounded half up, once{'; a call that is not free costs at least 1' if 0 < exact < 1 else ''}"]


def _text(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(quota: int, price: PriceRecord) -> str:
    return _text(Decimal(quota) / price.quota_per_unit)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def explain_entries(entries: Sequence[Entry]) -> list[str]:
    """The ledger's side: what moved, and when."""
    lines = []
    for entry in entries:
        token = f", the token's remaining quota {entry.token_delta:+}" if entry.token_delta else ""
        reason = f" ({entry.reason})" if entry.reason else ""
        moved = f"balance {entry.delta:+}{token}"
        lines.append(f"ledger: {entry.kind}{reason} at {_moment(entry.at_ms // 1000)}: {moved}")
    if len(entries) > 1:
        lines.append(f"ledger: {sum(entry.delta for entry in entries):+} in all")
    return lines
