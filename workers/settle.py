"""The settler: reads the usage streams and applies them to SQL, each record exactly once, in large transactions.

The stream position is stored in the same transaction as its effects, by compare-and-set. Whoever is killed or overtaken
anywhere in here has either moved the position and applied the records, or neither.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct
from redis import exceptions as redis_errors
from sqlalchemy.exc import SQLAlchemyError

from schema.ledger.gathering import CALLS_MAX
from workers.batch import Batch, LogPolicy, Slice, build_batch, references
from workers.store import CursorMoved, Duplicate, Store
from workers.stream import UsageStreams

log = structlog.get_logger(__name__)

COUNT_MAX = 2_000  # entries per partition and transaction
BATCH_MAX = 4_000  # records per transaction: what SQLite's other writers may have to wait for, about 50 ms
READ_MAX = 20_000  # records read at once to find these: 6 MB; an entry holds up to CALLS_MAX of them
PAUSE_S = (
    0.75  # between transactions under load: a row is in the log within a second, and the fixed costs are shared by more
)
LINGER_S = 0.1  # after the first record of a quiet time, to let others join
IDLE_MS = 1_000  # longest blocking wait: new leases are noticed after it
ADVANCE_S = 5.0  # how often numbering and trimming are looked after
BACKOFF_S_MAX = 5.0
ROUND_S_MAX = 30.0  # a server that accepts and never answers must not stop settlement for ever
ALONE_AFTER = 3  # failures of a batch before its entries are tried one by one


class Progress(Struct):
    """What settling has done so far, for the metrics."""

    records: int = 0
    duplicates: int = 0
    batches: int = 0
    batch_s: float = 0.0  # sum
    last_batch_s: float = 0.0
    failures: int = 0
    lag_ms: int = (
        0  # age of the oldest record when it was applied; while nothing can be applied, since when; 0: none waits
    )


class Settler:
    """Settles the partitions that `partitions` names; one of these runs per process and target database."""

    def __init__(
        self,
        streams: UsageStreams,
        store: Store,
        *,
        partitions: Callable[[], set[int]],
        policy: Callable[[], LogPolicy],
        after: Callable[[Batch], Awaitable[None]] | None = None,
        traced: Callable[[Batch, int, int], None] | None = None,
        slower: "Settler | None" = None,
        on_records: Callable[[], None] = lambda: None,
        trim: bool = True,
    ) -> None:
        """
        Args:
            partitions: those that this worker holds the leases of, asked again before every batch.
            after: told of every applied batch: notifications, reloading of balances.
            traced: told of it as well, with its begin and end in Unix ns.
            slower: another reader of the same streams (of the log database), which must have read what is dropped.
            on_records: called when there are some, before they are applied.
            trim: whether this one drops applied entries.
        """
        self._streams = streams
        self._store = store
        self._partitions = partitions
        self._policy = policy
        self._after = after
        self._traced = traced
        self._slower = slower
        self._trim = trim
        self._on_records = on_records
        self._stopping = asyncio.Event()
        self._looked_after_s = 0.0
        self._quiet = False  # the last wait was in vain: the next one may follow at once
        self._in_step_s = time.monotonic()  # when a round ended well
        self._dense = float(CALLS_MAX)  # records of an entry, as it was lately; before the first: the worst
        self.positions: dict[int, str] = {}
        self.progress = Progress()

    def stop(self) -> None:
        """Finish the transaction at hand, then return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`. Redis or SQL may go away and come back meanwhile."""
        failures = 0
        pause_s = 0.0
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(ROUND_S_MAX):
                    pause_s = await self.round(alone=failures >= ALONE_AFTER)
                failures, self._in_step_s = 0, time.monotonic()
            except (redis_errors.RedisError, SQLAlchemyError, OSError, TimeoutError) as error:
                pause_s = await self._failed(error, failures)
                failures += 1
            except CursorMoved as moved:
                log.info("overtaken", partition=moved.args[0])
                self.positions.clear()
                pause_s = 0
            except Exception as error:  # a driver's own error, which the raw connection does not translate
                pause_s = await self._failed(error, failures)
                failures += 1
            if pause_s > 0:
                await self._sleep(pause_s)

    async def _failed(self, error: Exception, failures: int) -> float:
        self.progress.failures += 1
        self.progress.lag_ms = max(self.progress.lag_ms, int((time.monotonic() - self._in_step_s) * 1000))
        self.positions.clear()
        log.error("settling_failed", error=f"{type(error).__name__}: {error}"[:500], failures=failures + 1)
        return min(BACKOFF_S_MAX, 0.25 * float(2 ** min(failures, 6)))

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def round(self, *, alone: bool = False) -> float:
        """One batch, or a wait for one. Returns for how long to pause. `alone`: one entry per partition."""
        await self._find_positions()
        if not self.positions:
            return 0.5
        started_s = time.monotonic()
        if started_s - self._looked_after_s > ADVANCE_S:
            self._looked_after_s = started_s
            await self._look_after()
        count = 1 if alone else self._count_entries()
        slices = [] if self._quiet else await self._streams.read(self.positions, count, records_max=BATCH_MAX)
        if not slices:
            self.progress.lag_ms = 0
            self._quiet = not await self._streams.wait(self.positions, IDLE_MS)
            if self._quiet:
                return 0.0
            self._on_records()
            return LINGER_S
        self._on_records()
        await self.apply(slices)
        if any(part.more for part in slices):
            return 0.0
        return max(0.0, PAUSE_S - (time.monotonic() - started_s))

    def _count_entries(self) -> int:
        """How many to ask each partition for: enough for a transaction, and not more than memory should hold at once."""
        partitions = len(self.positions)
        return max(1, min(COUNT_MAX, BATCH_MAX // partitions, int(READ_MAX / (partitions * self._dense))))

    async def _find_positions(self) -> None:
        owned = self._partitions()
        for partition in self.positions.keys() - owned:
            del self.positions[partition]
        new = owned - self.positions.keys()
        if new:
            found = await self._store.positions(sorted(new))
            moved = await self._streams.advance(found)
            if moved:
                log.warning("stream_went_back", partitions=sorted(new), rewritten=moved)
            self.positions.update(found)

    async def _look_after(self) -> None:
        moved = await self._streams.advance(self.positions)
        if moved:
            log.warning("stream_went_back", rewritten=moved)
        if self._trim:
            await self._streams.trim(self._applied_by_all())

    def _applied_by_all(self) -> dict[int, str]:
        if self._slower is None:
            return self.positions
        theirs = self._slower.positions
        both = {
            partition: (position, theirs[partition])
            for partition, position in self.positions.items()
            if partition in theirs
        }
        return {partition: min(pair, key=_order) for partition, pair in both.items()}

    async def apply(self, slices: list[Slice]) -> Batch:
        """Apply what was read. Raises CursorMoved when somebody else did."""
        started_s, begun_ns = time.monotonic(), time.time_ns()
        marked = references(slices)
        known = await self._store.find_known(marked) if marked else None
        batch = build_batch(slices, known, self._policy())
        try:
            await self._store.apply(batch)
        except Duplicate:
            log.warning("duplicate_found", records=batch.records)
            known = await self._store.find_known(references(slices, everything=True))
            batch = build_batch(slices, known, self._policy())
            await self._store.apply(batch)
        for part in slices:
            self.positions[part.partition] = part.last
        self._count(slices, batch, time.monotonic() - started_s)
        if self._traced is not None:
            self._traced(batch, begun_ns, time.time_ns())
        if self._after is not None:
            await self._after(batch)
        return batch

    def _count(self, slices: list[Slice], batch: Batch, took_s: float) -> None:
        progress = self.progress
        records, entries = sum([part.count() for part in slices]), sum([len(part.entries) for part in slices])
        self._dense = max(records / entries, self._dense / 2, 1.0)  # it may grow at once, for it bounds what is read
        progress.records += batch.records
        progress.duplicates += records - batch.records
        progress.batches += 1
        progress.batch_s += took_s
        progress.last_batch_s = took_s
        oldest_ms = min(int(part.entries[0].position.split(b"-")[0]) for part in slices)
        progress.lag_ms = max(0, int(time.time() * 1000) - oldest_ms)
        log.debug("settled", records=batch.records, ms=int(took_s * 1000))


def _order(position: str) -> tuple[int, int]:
    milliseconds, _, number = position.partition("-")
    return int(milliseconds), int(number or 0)
