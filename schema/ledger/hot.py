"""The Redis side of money: hold quota before a call, settle or give it back after, all in single atomic steps.

Redis holds the hot balance = truth in SQL - open holds - settled but unapplied records. It is loaded from SQL on a miss
(`load`), refreshed while in use, and dropped whenever SQL changed it outside settlement, so it cannot drift for long.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from schema.ledger import scripts
from schema.ledger.allowances import Allowance, Allowances
from schema.ledger.connection import Execute, FutureLine, Line, OnAnswer, Part, evaluate
from schema.ledger.gathering import Account, Gathering, Written, resolve
from schema.ledger.keys import EPOCH_LIFETIME_S, Keys
from schema.ledger.loading import BalanceLoader, Truth
from schema.quota import Quota
from schema.usage import UsageRecord, read_record, write_record

REFRESH_MS = 60_000  # a hot balance older than this is loaded again in the background while in use
CHECKPOINT_LIFETIME_S = 86_400  # of a checkpoint whose hold was lost with the server's memory
IDEMPOTENCY_LIFETIME_S = 86_400  # a repeated key is neither relayed nor charged again for so long
RING_MS = 5_000  # settles kept for `replay`: the server syncs its append-only file every second, 2 s when it is busy
RING_RECORDS_MAX = 50_000
CALL_IN_S, CALL_IN_TRIES = 0.25, 6  # other processes give back what they do not need within two ticks
EXTEND_HOLDS_MAX = 100  # holds per script call: about 0.2 ms of the server


class Reserved(Struct, frozen=True):
    """The hold stands; `available` is what is left of the user's hot balance."""

    available: Quota


class QuotaShort(Struct, frozen=True):
    """Nothing was held."""

    which: str  # user or token
    available: Quota


class NotLoaded(Struct, frozen=True):
    """The hot balance is not there: call `load` and repeat."""

    user: bool
    token: bool


class Repeated(Struct, frozen=True):
    """The idempotency key was used before, by `request_id`; `open`: that call has not ended yet."""

    request_id: str
    open: bool


class NoHold(Struct, frozen=True):
    """There is nothing to enlarge: the hold was settled, released or reaped."""


class Settled(Struct, frozen=True):
    """`late`: there was no hold, so the record will be checked against the ledger before it counts."""

    late: bool


class Extension(Struct, frozen=True):
    """A live hold that needs a later deadline."""

    request_id: str
    user_id: int
    deadline_ms: int  # Redis' clock
    checkpoint: bytes | None = None  # a usage record with the charge so far; None leaves the stored one


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class _Hold(Struct, frozen=True):
    """What a call asks for. `idempotency_key` '' = none."""

    request_id: str
    amount: int
    deadline_ms: int
    idempotency_key: str


class _End(Struct, frozen=True):
    """How a call ends. `flags`: see settle.lua."""

    request_id: str
    quota: int
    record: bytes
    flags: int


_FORGET, _CHECK = 1, 2
_SHORT = (1, 2)  # answers of reserve.lua


