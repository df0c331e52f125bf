"""Timers that fall together: what a process does now and then wakes it, and the server it asks, once for all of it."""

import asyncio

EARLY = 0.2  # of a period: a tick so near is left out, or a timer that fires a little early would run twice


async def next_tick(period_s: float) -> None:
    """Sleep until the loop's clock is a multiple of `period_s`: for 0.8 to 1.2 periods."""
    await asyncio.sleep(until_tick(period_s, asyncio.get_running_loop().time()))


def until_tick(period_s: float, now_s: float) -> float:
    """Seconds from `now_s` to the next tick that is not too near."""
    rest_s = period_s - now_s % period_s
    return rest_s if rest_s >= EARLY * period_s else rest_s + period_s
