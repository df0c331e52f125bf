"""From records of the stream to the rows and sums of one transaction. Pure: no IO, no clock."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from schema.pricing import billed_name
from workers.records import Entry, clean, log_row, rest_of, saved_by_cache

REST = "settle_rest"  # kind of the ledger entry for what a call cost beyond its reaped checkpoint
REAPED = "reaped"  # reason of a ledger entry that was made from a checkpoint
Reference = tuple[str, str]  # kind and reference of a ledger entry


class Slice(Struct, frozen=True):
    """What was read from one partition."""

    partition: int
    after: str  # stored position it was read from
    last: str  # position of its last entry
    entries: list[Entry]


class Known(Struct, frozen=True):
    """An entry that the ledger has already."""

    delta: int
    reason: str


class LogPolicy(Struct, frozen=True):
    """Which rows of `logs` are wanted; the ledger and the roll-ups are always written."""

    consumed: bool = True  # LogConsumeEnabled
    failed: bool = False  # ERROR_LOG_ENABLED


class Cell(Struct):
    """Sums of one hour, channel, model, user, token and group: the columns of mx_usage_hourly, in their order."""

    calls: int = 0
    errors: int = 0
    streams: int = 0
    quota: int = 0
    quota_saved: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    latency_ms_sum: int = 0
    latency_ms_max: int = 0
    first_byte_ms_sum: int = 0
    first_byte_count: int = 0


HOURLY_KEY = ("hour", "user_id", "token_id", "channel_id", "model", "group")
HOURLY_SUMS = tuple(Cell.__struct_fields__)
LEDGER_COLUMNS = (
    "kind", "reference", "balance", "user_id", "token_id", "delta", "token_delta", "actor", "reason", "at_ms",
)  # fmt: skip


class Batch(Struct):
    """Everything that one transaction writes; keys are sorted when they are written, so settlers cannot deadlock."""

    slices: list[Slice]
    ledger: list[tuple[Any, ...]] = []
    logs: list[tuple[Any, ...]] = []
    users: dict[int, list[int]] = {}  # id -> quota, requests
    tokens: dict[int, list[int]] = {}  # id -> limited quota, used quota, last use (s)
    channels: dict[int, int] = {}  # id -> quota
    cells: dict[tuple[int, str, int], list[Any]] = {}  # user, model, hour -> user name, tokens, calls, quota
    hours: dict[tuple[int, int, int, int, str, str], Cell] = {}  # HOURLY_KEY -> sums
    records: int = 0
    checked_users: set[int] = set()  # whose hot balance may have counted a duplicate: load it again


def references(slices: Sequence[Slice], *, everything: bool = False) -> list[Reference]:
    """What must be looked up in the ledger before these entries may count."""
    found: list[Reference] = []
    for part in slices:
        for entry in part.entries:
            if entry.mark or everything:
                found += ((entry.record.kind, entry.record.request_id), (REST, entry.record.request_id))
    return found


def build_batch(slices: list[Slice], known: Mapping[Reference, Known] | None, policy: LogPolicy) -> Batch:
    """Sum up all entries that the ledger does not have.

    Args:
        known: what the ledger has of `references(slices)`; None: nothing needs a check.
    """
    batch = Batch(slices)
    seen = None if known is None else dict(known)
    for part in slices:
        for entry in part.entries:
            record = entry.record
            if entry.mark:
                batch.checked_users.add(record.user_id)
            if seen is not None and (record := _first_time(entry, seen)) is None:
                batch.checked_users.add(entry.record.user_id)
                continue
            add_record(batch, record, REAPED if entry.mark == "2" else "", policy)
    return batch


def _first_time(entry: Entry, seen: dict[Reference, Known]) -> Any | None:
    """What of this entry is not in the ledger: the record, its rest where only a checkpoint was charged, or None."""
    record, reaped = entry.record, entry.mark == "2"
    reference, late = (record.kind, record.request_id), (REST, record.request_id)
    earlier = seen.get(reference)
    if earlier is not None:
        rest = record.quota + earlier.delta
        if reaped or earlier.reason != REAPED or rest <= 0 or late in seen:
            return None
        record, reference = rest_of(record, rest), late
    if not record.error_code:
        seen[reference] = Known(-record.quota, REAPED if reaped else "")
    return record


def add_record(batch: Batch, record: Any, reason: str, policy: LogPolicy) -> None:
    """One ended call. A failed one leaves no ledger entry and moves no balance."""
    batch.records += 1
    usage, quota, user_id, token_id = record.usage, record.quota, record.user_id, record.token_id
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    ended_s = record.ended_ms // 1000
    hour = ended_s - ended_s % 3600
    failed = bool(record.error_code)
    rest = record.kind == REST
    if record.logged and (policy.failed if failed else policy.consumed):
        batch.logs.append(log_row(record))
    model = billed_name(record.model)
    key = (hour, user_id, token_id, record.channel_id, clean(model, 255), clean(record.group, 64))
    cell = batch.hours.get(key)
    if cell is None:
        cell = batch.hours[key] = Cell()
    if failed:
        cell.errors += 1
        return
    limited_quota = quota if record.token_limited and token_id else 0
    batch.ledger.append(
        (
            record.kind,
            record.request_id,
            "user",
            user_id,
            token_id,
            -quota,
            -limited_quota,
            "system",
            reason,
            record.ended_ms,
        )
    )
    counted = 1 if record.counted else 0
    user = batch.users.get(user_id)
    if user is None:
        batch.users[user_id] = [quota, counted]
    else:
        user[0] += quota
        user[1] += counted
    if token_id:
        token = batch.tokens.get(token_id)
        if token is None:
            batch.tokens[token_id] = [limited_quota, quota, ended_s]
        else:
            token[0] += limited_quota
            token[1] += quota
            token[2] = max(token[2], ended_s)
    if record.channel_id:
        batch.channels[record.channel_id] = batch.channels.get(record.channel_id, 0) + quota
    day_key = (user_id, clean(model, 64), hour)
    sums = batch.cells.get(day_key)
    if sums is None:
        batch.cells[day_key] = [clean(record.username, 64), prompt + completion, counted, quota]
    else:
        sums[1] += prompt + completion
        sums[2] += counted
        sums[3] += quota
    cell.quota += quota
    if rest:
        return
    latency_ms = max(0, record.ended_ms - record.started_ms)
    cell.calls += counted
    cell.streams += 1 if record.stream else 0
    cell.quota_saved += saved_by_cache(record)
    cell.prompt_tokens += prompt
    cell.cached_tokens += usage.input_cached
    cell.cache_write_tokens += usage.cache_written
    cell.completion_tokens += completion
    cell.reasoning_tokens += usage.reasoning
    cell.latency_ms_sum += latency_ms
    cell.latency_ms_max = max(cell.latency_ms_max, latency_ms)
    if record.first_byte_ms >= 0:
        cell.first_byte_ms_sum += record.first_byte_ms
        cell.first_byte_count += 1