class HotLedger:
    """One per process. Every method is one round trip and may be repeated safely after a lost connection.

    Holds and settles that calls of one account ask for in the same turn of the loop share theirs.
    """

    def __init__(
        self,
        execute: Execute,
        *,
        partitions: int,
        read_truth: Callable[[Sequence[tuple[int, int]]], Awaitable[dict[tuple[int, int], Truth]]],
        line: Line | None = None,
        sets_aside: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """
        Args:
            execute: sends one command, see schema.ledger.connection.
            partitions: LEDGER_PARTITIONS; equal in every process.
            read_truth: balances from SQL, see schema.ledger.truth.
            line: the same connection for holds and settles, where it has the shorter way.
            sets_aside: whether busy accounts get an allowance (`hold_at_once`); `close` gives them back.
        """
        self.keys = Keys(partitions)
        self.execute = execute
        self._loop = asyncio.get_running_loop()
        self._now_ms = now_ms
        self._clock_offset_ms: int | None = None
        self._loader = BalanceLoader(execute, self.keys, read_truth, now_ms)
        line = line or FutureLine(execute)
        self._holds: Gathering[Account, _Hold] = Gathering(line, scripts.RESERVE, self._write_holds, self._read_holds)
        self._ends: Gathering[Account, _End] = Gathering(line, scripts.SETTLE, self._write_ends, _read_ends)
        self._allowances: Allowances | None = None
        if sets_aside:
            self._allowances = Allowances(
                execute, line, self.keys, deadline_ms=self.deadline_ms, loaded=self._look_at_age
            )
        self._recent: deque[tuple[float, bytes]] = deque(maxlen=RING_RECORDS_MAX)  # monotonic s, a record as written
        self._refreshing: set[asyncio.Task[None]] = set()

    # -- clock ---------------------------------------------------------------------------------------------------------

    async def sync_clock(self) -> int:
        """Learn how far Redis' clock is ahead of our steady one, in ms. Deadlines are judged by its clock; ours may jump."""
        before = _steady_ms()
        seconds, micros = await self.execute(b"TIME")
        theirs = int(seconds) * 1000 + int(micros) // 1000
        self._clock_offset_ms = theirs - (before + _steady_ms()) // 2
        return self._clock_offset_ms

    def deadline_ms(self, in_s: float) -> int:
        """The moment `in_s` seconds from now on Redis' clock; on ours as long as `sync_clock` was never called."""
        offset = self._clock_offset_ms
        now_ms = self._now_ms() if offset is None else _steady_ms() + offset
        return now_ms + int(in_s * 1000)

    # -- hold ----------------------------------------------------------------------------------------------------------

    def hold_at_once(self, user_id: int, token_id: int | None, amount: int) -> Allowance | None:
        """Hold `amount` out of what this process has set aside for the account; None: `reserve`.

        Such a call ends by `settle` with its allowance, or by `allowance.release(amount)`; if it lasts, `promote` it.
        """
        return None if self._allowances is None else self._allowances.hold((user_id, token_id or 0), amount)

    async def reserve(
        self,
        *,
        request_id: str,
        user_id: int,
        token_id: int | None,
        amount: int,
        deadline_ms: int,
        checkpoint: bytes = b"",
        idempotency_key: str | None = None,
    ) -> Reserved | QuotaShort | NotLoaded | Repeated:
        """Hold `amount` quota.

        Args:
            token_id: a limited token, whose remaining quota counts as well; None: unlimited, or no token.
            deadline_ms: when the hold may be reaped unless it is extended; use `deadline_ms()`.
            checkpoint: a usage record to charge if this process dies at once; empty: nothing was relayed yet.
            idempotency_key: name made by `digest_idempotency_key`; it is forgotten if the call ends without
                a charge, so that it may be sent again.
        """
        hold = _Hold(request_id, amount, deadline_ms, idempotency_key or "")
        account = user_id, token_id or 0
        old, code, value = await self._holds.ask(account, hold)
        if code in _SHORT and await self._call_in(account):
            old, code, value = await self._holds.ask(account, hold)
        if code == 0:
            if old:
                self._refresh(user_id, token_id)
            if checkpoint:
                await self.extend([Extension(request_id, user_id, deadline_ms, checkpoint)])
            elif self._allowances is not None and not idempotency_key:
                self._allowances.noted(account, amount)
            return Reserved(Quota(value))
        return _refusal(code, value)

    def reserve_soon(
        self,
        on_answer: OnAnswer,
        *,
        request_id: str,
        user_id: int,
        token_id: int | None,
        amount: int,
        deadline_ms: int,
    ) -> None:
        """As `reserve`, for who waits by a callback: whether the hold stands, or what Redis raises. Why it does not, `reserve`
        tells. It must not raise."""
        account = user_id, token_id or 0
        hold = _Hold(request_id, amount, deadline_ms, "")
        self._holds.put(account, hold, partial(self._reserved, account, amount, on_answer))

    def _reserved(self, account: Account, amount: int, on_answer: OnAnswer, answer: Any) -> None:
        if isinstance(answer, BaseException):
            on_answer(answer)
            return
        old, code, _ = answer
        if code == 0:
            if old:
                self._refresh(account[0], account[1] or None)
            if self._allowances is not None:
                self._allowances.noted(account, amount)
        on_answer(code == 0)

    async def _call_in(self, account: Account) -> bool:
        """Before a call is refused: is quota of the account set aside, here or by another process? True: ask again."""
        if self._allowances is None:
            return False
        if await self._allowances.call_in(account):
            return True
        for turn in range(CALL_IN_TRIES):
            fields = await self.execute(b"HKEYS", self.keys.balance(account[0]))
            if not any(map(self._allowances.is_of_others, fields)):
                return turn > 0
            await asyncio.sleep(CALL_IN_S)
        return True

    async def promote(self, calls: Sequence[tuple[Allowance, str, int]]) -> None:
        """Calls (allowance, request id, amount) that last get holds of their own, which can be extended and enlarged."""
        by_allowance: dict[Allowance, list[tuple[str, int]]] = {}
        for allowance, request_id, amount in calls:
            by_allowance.setdefault(allowance, []).append((request_id, amount))
        if self._allowances is not None:
            await asyncio.gather(*(self._allowances.promote(*one) for one in by_allowance.items()))

    async def close(self) -> None:
        """Nothing stays set aside. Raises what Redis raises; the reaper does the rest then."""
        if self._allowances is not None:
            await self._allowances.close()

    def _write_holds(self, account: Account, asked: Sequence[_Hold]) -> Written:
        user_id, token_id = account
        tag = self.keys.tag(user_id)
        names = [f"{tag}b:{user_id}", tag + "u"]
        arguments: list[Part] = [token_id, user_id, IDEMPOTENCY_LIFETIME_S]
        for hold in asked:
            key = hold.idempotency_key
            if key:
                names.append(f"{tag}i:{key}")
            arguments += (hold.request_id, hold.amount, hold.deadline_ms, key)
        return names, arguments

    def _read_holds(self, account: Account, answer: list[Any], asked: int) -> Sequence[tuple[bool, int, Any]]:
        """For each call: was the balance loaded long ago, a code, and its figure."""
        if len(answer) == 1:
            return [(False, 3, answer[0])] * asked
        old = int(answer[0]) + REFRESH_MS < self._now_ms()
        return [(old, code, value) for code, value in zip(answer[1::2], answer[2::2], strict=True)]

    async def grow(self, *, request_id: str, user_id: int, extra: int) -> Reserved | QuotaShort | NotLoaded | NoHold:
        """Hold `extra` more quota for a call that outran its estimate."""
        answer = await evaluate(self.execute, scripts.GROW, (self.keys.balance(user_id),), (request_id, extra))
        if answer[0] == 0:
            return Reserved(Quota(answer[1]))
        if answer[0] == 5:
            return NoHold()
        refusal = _refusal(*answer)
        assert not isinstance(refusal, Repeated)
        return refusal

    async def extend(self, holds: Sequence[Extension]) -> list[str]:
        """Move deadlines and store checkpoints of live calls. Returns the request ids whose holds are gone."""
        by_partition: dict[int, list[Extension]] = {}
        for hold in holds:
            by_partition.setdefault(self.keys.partition(hold.user_id), []).append(hold)
        chunks = [
            group[start : start + EXTEND_HOLDS_MAX]
            for group in by_partition.values()
            for start in range(0, len(group), EXTEND_HOLDS_MAX)
        ]
        answers = await asyncio.gather(*(self._extend_chunk(chunk) for chunk in chunks))
        return [
            hold.request_id
            for chunk, answer in zip(chunks, answers, strict=True)
            for hold, alive in zip(chunk, answer, strict=True)
            if not alive
        ]

    async def _extend_chunk(self, chunk: Sequence[Extension]) -> list[int]:
        names: list[str] = []
        arguments: list[Part] = [CHECKPOINT_LIFETIME_S]
        for hold in chunk:
            names += (self.keys.balance(hold.user_id), f"{self.keys.tag(hold.user_id)}c:{hold.request_id}")
            arguments += (hold.request_id, hold.deadline_ms, hold.checkpoint or b"")
        answer: list[int] = await evaluate(self.execute, scripts.EXTEND, names, arguments)
        return answer

    async def release(self, request_id: str, user_id: int) -> bool:
        """Give a hold back: the call failed before anything was answered. False: there was none (any more)."""
        tag = self.keys.tag(user_id)
        names = (f"{tag}b:{user_id}", f"{tag}c:{request_id}")
        return bool(await evaluate(self.execute, scripts.RELEASE, names, (request_id, f"{tag}i:")))

    # -- settle --------------------------------------------------------------------------------------------------------

    async def settle(self, record: UsageRecord, allowance: Allowance | None = None, amount: int = 0) -> Settled:
        """End a call: acknowledged means that the record is in the stream. Failed calls (quota 0, `error_code`) too.

        Args:
            allowance: out of which it held `amount`.
        """
        future: asyncio.Future[bool] = self._loop.create_future()
        self.settle_soon(record, partial(resolve, future), allowance, amount)
        return Settled(await future)

    def settle_soon(
        self, record: UsageRecord, on_answer: OnAnswer, allowance: Allowance | None = None, amount: int = 0
    ) -> None:
        """As `settle`, for who waits by a callback: whether it was late, or what Redis raises. It must not raise."""
        written = write_record(record)
        kept = partial(self._settled, written, on_answer)
        if allowance is not None and self._allowances is not None:
            self._allowances.charge(allowance, amount, record.quota, written, kept)
        else:
            self._ends.put(*_end_of(record, written), kept)

    def _settled(self, written: bytes, on_answer: OnAnswer, answer: Any) -> None:
        if not isinstance(answer, BaseException):
            now_s, recent = time.monotonic(), self._recent
            while recent and recent[0][0] < now_s - RING_MS / 1000:
                recent.popleft()
            recent.append((now_s, written))
        on_answer(answer)

    def _write_ends(self, account: Account, asked: Sequence[_End]) -> Written:
        user_id, token_id = account
        tag = self.keys.tag(user_id)
        arguments: list[Part] = [user_id, token_id, EPOCH_LIFETIME_S, tag]
        for end in asked:
            arguments += (end.request_id, end.quota, end.record, end.flags)
        return (f"{tag}b:{user_id}", tag + "usage", f"{tag}e:{user_id}"), arguments

    def recent(self) -> list[UsageRecord]:
        """What this process settled in the 5 s before its last settle: ask before the first settle on a new connection."""
        return [read_record(written) for _, written in self._recent]

    async def replay(self, records: Iterable[UsageRecord] | None = None) -> int:
        """Settle again what a server that was killed may have forgotten; every record is checked before it counts.

        Args:
            records: from the spool; None: `recent`, for a server whose run id changed.
        Returns: how many were sent.
        """
        if records is None:
            records = self.recent()
        sent = 0
        batch: list[UsageRecord] = []
        for record in records:
            batch.append(record)
            if len(batch) == EXTEND_HOLDS_MAX:
                await asyncio.gather(*map(self._settle_again, batch))
                sent, batch = sent + len(batch), []
        await asyncio.gather(*map(self._settle_again, batch))
        return sent + len(batch)

    def _settle_again(self, record: UsageRecord) -> "asyncio.Future[bool]":
        return self._ends.ask(*_end_of(record, write_record(record), check=True))

    # -- balance -------------------------------------------------------------------------------------------------------

    async def load(self, user_id: int, token_id: int | None = None) -> None:
        """Load the hot balance from SQL. Many callers share one query. Raises LookupError when there is no such account."""
        await self._loader.load(user_id, token_id or 0)

    def _look_at_age(self, account: Account, loaded_ms: int) -> None:
        if loaded_ms + REFRESH_MS < self._now_ms():
            self._refresh(account[0], account[1] or None)

    def _refresh(self, user_id: int, token_id: int | None) -> None:
        if self._loader.is_loading(user_id, token_id or 0):
            return
        task = asyncio.create_task(self._loader.refresh(user_id, token_id or 0))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def available(self, user_id: int) -> Quota | None:
        """The hot balance; None when it is not loaded."""
        value = await self.execute(b"HGET", self.keys.balance(user_id), b"q")
        return None if value is None else Quota(int(value))


def _refusal(code: int, value: Any) -> QuotaShort | NotLoaded | Repeated:
    """What a script says by a code other than 0."""
    match code:
        case 1:
            return QuotaShort("user", Quota(value))
        case 2:
            return QuotaShort("token", Quota(value))
        case 3:
            return NotLoaded(bool(value & 1), bool(value & 2))
        case _:
            return Repeated(value.decode() if isinstance(value, bytes) else value, code == 5)


def _end_of(record: UsageRecord, written: bytes, *, check: bool = False) -> tuple[Account, _End]:
    """`written`: the record's bytes."""
    forget = record.error_code or (record.cut and not record.quota)
    flags = (_FORGET if forget else 0) | (_CHECK if check else 0)
    account = record.user_id, record.token_id if record.token_limited else 0
    return account, _End(record.request_id, record.quota, written, flags)


def _read_ends(account: Account, answer: list[Any], asked: int) -> list[bool]:
    """For each call: was it late?"""
    return [bool(late) for late in answer]
