"""Does Redis still know what it was told? Signs of life in its memory are compared with what SQL keeps of them.

Another mark, or none: the server was emptied. Fewer signs than were acknowledged: it lost writes, as a replica does that takes
over too early. All of them, but another run of the server: what it was told after the last sign may be lost. Each becomes an entry
of the audit that names the span and the bound of what the books may lack, also when it happened while no worker ran. One worker
looks after each server: the one that has the lease of its first partition.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace
from redis.exceptions import RedisError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schema.database import Engine, read_within
from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import BEAT, BORN, HOLDS, LOSSES, Keys
from schema.own_tables import Meta, SettleCursor
from schema.redis_client import ClusterRedis, queue_of, servers_of
from schema.redis_losses import EMPTIED, RESTARTED, REWOUND, RedisLoss, write_loss, write_partitions, write_time
from schema.usage import count_records
from workers.reap import Hold, read_holds

log = structlog.get_logger(__name__)

LOOK_S = 0.25  # between two signs of life: lost writes that span less may go unseen
QUIET_S = 1.0  # between two while no records come; the first one is followed by a sign
SAVE_S = 5.0  # how old SQL's knowledge may be: what a dead worker did not see began so much earlier at most
SQL_S_MAX = 10.0
PAGE = 250  # entries read at once; each holds up to a hundred records
WAITING_MAX = 20_000  # records counted at one look; about 40 ms of the server
ROW = "redis_seen:"  # + key of the mark: rows of mx_meta


class Waiting(Struct, frozen=True):
    """What the streams of some partitions hold that SQL has not."""

    records: int = 0
    quota: int = 0
    more: bool = False  # than WAITING_MAX
    oldest_ms: int = 0  # 0: nothing waits


class Seen(Struct, frozen=True):
    """What was known of a server when it was last seen whole. Times in Unix ms of its clock."""

    mark: str
    run: str  # id of the server's process
    beat: int
    at_ms: int
    clear_ms: int  # calls that had ended before are in SQL
    waiting: Waiting
    open: int = 0  # holds, of all partitions
    held: int = 0  # their quota
    losses: int = 0  # found so far, restarts left out
    quiet: bool = False  # the last worker stopped with nothing waiting and no call open


class Beat(Struct, frozen=True):
    """What beat.lua answers."""

    mark: str
    run: str
    number: int
    before: int
    before_ms: int
    now_ms: int


class Lost(Struct, frozen=True):
    """Noticed and not yet in SQL."""

    action: str
    noticed_ms: int
    kept_ms: int  # of the last sign of life that survived


class _Known(Struct):
    text: str | None  # as SQL has it; None: nothing
    seen: Seen | None


def judge(seen: Seen, found: Beat) -> Lost | None:
    """What happened between two looks at one server; None: nothing."""
    if found.mark != seen.mark:
        return Lost(EMPTIED, found.now_ms, 0)
    if found.before < seen.beat:
        return Lost(REWOUND, found.now_ms, found.before_ms)
    if found.run != seen.run and not seen.quiet:
        return Lost(RESTARTED, found.now_ms, found.before_ms)
    return None


def bound(seen: Sequence[Seen], lost: Sequence[Lost], partitions: Sequence[int]) -> RedisLoss:
    """Of servers that were found in the same state by one look."""
    pairs = zip(seen, lost, strict=True)
    return RedisLoss(
        partitions=write_partitions(partitions),
        since=write_time(min(max(one.clear_ms, what.kept_ms) for one, what in pairs)),
        seen=write_time(min(one.at_ms for one in seen)),
        noticed=write_time(max(what.noticed_ms for what in lost)),
        waiting=sum(one.waiting.records for one in seen),
        waiting_quota=sum(one.waiting.quota for one in seen),
        waiting_more=any(one.waiting.more for one in seen),
        open=max(one.open for one in seen),  # told for all partitions together
        held=max(one.held for one in seen),
    )


class RedisMemory:
    """One per worker. Call `look` every LOOK_S seconds, QUIET_S while nothing is written."""

    def __init__(self, engine: Engine, redis: Any, execute: Execute, keys: Keys) -> None:
        self._engine, self._redis, self._execute, self._keys = engine, redis, execute, keys
        every = range(keys.partitions)
        self._servers: dict[str, tuple[str, tuple[int, ...]]] = {BORN: (BEAT, tuple(every))}  # mark -> beat, partitions
        if isinstance(redis, ClusterRedis):  # any node may lose its memory, and slots move
            self._servers = {keys.born(number): (keys.beat(number), (number,)) for number in every}
        self._known: dict[str, _Known] = {}
        self._lost: dict[str, Lost] = {}
        self._saved_s = 0.0

    async def look(self, owned: set[int], *, save: bool = False, last: bool = False) -> None:
        """Raises what Redis and SQL raise; the next look makes up for it.

        Args:
            owned: partitions that this worker has leases of.
            save: note in SQL what is seen, however short ago that was done.
            last: this worker stops.
        """
        watched = [name for name, (_, partitions) in self._servers.items() if partitions[0] in owned]
        for name in self._known.keys() - set(watched):
            del self._known[name]  # somebody else goes on from what SQL has
            self._lost.pop(name, None)
        if not watched:
            return
        await self._read([name for name in watched if name not in self._known])
        beats = await self._beat(watched)
        for name, beat in beats.items():
            seen = self._known[name].seen
            if seen is None or name in self._lost:
                continue
            lost = judge(seen, beat)
            if lost is not None and not (lost.action == RESTARTED and await self._still_runs(seen.run)):
                self._lost[name] = lost
            else:
                self._known[name].seen = replace(seen, run=beat.run, beat=beat.number, at_ms=beat.now_ms, quiet=False)
        news = self._lost.keys() & beats.keys() or any(self._known[name].seen is None for name in beats)
        if beats and (save or last or news or time.monotonic() - self._saved_s >= SAVE_S):
            await self._save(beats, last)
            self._saved_s = time.monotonic()

    async def _read(self, names: Sequence[str]) -> None:
        if not names:
            return
        async with read_within(self._engine, SQL_S_MAX) as db:
            rows = await db.execute(select(Meta.key, Meta.value).where(Meta.key.in_([ROW + name for name in names])))
            texts: dict[str, str] = {str(key): str(value) for key, value in rows}
        for name in names:
            text = texts.get(ROW + name)
            self._known[name] = _Known(text, _read_seen(name, text))

    async def _beat(self, names: Sequence[str]) -> dict[str, Beat]:
        """Of a cluster those whose node answers. Raises when none does."""
        word = secrets.token_hex(8)
        answers = await asyncio.gather(
            *(evaluate(self._execute, scripts.BEAT, (name, self._servers[name][0]), (word,)) for name in names),
            return_exceptions=True,
        )
        beats: dict[str, Beat] = {}
        for name, answer in zip(names, answers, strict=True):
            if not isinstance(answer, BaseException):
                beats[name] = Beat(answer[0].decode(), answer[1].decode(), *map(int, answer[2:]))
            elif len(names) == 1 or not isinstance(answer, RedisError | OSError):
                raise answer
        return beats

    async def _still_runs(self, run: str) -> bool:
        """On a cluster a slot may have moved to another node, with all that is in it."""
        if not isinstance(self._redis, ClusterRedis):
            return False
        infos = await asyncio.gather(
            *(node.info("server") for node in await servers_of(self._redis)), return_exceptions=True
        )
        return run in {str(info.get("run_id")) for info in infos if isinstance(info, dict)}

    async def _save(self, beats: Mapping[str, Beat], last: bool) -> None:
        """New state and what was lost in one transaction; of two workers that noticed the same one writes it down."""
        open_now, held = await self._execute(b"HMGET", HOLDS, b"open", b"held")  # as the reaper saw it, seconds ago
        holds: dict[str, list[Hold]] = {}
        if last:  # nobody looks after it, so what is noted now must hold
            holds = {name: await self._read_holds(self._servers[name][1]) for name in beats}
            open_now, held = sum(map(len, holds.values())), sum(one.amount for found in holds.values() for one in found)
        fresh: dict[str, tuple[str, Seen]] = {}
        for name, beat in beats.items():
            old = self._known[name].seen
            waiting = await self._count_waiting(self._servers[name][1])
            clear_ms = min(beat.now_ms, waiting.oldest_ms or beat.now_ms)
            losses = old.losses if old is not None else 0
            if name in self._lost and self._lost[name].action != RESTARTED:
                losses += 1
            seen = Seen(
                beat.mark, beat.run, beat.number, beat.now_ms, clear_ms, waiting, int(open_now or 0), int(held or 0), losses,
                quiet=last and not waiting.records and not holds[name],
            )  # fmt: skip
            fresh[name] = (msgspec.json.encode(seen).decode(), seen)
        losses_written: list[tuple[str, RedisLoss]] = []
        async with asyncio.timeout(SQL_S_MAX), self._engine.begin() as db:
            written = [name for name in sorted(fresh) if await self._write(db, name, fresh[name][0])]
            for action in (EMPTIED, REWOUND, RESTARTED):
                names = [name for name in written if name in self._lost and self._lost[name].action == action]
                if names:
                    losses_written.append((action, self._bound(names)))
                    await write_loss(
                        db, action, losses_written[-1][1], max(self._lost[name].noticed_ms for name in names)
                    )
        for name, (text, seen) in fresh.items():
            self._lost.pop(name, None)
            if name in written:
                self._known[name] = _Known(text, seen)
            else:
                del self._known[name]  # another worker was faster: go on from what it wrote
        for action, loss in losses_written:
            await self._tell(action, loss)
        counts = {name: seen.losses for name, (_, seen) in fresh.items() if name in written}
        if counts:
            await self._redis.hset(LOSSES, mapping=counts)

    def _bound(self, names: Sequence[str]) -> RedisLoss:
        seen = [known for name in names if (known := self._known[name].seen) is not None]
        partitions = [number for name in names for number in self._servers[name][1]]
        return bound(seen, [self._lost[name] for name in names], partitions)

    async def _write(self, db: AsyncConnection, name: str, text: str) -> bool:
        """False: somebody else wrote since we read."""
        old = self._known[name].text
        if old is None:
            try:
                async with db.begin_nested():
                    await db.execute(insert(Meta).values(key=ROW + name, value=text))
            except IntegrityError:
                return False
            return True
        result: Any = await db.execute(update(Meta).where(Meta.key == ROW + name, Meta.value == old).values(value=text))
        return bool(result.rowcount == 1)

    async def _count_waiting(self, partitions: Sequence[int]) -> Waiting:
        async with read_within(self._engine, SQL_S_MAX) as db:
            rows = await db.execute(
                select(SettleCursor.partition, SettleCursor.position).where(SettleCursor.partition.in_(partitions))
            )
            positions: dict[int, str] = {int(partition): str(position) for partition, position in rows}
        found = Waiting()
        for partition in await self._find_waiting(partitions, positions):
            found = await self._count(found, self._keys.usage(partition), positions.get(partition, "0-0"))
        return found

    async def _find_waiting(self, partitions: Sequence[int], positions: Mapping[int, str]) -> list[int]:
        """Those with something behind their position: one question for each, all at once."""
        first = await asyncio.gather(
            *(
                self._execute(
                    b"XRANGE", self._keys.usage(partition), f"({positions.get(partition, '0-0')}", b"+", b"COUNT", 1
                )
                for partition in partitions
            )
        )
        return [partition for partition, page in zip(partitions, first, strict=True) if page]

    async def _count(self, found: Waiting, stream: str, position: str) -> Waiting:
        """With what waits in one more stream."""
        records, quota, oldest_ms = found.records, found.quota, found.oldest_ms
        while True:
            page = await self._execute(b"XRANGE", stream, f"({position}", b"+", b"COUNT", PAGE)
            if page:
                first_ms = int(page[0][0].split(b"-")[0])
                oldest_ms = min(oldest_ms or first_ms, first_ms)
                records += sum([count_records(fields) for _, fields in page])
                quota += sum(int(fields[5]) for _, fields in page)
                position = page[-1][0].decode()
            more = len(page) == PAGE and records >= WAITING_MAX
            if more or len(page) < PAGE:
                return Waiting(records, quota, found.more or more, oldest_ms)

    async def _read_holds(self, partitions: Sequence[int]) -> list[Hold]:
        return [one for partition in partitions for one in await read_holds(self._execute, self._keys, partition)]

    async def _tell(self, action: str, loss: RedisLoss) -> None:
        """The audit has it whatever becomes of the notice. A server that only began anew is no news for everybody."""
        if action == RESTARTED:
            log.warning("redis_restarted", **msgspec.structs.asdict(loss))
            return
        log.error("redis_lost", action=action, **msgspec.structs.asdict(loss))
        facts = {"noticed": loss.noticed, "since": loss.since}
        try:
            await queue_of(self._redis).enqueue_job(
                "notify_admins", action.replace(".", "_"), facts, _job_id=f"notify:{action}:{loss.noticed}"
            )
        except (RedisError, OSError) as error:
            log.warning("loss_not_told", error=type(error).__name__)


async def forget_servers(engine: Engine) -> None:
    """While no worker runs: whatever Redis comes next is met anew, and nothing is said of the one before."""
    async with engine.begin() as db:
        await db.execute(delete(Meta).where(Meta.key.startswith(ROW, autoescape=True)))


def _read_seen(name: str, text: str | None) -> Seen | None:
    """None also for what a later version wrote in another form: the server is met anew."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Seen)
    except msgspec.MsgspecError as error:
        log.warning("redis_seen_unreadable", server=name, error=str(error))
        return None
