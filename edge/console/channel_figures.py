"""Figures of channels over any window: from the minutes in Redis while they are there, else from SQL's spans."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import func, select

from edge.services import Services
from schema.health import (
    ERRORS,
    MINUTE,
    MINUTE_KEPT_S,
    NODE_S_MAX,
    NODES,
    THROUGH,
    Cell,
    Gate,
    Sample,
    merge,
    percentile,
    read_cell,
    read_cells,
    read_node,
    read_sample,
)
from schema.own_tables import ChannelHealth, Meta
from schema.tables import Channel

MINUTES_S_MAX = 3900  # an hour and what rounding adds; longer windows are read from SQL
MINUTE_CELLS_MAX = 20_000  # more: spans of SQL and only the newest minutes
ROWS_MAX = 60_000  # more: coarser spans
CACHE_S = 3.0  # many open pages ask for the same
LONG_CACHE_S = 30.0  # of windows in which a few seconds change nothing
CACHED_MAX = 64

Key = tuple[int, str]  # channel and model; model '' = all
Timed = list[tuple[int, Key, Cell]]  # Unix s


class Now(Struct, frozen=True):
    """What the edges say at this moment."""

    in_flight: dict[int, int]
    gates: dict[Key, Gate]

    def states(self) -> dict[int, int]:
        """The sternest state of any gate of a channel: 1 half open, 2 open."""
        found: dict[int, int] = {}
        for (channel, _), gate in self.gates.items():
            found[channel] = max(found.get(channel, 0), gate.state)
        return found


class Found(Struct, frozen=True):
    """`step_s`: the span of the oldest cells; bars and buckets are even when their span is a multiple of it."""

    cells: Timed
    step_s: int


class _Cached(Struct, frozen=True):
    until: float
    found: Found


class Figures:
    """One per process: reads are shared for a moment, merging happens beside the event loop."""

    def __init__(self) -> None:
        self._cache: dict[tuple[int, int, int, bool], _Cached] = {}
        self._lock = asyncio.Lock()

    async def read(
        self, services: Services, begin_s: int, end_s: int, *, channel_id: int = 0, models: bool = False
    ) -> Found:
        """Cells that begin in [begin, end). `channel_id` 0: totals of all channels, with `models` each model of each
        (and no totals where the window is long); else all models of one, and its totals."""
        grain = 5 if end_s - begin_s <= MINUTES_S_MAX else int(LONG_CACHE_S)
        key = (begin_s // grain, end_s // grain, channel_id, models)
        async with self._lock:
            held = self._cache.get(key)
            if held is not None and held.until > time.monotonic():
                return held.found
            if len(self._cache) >= CACHED_MAX:
                self._cache.clear()
            found = await self._read(services, begin_s, end_s, channel_id, models)
            kept_s = CACHE_S if end_s - begin_s <= MINUTES_S_MAX else LONG_CACHE_S
            self._cache[key] = _Cached(time.monotonic() + kept_s, found)
            return found

    async def _read(self, services: Services, begin_s: int, end_s: int, channel_id: int, models: bool) -> Found:
        now_s = int(time.time())
        minutes = end_s - begin_s <= MINUTES_S_MAX and begin_s >= now_s - MINUTE_KEPT_S
        if minutes and not channel_id and end_s - begin_s > 600:
            async with services.engine.connect() as db:
                channels = (await db.execute(select(func.count()).select_from(Channel))).scalar_one()
            minutes = channels * (end_s - begin_s) // 60 <= MINUTE_CELLS_MAX
        if minutes:
            cells = await read_minutes(services.redis, begin_s // 60, -(-end_s // 60), channel_id, models=models)
            return Found(cells, 60)
        async with services.engine.connect() as db:
            stored = (await db.execute(select(Meta.value).where(Meta.key == THROUGH))).scalar()
            through = int(stored or 0)
            step = await _step_for(db, end_s - begin_s, begin_s, channel_id, models)
            table = ChannelHealth
            wanted = select(table.at, table.channel_id, table.model, table.cell).where(
                table.step == step, table.at >= begin_s - begin_s % step, table.at < end_s
            )
            if channel_id:
                wanted = wanted.where(table.channel_id == channel_id)
            else:
                wanted = wanted.where(table.model != "" if models else table.model == "")
            rows = (await db.execute(wanted)).all()
        found = await asyncio.to_thread(
            lambda: [(row.at, (row.channel_id, row.model), read_cell(row.cell)) for row in rows]
        )
        last = min(now_s // 60 + 1, -(-end_s // 60))
        first = max(through, now_s // 60 + 1 - MINUTE_KEPT_S // 60)  # minutes that are not merged yet
        if first < last:
            found += await read_minutes(services.redis, first, last, channel_id, models=models)
        return Found(found, step)


def step_of_one(begin_s: int, end_s: int, now_s: int) -> int:
    """The span, in s, of the figures of one channel in a window."""
    if end_s - begin_s <= MINUTES_S_MAX and begin_s >= now_s - MINUTE_KEPT_S:
        return 60
    return _stored_step_of_one(end_s - begin_s)


def _stored_step_of_one(window_s: int) -> int:
    return 600 if window_s <= 48 * 3600 else 3600 if window_s <= 60 * 86_400 else 86_400


async def _step_for(db: Any, window_s: int, begin_s: int, channel_id: int, models: bool) -> int:
    if channel_id:
        return _stored_step_of_one(window_s)
    table = ChannelHealth
    kinds = select(table.channel_id, table.model).where(table.step == 86_400, table.at >= begin_s - 86_400).distinct()
    kinds = kinds.where(table.model != "" if models else table.model == "")
    count = (await db.execute(select(func.count()).select_from(kinds.subquery()))).scalar_one()
    for step, longest in ((600, 48 * 3600), (3600, 90 * 86_400)):
        if window_s <= longest and count * window_s // step <= ROWS_MAX:
            return step
    return 86_400


def even_span(asked_s: int, step_s: int) -> int:
    """`asked_s` rounded up to whole steps of the figures, so that every span holds equally many."""
    return max(1, -(-asked_s // step_s)) * step_s


async def read_minutes(redis: Any, begin: int, end: int, channel_id: int, *, models: bool = False) -> Timed:
    """Minutes [begin, end) of all edges; models apart where it is asked for, and for one channel."""
    async with redis.pipeline(transaction=False) as pipe:
        for minute in range(begin, end):
            pipe.hvals(f"{MINUTE}{minute}")
        blobs = await pipe.execute()
    return await asyncio.to_thread(_decode, begin, blobs, channel_id, models or bool(channel_id))


def _decode(begin: int, blobs: list[list[bytes]], channel_id: int, models: bool) -> Timed:
    found: Timed = []
    for minute, of_edges in enumerate(blobs, begin):
        for data in of_edges:
            for one in read_cells(data):
                if channel_id and one.channel_id != channel_id:
                    continue
                found.append((minute * 60, (one.channel_id, ""), one.cell))
                if models and one.model:
                    found.append((minute * 60, (one.channel_id, one.model), one.cell))
    return found


def by_key(cells: Iterable[tuple[int, Key, Cell]]) -> dict[Key, Cell]:
    found: dict[Key, list[Cell]] = {}
    for _, key, cell in cells:
        found.setdefault(key, []).append(cell)
    return {key: merge(held) for key, held in found.items()}


def in_buckets(cells: Iterable[tuple[int, Key, Cell]], begin_s: int, step_s: int, count: int) -> list[Cell]:
    """`count` cells in a row from `begin_s`, each of `step_s`."""
    found: list[list[Cell]] = [[] for _ in range(count)]
    for at, _, cell in cells:
        found[min(count - 1, max(0, (at - begin_s) // step_s))].append(cell)
    return [merge(held) for held in found]


def spark(cells: Iterable[tuple[int, Key, Cell]], end_s: int, step_s: int, count: int) -> tuple[list[int], list[int]]:
    """Good and failed attempts in `count` equal spans; the last is the one under way at `end_s`, older cells are left out.

    Spans begin at multiples of `step_s`, as minutes do: no span holds a minute and a part of another.
    """
    ok, failed = [0] * count, [0] * count
    first = end_s // step_s - count + 1
    for at, _, cell in cells:
        place = min(count - 1, at // step_s - first)
        if place >= 0:
            ok[place] += cell.ok
            failed[place] += cell.failed
    return ok, failed


async def read_now(redis: Any) -> Now:
    """Calls under way and closed gates of all living edges; of one gate the sternest opinion."""
    in_flight: dict[int, int] = {}
    gates: dict[Key, Gate] = {}
    fresh_ms = (time.time() - NODE_S_MAX) * 1000
    for data in (await redis.hgetall(NODES)).values():
        state = read_node(data)
        if state.at_ms < fresh_ms:
            continue
        for channel, count in state.in_flight.items():
            in_flight[channel] = in_flight.get(channel, 0) + count
        for gate in state.gates:
            held = gates.get((gate.channel_id, gate.model))
            if held is None or gate.state > held.state:
                gates[gate.channel_id, gate.model] = gate
    return Now(in_flight, gates)


async def read_samples(redis: Any, channel_id: int) -> list[Sample]:
    """Failures that look alike, of all edges together, newest first."""
    merged: dict[bytes, Sample] = {}
    for field, data in (await redis.hgetall(f"{ERRORS}{channel_id}")).items():
        sample = read_sample(data)
        kind = field.partition(b"|")[2]
        held = merged.get(kind)
        if held is None:
            merged[kind] = sample
            continue
        held.count += sample.count
        held.first_s, held.last_s = min(held.first_s, sample.first_s), max(held.last_s, sample.last_s)
        held.request_ids = [*held.request_ids, *sample.request_ids][-5:]
    return sorted(merged.values(), key=lambda sample: -sample.last_s)


def percentiles(histogram: list[int]) -> tuple[int | None, int | None]:
    """p50 and p95, ms."""
    return percentile(histogram, 0.5), percentile(histogram, 0.95)
