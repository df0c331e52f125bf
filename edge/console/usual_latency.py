"""What is usual for a channel: the median of its daily p95 of the last seven full days."""

import asyncio
import time
from statistics import median_low

from sqlalchemy import select

from edge.services import Services
from schema.health import percentile, read_cell
from schema.own_tables import ChannelHealth

DAY_S = 86_400
DAYS = 7
CALLS_MIN = 20  # answers of a day; fewer say nothing of it
KEPT_S = 600.0  # full days do not change


class UsualLatency:
    """One per process: days are read again every ten minutes, by one reader for all who wait."""

    def __init__(self) -> None:
        self._until = 0.0
        self._found: dict[int, int] = {}
        self._lock = asyncio.Lock()

    async def read(self, services: Services, now_s: int) -> dict[int, int]:
        """Channel -> ms; channels without such a day are absent."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await _read(services, now_s)
                self._until = time.monotonic() + KEPT_S
            return self._found


async def _read(services: Services, now_s: int) -> dict[int, int]:
    today = now_s // DAY_S * DAY_S
    table = ChannelHealth
    wanted = select(table.channel_id, table.cell).where(
        table.step == DAY_S, table.model == "", table.at >= today - DAYS * DAY_S, table.at < today
    )
    async with services.engine.connect() as db:
        rows = (await db.execute(wanted)).all()

    def compute() -> dict[int, int]:
        days: dict[int, list[int]] = {}
        for channel, data in rows:
            cell = read_cell(data)
            p95 = percentile(cell.latency, 0.95)
            if p95 is not None and cell.ok >= CALLS_MIN:
                days.setdefault(channel, []).append(p95)
        return {channel: median_low(found) for channel, found in days.items()}

    return await asyncio.to_thread(compute)
