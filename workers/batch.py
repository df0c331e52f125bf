"""From records of the stream to the rows and sums of one transaction. Pure: no IO, no clock."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from schema.pricing import billed_name
from workers.records import (
    Entry,
    Texts,
    clean,
    has_standard_text,
    is_plain,
    log_content,
    log_own,
    log_shared,
    plain_other,
    rest_of,
    saved_by_cache,
    texts_of,
)

CALL = "settle"  # kind of the ledger entry of a call
REST = "settle_rest"  # kind of the ledger entry for what a call cost beyond its reaped checkpoint
REAPED = "reaped"  # reason of a ledger entry that was made from a checkpoint
Reference = tuple[str, str]  # kind and reference of a ledger entry


class Slice(Struct, frozen=True):
    """What was read from one partition."""

    partition: int
    after: str  # stored position it was read from
    last: str  # position of its last entry
    entries: list[Entry]
    more: bool = False  # behind the last one, as far as we know

    def count(self) -> int:
        """How many records."""
        return sum([len(entry.records) for entry in self.entries])


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

    def add(self, other: "Cell") -> None:
        # written out: where each call is another account's, this runs for half of them
        self.calls += other.calls
        self.errors += other.errors
        self.streams += other.streams
        self.quota += other.quota
        self.quota_saved += other.quota_saved
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.completion_tokens += other.completion_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.latency_ms_sum += other.latency_ms_sum
        self.latency_ms_max = max(self.latency_ms_max, other.latency_ms_max)
        self.first_byte_ms_sum += other.first_byte_ms_sum
        self.first_byte_count += other.first_byte_count


class Line(Struct):
    """The calls of one account, over one route, at one price, in one hour of a batch: what they share, and their sums.

    Every total is added up from these: a record is looked up and counted once, not once for each table.
    """

    user_id: int
    username: str
    token_id: int
    token_limited: bool
    channel_id: int
    model: str  # as it is billed
    group: str
    hour: int  # Unix s
    texts: Texts
    cell: Cell
    plain: list[Any]  # records of calls with nothing special, until they are added up
    ledger_shared: tuple[Any, ...]  # LEDGER_SHARED of an ordinary call
    ledger: list[tuple[Any, ...]] = []  # LEDGER_OWN
    log_shared: tuple[Any, ...] = ()  # LOG_SHARED of calls whose row has the standard text
    logs: list[tuple[Any, ...]] = []  # LOG_OWN
    charged: int = 0  # calls with a ledger entry
    last_ms: int = 0  # when the last of these ended


HOURLY_KEY = ("hour", "user_id", "token_id", "channel_id", "model", "group")
HOURLY_SUMS = tuple(Cell.__struct_fields__)
LEDGER_KIND = ("kind", "balance", "actor", "reason")
LEDGER_SHARED = (*LEDGER_KIND, "user_id", "token_id")
LEDGER_OWN = ("reference", "delta", "token_delta", "at_ms")
LEDGER_COLUMNS = LEDGER_SHARED + LEDGER_OWN


class Batch(Struct):
    """Everything that one transaction writes; keys are sorted when they are written, so settlers cannot deadlock."""

    slices: list[Slice]
    lines: list[Line] = []  # with the rows of ordinary calls
    ledger: list[tuple[Any, ...]] = []  # LEDGER_COLUMNS of all others
    logs: list[tuple[Any, ...]] = []  # LOG_COLUMNS of all others
    users: dict[int, list[int]] = {}  # id -> quota, requests
    tokens: dict[int, list[int]] = {}  # id -> limited quota, used quota, last use (s)
    channels: dict[int, int] = {}  # id -> quota
    cells: dict[tuple[int, str, int], list[Any]] = {}  # user, model, hour -> user name, tokens, calls, quota
    hours: dict[tuple[int, int, int, int, str, str], Cell] = {}  # HOURLY_KEY -> sums
    records: int = 0
    checked_users: set[int] = set()  # whose hot balance may have counted a duplicate: load it again

    def all_ledger(self) -> list[tuple[Any, ...]]:
        """Whole rows, for a database that takes them all in one go."""
        return self.ledger + [line.ledger_shared + own for line in self.lines for own in line.ledger]

    def ledger_references(self) -> set[str]:
        at = len(LEDGER_SHARED) + LEDGER_OWN.index("reference")
        return {str(row[at]) for row in self.all_ledger()}

    def all_logs(self) -> list[tuple[Any, ...]]:
        return self.logs + [line.log_shared + own for line in self.lines for own in line.logs]


def references(slices: Sequence[Slice], *, everything: bool = False) -> list[Reference]:
    """What must be looked up in the ledger before these entries may count."""
    found: list[Reference] = []
    for part in slices:
        for entry in part.entries:
            if entry.mark or everything:
                for record in entry.records:
                    found += ((record.kind, record.request_id), (REST, record.request_id))
    return found


def build_batch(slices: list[Slice], known: Mapping[Reference, Known] | None, policy: LogPolicy) -> Batch:
    """Sum up all entries that the ledger does not have.

    Args:
        known: what the ledger has of `references(slices)`; None: nothing needs a check.
    """
    batch = Batch(slices)
    lines: dict[tuple[Any, ...], Line] = {}
    seen = None if known is None else dict(known)
    for part in slices:
        for entry in part.entries:
            reaped = entry.mark == "2"
            for record in entry.records:
                if entry.mark:
                    batch.checked_users.add(record.user_id)
                if seen is not None:
                    first = _first_time(record, seen, reaped=reaped)
                    if first is None:
                        batch.checked_users.add(record.user_id)
                        continue
                    record = first
                line = _find_line(lines, record)
                if not reaped and is_plain(record):
                    line.plain.append(record)
                else:
                    _add(batch, line, record, REAPED if reaped else "", policy)
    batch.lines = list(lines.values())
    for line in batch.lines:
        if line.plain:
            _add_plain(batch, line, policy)
        _sum_up(batch, line)
    return batch


def _first_time(record: Any, seen: dict[Reference, Known], *, reaped: bool) -> Any | None:
    """What of this record is not in the ledger: all, its rest where only a checkpoint was charged, or None."""
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


def _find_line(lines: dict[tuple[Any, ...], Line], record: Any) -> Line:
    hour = record.ended_ms // 3_600_000
    key = (
        hour, record.user_id, record.token_id, record.token_limited, record.channel_id, record.model, record.upstream_model,
        record.group, record.username, record.token_name, record.stream, record.status, record.ip, bytes(record.price),
    )  # fmt: skip
    line = lines.get(key)
    if line is None:
        user_id, token_id = record.user_id, record.token_id
        line = lines[key] = Line(
            user_id, record.username, token_id, record.token_limited, record.channel_id, billed_name(record.model),
            record.group, hour * 3600, texts_of(record), Cell(), [], (CALL, "user", "system", "", user_id, token_id),
        )  # fmt: skip
    return line


def _add(batch: Batch, line: Line, record: Any, reason: str, policy: LogPolicy) -> None:
    """One ended call. A failed one leaves no ledger entry and moves no balance."""
    batch.records += 1
    failed = record.error_code != ""
    if record.logged and (policy.failed if failed else policy.consumed):
        _add_log(batch, line, record)
    cell, quota, ended_ms = line.cell, record.quota, record.ended_ms
    if failed:
        cell.errors += 1
        return
    own = (record.request_id, -quota, -quota if line.token_limited and line.token_id else 0, ended_ms)
    if record.kind == CALL and not reason:
        line.ledger.append(own)
    else:
        batch.ledger.append((record.kind, "user", "system", reason, line.user_id, line.token_id, *own))
    line.charged += 1
    if ended_ms > line.last_ms:
        line.last_ms = ended_ms
    usage = record.usage
    cell.quota += quota
    cell.prompt_tokens += usage.prompt_tokens
    cell.completion_tokens += usage.completion_tokens
    if record.kind == REST:
        return
    if record.counted:
        cell.calls += 1
    if record.stream:
        cell.streams += 1
    if usage.input_cached:
        cell.cached_tokens += usage.input_cached
        cell.quota_saved += saved_by_cache(record)
    if usage.input_cache_write or usage.input_cache_write_1h:
        cell.cache_write_tokens += usage.cache_written
    if usage.reasoning:
        cell.reasoning_tokens += usage.reasoning
    latency_ms = ended_ms - record.started_ms
    if latency_ms > 0:
        cell.latency_ms_sum += latency_ms
        if latency_ms > cell.latency_ms_max:
            cell.latency_ms_max = latency_ms
    if record.first_byte_ms >= 0:
        cell.first_byte_ms_sum += record.first_byte_ms
        cell.first_byte_count += 1


def _add_plain(batch: Batch, line: Line, policy: LogPolicy) -> None:
    """What `_add` does, for all plain calls of a line at once, in two thirds of the time."""
    records, cell, texts = line.plain, line.cell, line.texts
    limited = line.token_limited and line.token_id
    logs = line.logs if policy.consumed else None
    if logs is not None and not logs:
        line.log_shared = log_shared(records[0], texts, texts.content)
    quotas = prompts = completions = latencies = latest_ms = 0
    for record in records:
        usage, quota, ended_ms, name = record.usage, record.quota, record.ended_ms, record.request_id
        prompt, completion = usage.input_text + usage.input_cached, usage.output_text
        latency_ms = ended_ms - record.started_ms
        if latency_ms < 0:
            latency_ms = 0
        line.ledger.append((name, -quota, -quota if limited else 0, ended_ms))
        first_byte_ms = record.first_byte_ms
        if first_byte_ms >= 0:
            cell.first_byte_ms_sum += first_byte_ms
            cell.first_byte_count += 1
        else:
            first_byte_ms = -1000
        if logs is not None:
            if texts.mapped:
                logs.append(log_own(record, texts))
            else:
                other = plain_other(texts.priced, usage, name, first_byte_ms, record.use_channel)
                logs.append(
                    (
                        ended_ms // 1000, quota, prompt, completion, latency_ms // 1000, other,
                        clean(name, 191), latency_ms,
                    )
                )  # fmt: skip
        if usage.input_cached:
            cell.cached_tokens += usage.input_cached
            cell.quota_saved += saved_by_cache(record)
        if usage.reasoning:
            cell.reasoning_tokens += usage.reasoning
        if ended_ms > latest_ms:
            latest_ms = ended_ms
        if latency_ms > cell.latency_ms_max:
            cell.latency_ms_max = latency_ms
        quotas += quota
        prompts += prompt
        completions += completion
        latencies += latency_ms
    count = len(records)
    batch.records += count
    line.charged += count
    line.last_ms = max(line.last_ms, latest_ms)
    cell.calls += count
    cell.streams += count if records[0].stream else 0
    cell.quota += quotas
    cell.prompt_tokens += prompts
    cell.completion_tokens += completions
    cell.latency_ms_sum += latencies


def _add_log(batch: Batch, line: Line, record: Any) -> None:
    own = log_own(record, line.texts)
    if has_standard_text(record):
        if not line.logs:
            line.log_shared = log_shared(record, line.texts, line.texts.content)
        line.logs.append(own)
    else:
        batch.logs.append(log_shared(record, line.texts, log_content(record, line.texts)) + own)


def _sum_up(batch: Batch, line: Line) -> None:
    """A line's part of every total."""
    cell, user_id, token_id, channel_id, model = line.cell, line.user_id, line.token_id, line.channel_id, line.model
    key = (line.hour, user_id, token_id, channel_id, clean(model, 255), clean(line.group, 64))
    held = batch.hours.get(key)
    if held is None:
        batch.hours[key] = cell
    else:
        held.add(cell)
    if not line.charged:
        return
    quota, calls = cell.quota, cell.calls
    user = batch.users.setdefault(user_id, [0, 0])
    user[0] += quota
    user[1] += calls
    if token_id:
        token = batch.tokens.setdefault(token_id, [0, 0, 0])
        token[0] += quota if line.token_limited else 0
        token[1] += quota
        token[2] = max(token[2], line.last_ms // 1000)
    if channel_id:
        batch.channels[channel_id] = batch.channels.get(channel_id, 0) + quota
    day = batch.cells.setdefault((user_id, clean(model, 64), line.hour), [clean(line.username, 64), 0, 0, 0])
    day[1] += cell.prompt_tokens + cell.completion_tokens
    day[2] += calls
    day[3] += quota
