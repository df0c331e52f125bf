"""Looking after the open tasks of one channel: many ids in one request, one request at a time, ever longer pauses.

Leases and locks only spare work. Two workers that read the same answer move a task once: see schema.tasks.books.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import structlog
from msgspec import Struct
from sqlalchemy import select, update

from schema.ledger.keys import TASK_COUNTS
from schema.migrate import read_meta
from schema.secrets import Vault
from schema.tables import AsyncTask, Channel
from schema.tasks.books import COLUMNS, Acceptance, Books
from schema.tasks.platform import Platform, Reading, TaskRefused
from schema.tasks.registry import PLATFORMS
from schema.tasks.rows import Row, state_of
from schema.tasks.states import EXPIRED, OPEN, SUBMITTING_MS_MAX, advance, channel_delay_ms, expire, fail, poll_delay_ms
from schema.tasks.wire import TaskWire, Unanswered
from schema.upstreams.account import Account, key_name, read_account
from workers.context import Worker
from workers.task_money import books_of, move_task, settle_note

log = structlog.get_logger(__name__)

CLAIM_MAX = 50  # tasks leased at once
FRESH_MAX = 40  # of them by the number of looks, so that stuck ones cannot hold up new ones
LEASE_MS = 20_000
POLL_TIMEOUT_S = 12.0  # of one request
BUDGET_S = 8.0  # no new batch begins after it: other channels wait for this worker
FAILURES, PAUSED = "mx:tasks:failures", "mx:tasks:paused:"  # hash of polls that failed in a row; + channel: rests now
_STATUSES = sorted((OPEN | {EXPIRED}) - {"SUBMITTING"})


class Looked(Struct):
    """What a run did."""

    asked: int = 0
    changed: int = 0
    refunded: int = 0
    failed: bool = False


class PollFailed(Exception):
    """No usable answer. `kind` is a class for the metrics."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def due(now_ms: int) -> tuple[Any, ...]:
    """Tasks whose next look has come. A cut-off submit is one of them once a call-back has told its id."""
    cut_off = (AsyncTask.status == "SUBMITTING") & (AsyncTask.submit_at < now_ms - SUBMITTING_MS_MAX)
    return (
        AsyncTask.status.in_(_STATUSES) | cut_off,
        AsyncTask.upstream_id != "",
        AsyncTask.next_poll_at > 0,
        AsyncTask.next_poll_at <= now_ms,
        AsyncTask.lease_until < now_ms,
    )


async def claim(worker: Worker, channel_id: int, now_ms: int) -> list[Row]:
    """Lease some due tasks: mostly those that were looked at least, and always some that wait longest."""
    where = (AsyncTask.channel_id == channel_id, *due(now_ms))
    owner = f"{worker.node[:40]}:{secrets.token_hex(8)}"
    async with worker.engine.connect() as db:
        fresh = select(AsyncTask.id).where(*where).order_by(AsyncTask.poll_count, AsyncTask.next_poll_at)
        ids = list((await db.execute(fresh.limit(FRESH_MAX))).scalars())
        if len(ids) == FRESH_MAX:
            waiting = select(AsyncTask.id).where(*where).order_by(AsyncTask.next_poll_at).limit(CLAIM_MAX)
            ids = list(dict.fromkeys([*ids, *(await db.execute(waiting)).scalars()]))[:CLAIM_MAX]
    if not ids:
        return []
    async with worker.engine.begin() as db:
        free = (AsyncTask.id.in_(ids), AsyncTask.lease_until < now_ms)
        await db.execute(update(AsyncTask).where(*free).values(lease_owner=owner, lease_until=now_ms + LEASE_MS))
    async with worker.engine.connect() as db:
        mine = select(*COLUMNS).where(AsyncTask.id.in_(ids), AsyncTask.lease_owner == owner).order_by(AsyncTask.id)
        return [dict(row) for row in (await db.execute(mine)).mappings()]


