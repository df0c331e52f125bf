"""No finished call is forgotten: what Redis cannot take goes to a file, what a killed Redis may have lost is sent again.

`settle` returns when the record is acknowledged by Redis or is on disk; only then may the client see the end of its answer.
Each edge process writes one file `spool/edge-<n>.spool` in DATA_DIR and also empties those that dead processes left behind.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import hiredis
import structlog

from edge.metrics import Meters
from schema.cluster_pipe import ClusterPipe, Pipe
from schema.ledger.allowances import Allowance
from schema.ledger.hot import HotLedger
from schema.ledger.keys import BORN
from schema.ledger.loading import Truth, Wanted
from schema.redis_pipe import RedisAway
from schema.spool import Frame, Spool, SpoolError, SpoolUnusable
from schema.ticks import until_tick
from schema.usage import UsageRecord

log = structlog.get_logger(__name__)

FILES_MAX = 256  # edge processes of one machine
PASS_RECORDS_MAX = 20_000  # replayed before the file is shortened; about 20 MB
RETRY_S = 1.0  # between attempts while Redis is back but refuses
MEMORY_S = 1.0  # how often the server is asked whether it was emptied; less than what `recent` covers
ORPHANS_S = 10.0  # how often files of dead processes are looked for
REFUSES = (RedisAway, hiredis.ReplyError)  # away, or up and unwilling: loading, read-only, out of memory

T = TypeVar("T")
Due = tuple[UsageRecord, asyncio.Future[None]]
ReadTruth = Callable[[Sequence[Wanted]], Awaitable[dict[Wanted, Truth]]]


def open_own(folder: Path, bytes_max: int) -> Spool:
    """The first file that no living process has open. Raises SpoolUnusable."""
    for number in range(FILES_MAX):
        try:
            return Spool(folder / f"edge-{number}.spool", bytes_max=bytes_max)
        except SpoolUnusable as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise
    raise SpoolUnusable(f"all {FILES_MAX} spool files in {folder} are in use")


def _read_some(spool: Spool) -> list[Frame]:
    return list(itertools.islice(spool.read(), PASS_RECORDS_MAX))


def _set_aside(spool: Spool) -> Path:
    """Bytes in which no record can be read are for a human to look at."""
    kept = spool.path.with_suffix(f".damaged-{time.time_ns()}")
    kept.write_bytes(spool.path.read_bytes())
    spool.drop(spool.size)
    return kept


class Settling:
    """One per process. `run` until cancelled, then `close`."""

    def __init__(
        self, hot: HotLedger, pipe: Pipe, read_truth: ReadTruth, spool: Spool, meters: Meters, *, admitted_max: int
    ) -> None:
        """
        Args:
            spool: from `open_own`; closed here.
            read_truth: balances from SQL, for calls that pass without a hold.
            admitted_max: calls at once that may pass without a hold while Redis is away (ADMIT_WITHOUT_REDIS).
        """
        self._hot, self._pipe, self._read_truth = hot, pipe, read_truth
        self._spool, self._meters = spool, meters
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")  # one at a time, and never in the event loop
        self._due: list[Due] = []
        self._writing: asyncio.Task[None] | None = None
        self._at_risk: list[UsageRecord] = []
        self._run_id = b""
        self._born: dict[str, bytes] = {}
        self._marks = [BORN]
        self._wake = asyncio.Event()
        self._admitted_max = admitted_max
        self.admitted = 0
        pipe.on_connect = self._on_connect
        if isinstance(pipe, ClusterPipe):  # any node may be emptied, and others settle on while one is away
            self._marks = [hot.keys.born(partition) for partition in range(hot.keys.partitions)]
            pipe.on_lost = self._on_lost

    @property
    def spool_bytes(self) -> int:
        """What waits on disk."""
        return self._spool.size

    @property
    def spool_full(self) -> bool:
        """Less than a tenth is left: no longer ready for traffic."""
        return self._spool.size > self._spool.bytes_max * 0.9

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def settle(self, record: UsageRecord, allowance: Allowance | None = None, amount: int = 0) -> None:
        """End a call. Raises SpoolError when neither Redis nor the disk takes the record: then nobody may see the end.

        Args:
            allowance: out of which it held `amount`.
        """
        try:
            await self._hot.settle(record, allowance, amount)
            self._meters.settled(record)
        except REFUSES as error:
            await self.spool(record, error)

    async def spool(self, record: UsageRecord, error: BaseException) -> None:
        """Redis did not take it, for this reason (REFUSES). Raises SpoolError when the disk does not either."""
        log.warning("record_spooled", request_id=record.request_id, reason=str(error)[:100])
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._due.append((record, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await future
        self._meters.settled(record)
        self._meters.count("spooled_total")

    async def admit(self, user_id: int, token_id: int, amount: int) -> bool:
        """May one more call pass without a hold? Only while SQL says that it can be paid. Give it back with `leave`.

        Args:
            token_id: a limited token, or 0.
        Raises what the database raises.
        """
        if self.admitted >= self._admitted_max or self.spool_full:
            return False
        self.admitted += 1  # before the wait: the bound holds for calls that come at once
        try:
            truth = (await self._read_truth([(user_id, token_id)])).get((user_id, token_id))
            if truth is not None and truth.quota >= amount and (not token_id or truth.remaining >= amount):
                return True
        except BaseException:
            self.admitted -= 1
            raise
        self.admitted -= 1
        return False

    def leave(self) -> None:
        self.admitted -= 1

    async def _write(self) -> None:
        """Everything that came while the disk was busy goes in one write and one sync."""
        while self._due:
            due, self._due = self._due, []
            if await self._append(due) is not None and len(due) > 1:
                for one in due:  # there may be room for some of them
                    await self._append([one], last=True)
        self._writing = None
        self._wake.set()

    async def _append(self, due: list[Due], *, last: bool = False) -> SpoolError | None:
        """Put all of them on disk, or none. `last`: there will be no other try."""
        failure: SpoolError | None = None
        try:
            await self._on_disk(self._spool.append, [record for record, _ in due])
        except SpoolError as error:
            log.error("spool_failed", records=len(due), error=str(error))
            failure = error
        for _, future in due:
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            elif last or len(due) == 1:
                future.set_exception(type(failure)(str(failure)))
        return failure

    async def _on_disk(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)

    # -- replay --------------------------------------------------------------------------------------------------------

    async def _on_connect(self) -> None:
        """What was acknowledged just before the break may not have reached the server's disk. Nothing is newer yet."""
        self._at_risk += self._hot.recent()
        self._wake.set()

    def _on_lost(self) -> None:
        """A node of a cluster went: by the time it is back, `recent` may hold only what the other nodes settled."""
        self._at_risk += self._hot.recent()

    async def run(self) -> None:
        """After a reconnect, and while something is on disk: send it."""
        looked_s = 0.0
        while True:
            try:
                await self._check_server()
                await self._check_memory()
                if self._spool.size:
                    await self._empty(self._spool)
                if time.monotonic() - looked_s > ORPHANS_S:
                    looked_s = time.monotonic()
                    await self._adopt_orphans()
                pause_s = until_tick(MEMORY_S, asyncio.get_running_loop().time())
            except (*REFUSES, OSError, SpoolError) as error:
                if self._pipe.connected:
                    log.warning("replay_failed", error=type(error).__name__, spool_bytes=self._spool.size)
                pause_s = RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _check_server(self) -> None:
        """A server with another run id was restarted or is another one: it may have forgotten the last seconds."""
        if self._run_id and not self._at_risk:
            return
        at_risk, run_id = self._at_risk, await self._read_run_id()
        if self._run_id and run_id != self._run_id:
            await self._hot.sync_clock()
            sent = await self._hot.replay(at_risk)
            self._meters.count("replayed_total", by=sent)
            log.warning("server_changed", replayed=sent)
        self._run_id = run_id
        self._at_risk = self._at_risk[len(at_risk) :]

    async def _check_memory(self) -> None:
        """A mark that somebody emptied away took records with it that no worker had read: those of the last seconds are here."""
        for name in self._marks:
            await self._check_mark(name)

    async def _check_mark(self, name: str) -> None:
        mark = await self._pipe.execute(b"GET", name)
        if mark is None:
            await self._pipe.execute(b"SET", name, secrets.token_hex(8), b"NX")
            mark = await self._pipe.execute(b"GET", name)
        if self._born.get(name, mark) != mark:
            sent = await self._hot.replay()
            self._meters.count("replayed_total", by=sent)
            self._meters.count("redis_emptied_total")
            log.error("redis_was_emptied", replayed=sent)
        self._born[name] = mark

    async def _read_run_id(self) -> bytes:
        answer = await self._pipe.execute(b"INFO", b"server")
        return next((line[7:] for line in bytes(answer).splitlines() if line.startswith(b"run_id:")), b"")

    async def _empty(self, spool: Spool) -> None:
        """Send all records of a file, then forget them. Killed in between, they are sent again and found to be known."""
        while spool.size:
            frames = await self._on_disk(_read_some, spool)
            if not frames:
                kept = await self._on_disk(_set_aside, spool)
                log.error("spool_damaged", kept=kept.name)
                return
            sent = await self._hot.replay(frame.record for frame in frames)
            await self._on_disk(spool.drop, frames[-1].end)
            self._meters.count("replayed_total", by=sent)
            log.info("spool_replayed", records=sent, bytes_left=spool.size)

    async def _adopt_orphans(self) -> None:
        for path in sorted(self._spool.path.parent.glob("edge-*.spool")):
            if path == self._spool.path or not path.stat().st_size:
                continue
            try:
                orphan = Spool(path, bytes_max=self._spool.bytes_max)
            except SpoolUnusable:
                continue  # a living process has it
            try:
                await self._empty(orphan)
            finally:
                orphan.close()

    async def close(self) -> None:
        """Everything written is on disk already."""
        if self._writing is not None:
            await self._writing
        self._disk.shutdown()
        self._spool.close()
