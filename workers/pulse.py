"""When the next sign of life in Redis is due: often while records come, seldom while none do, at once with the first one."""

import asyncio
import contextlib
import time

from schema.ticks import until_tick
from workers.redis_memory import LOOK_S, QUIET_S

BUSY_S = 2.0  # since records came last: more of them may come


class Pulse:
    """One per worker. Nothing is lost of a server while nothing is written to it."""

    def __init__(self) -> None:
        self._heard_s = 0.0
        self._quiet = False
        self._news = asyncio.Event()

    def hear(self) -> None:
        """Records have come."""
        self._heard_s = time.monotonic()
        if self._quiet:
            self._news.set()

    async def wait(self, *, alone: bool) -> None:
        """Until the next sign is due. `alone`: this worker hears of all records; else it cannot tell whether some came."""
        self._quiet = alone and time.monotonic() - self._heard_s > BUSY_S
        period_s = QUIET_S if self._quiet else LOOK_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until_tick(period_s, asyncio.get_running_loop().time())):
                await self._news.wait()
        self._news.clear()