class ChannelPoller:
    """Polls one channel."""

    def __init__(self, worker: Worker, wire: TaskWire, channel_id: int) -> None:
        self._worker, self._wire, self._channel_id = worker, wire, channel_id
        self._rng = Random()
        self._books: Books
        self.looked = Looked()

    async def run(self) -> Looked:
        """Until nothing is due, the time is up or the channel does not answer."""
        worker = self._worker
        self._books = books_of(worker, await worker.options.refresh())
        started_s = time.monotonic()
        account = await self._read_account()
        while time.monotonic() - started_s < BUDGET_S and not self.looked.failed:
            rows = await claim(worker, self._channel_id, await now_ms(worker))
            if not rows:
                break
            if account is None:
                await self._orphaned(rows)
            else:
                await self._poll(account, rows)
        return self.looked

    async def _read_account(self) -> Account | None:
        """None: the channel was deleted."""
        worker, config = self._worker, self._worker.config
        async with worker.engine.connect() as db:
            found = await db.execute(select(*Channel.__table__.columns).where(Channel.id == self._channel_id))
            row = found.first()
        if row is None:
            return None
        vault = Vault(config.crypto_secret or config.session_secret, config.crypto_secret_old)
        return read_account(row, vault, one_api=await read_meta(worker.engine, "origin") == "one-api")

    async def _orphaned(self, rows: Sequence[Row]) -> None:
        at_ms = await now_ms(self._worker)
        for row in rows:
            change = fail(state_of(row), f"channel {self._channel_id} of this task was deleted", at_ms)
            if change is not None:
                await self._move(row, change, None, at_ms)
            else:
                await self._put_off([row], at_ms, at_ms + 60_000)

    async def _poll(self, account: Account, rows: Sequence[Row]) -> None:
        for (name, key), group in _groups(rows):
            platform = PLATFORMS[name]
            ids = list(dict.fromkeys(row["upstream_id"] for row in group))
            for start in range(0, len(ids), platform.ids_max):
                part = ids[start : start + platform.ids_max]
                wanted = [row for row in group if row["upstream_id"] in part]
                if self.looked.failed:
                    await self._put_off(wanted, await now_ms(self._worker), 0)
                else:
                    await self._ask(account, platform, key, wanted, part)

    async def _ask(self, account: Account, platform: Platform, key: str, rows: Sequence[Row], ids: list[str]) -> None:
        self.looked.asked += len(ids)
        try:
            readings = await self._read(account, platform, key, ids)
        except PollFailed as failed:
            await self._failed(rows, failed.kind)
            return
        await self._worker.redis.hdel(FAILURES, self._channel_id)
        at_ms = await now_ms(self._worker)
        told = {reading.upstream_id: reading for reading in readings}
        foreign = told.keys() - set(ids)
        if foreign:
            await self._count("foreign_ids", len(foreign))
        quiet = [row for row in rows if not await self._apply(row, told.get(row["upstream_id"]), at_ms)]
        await self._put_off(quiet, at_ms, 0)

    async def _read(self, account: Account, platform: Platform, key: str, ids: list[str]) -> list[Reading]:
        """Raises PollFailed."""
        text = next((one for one in account.keys if key and key_name(one) == key), account.view.key).strip()
        proxy = str(account.view.setting.get("proxy") or self._worker.config.relay_proxy)
        try:
            request = platform.write_poll(account.view.base_url or account.provider.base_url, text, ids)
            answer = await self._wire.send(request, proxy=proxy, timeout_s=POLL_TIMEOUT_S)
        except TaskRefused as error:
            raise PollFailed("setup") from error
        except Unanswered as error:
            raise PollFailed("timeout" if error.sent else "connect") from error
        if answer.status == 404 and len(ids) == 1:
            return []  # forgotten there: the deadline ends it
        if not 200 <= answer.status < 300:
            raise PollFailed(f"http_{answer.status // 100}xx")
        try:
            return platform.read_poll(answer.body)
        except (ValueError, TypeError, AttributeError) as error:
            raise PollFailed("bad_answer") from error

    async def _apply(self, row: Row, reading: Reading | None, at_ms: int) -> bool:
        """True: the row was written."""
        if row["status"] == "SUBMITTING":
            if reading is None:
                return False
            await self._adopt(row, reading, at_ms)
            return True
        state = state_of(row)
        change = advance(state, reading, at_ms) if reading is not None else expire(state, at_ms)
        return change is not None and await self._move(row, change, reading, at_ms)

    async def _adopt(self, row: Row, reading: Reading, at_ms: int) -> None:
        """A submit that was cut off did arrive: the upstream itself says so, so it counts."""
        taken = Acceptance(
            task_key=row["task_key"], user_id=row["user_id"], channel_id=row["channel_id"],
            channel_key=row["channel_key"], upstream_id=row["upstream_id"], code=1, at_ms=at_ms, reading=reading,
        )  # fmt: skip
        booked = await settle_note(self._worker, self._books, taken)
        log.warning("cut_off_submit_found", task=row["task_key"], upstream_id=row["upstream_id"], booked=booked)

    async def _move(self, row: Row, change: Any, reading: Reading | None, at_ms: int) -> bool:
        count = row["poll_count"] + 1
        done = await move_task(
            self._worker, self._books, row, change, reading, at_ms, poll_count=count, last_poll_at=at_ms, lease_until=0,
            next_poll_at=at_ms + poll_delay_ms(count, self._rng.random()),
        )  # fmt: skip
        if done:
            self.looked.changed += 1
            if change.late_success:
                await self._count("late_successes", 1)
            if change.money:
                self.looked.refunded += 1
                await count_return(self._worker, change.money, row["quota"])
        return done

    async def _put_off(self, rows: Sequence[Row], at_ms: int, until_ms: int) -> None:
        """No news: look again later. An expired task gets no further look. `until_ms` 0: by the number of looks."""
        by_count: dict[tuple[bool, int], list[int]] = {}
        for row in rows:
            by_count.setdefault((row["status"] == EXPIRED, row["poll_count"] + 1), []).append(row["id"])
        async with self._worker.engine.begin() as db:
            for (over, count), ids in by_count.items():
                following = 0 if over else until_ms or at_ms + poll_delay_ms(count, self._rng.random())
                await db.execute(
                    update(AsyncTask)
                    .where(AsyncTask.id.in_(ids))
                    .values(poll_count=count, last_poll_at=at_ms, lease_until=0, next_poll_at=following)
                )

    async def _failed(self, rows: Sequence[Row], kind: str) -> None:
        """The whole channel rests; its tasks keep their deadlines."""
        self.looked.failed = True
        redis = self._worker.redis
        failures = int(await redis.hincrby(FAILURES, self._channel_id, 1))
        pause_ms = channel_delay_ms(failures, self._rng.random())
        await redis.set(f"{PAUSED}{self._channel_id}", kind, px=pause_ms)
        await self._count(f"poll_errors:{kind}", 1)
        log.warning("poll_failed", channel=self._channel_id, kind=kind, failures=failures, pause_ms=pause_ms)
        at_ms = await now_ms(self._worker)
        await self._put_off(rows, at_ms, at_ms + pause_ms)

    async def _count(self, name: str, by: int) -> None:
        await self._worker.redis.hincrby(TASK_COUNTS, name, by)


async def count_return(worker: Worker, money: str, quota: int) -> None:
    """For the metrics: how often and how much went back."""
    await worker.redis.hincrby(TASK_COUNTS, f"{money}s", 1)
    await worker.redis.hincrby(TASK_COUNTS, f"{money}_quota", quota)


async def now_ms(worker: Worker) -> int:
    """By Redis' clock, which edges stamp tasks with."""
    seconds, micros = await worker.execute(b"TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def _groups(rows: Iterable[Row]) -> list[tuple[tuple[str, str], list[Row]]]:
    """By platform and key: what may go in one request."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["platform"], row["channel_key"]), []).append(row)
    return list(groups.items())


async def channels_due(worker: Worker, at_ms: int) -> list[int]:
    """Channels with due tasks that do not rest."""
    async with worker.engine.connect() as db:
        found = list((await db.execute(select(AsyncTask.channel_id).where(*due(at_ms)).distinct())).scalars())
    if not found:
        return []
    resting = await worker.redis.mget([f"{PAUSED}{channel}" for channel in found])
    return [channel for channel, rests in zip(found, resting, strict=True) if rests is None]
