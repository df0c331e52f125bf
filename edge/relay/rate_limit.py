"""Calls per user in a sliding window, all and successful ones, counted in Redis so that they hold across all edges.

Source: token rules, "request rate limit". Off by default; then a call pays one comparison.
"""

import time
from typing import Any

from msgspec import Struct

from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import Keys
from schema.ledger.scripts import TURN
from schema.options import Options


class Limits(Struct, frozen=True):
    """0 = no limit. Calls in a window of `minutes`."""

    every: int
    successful: int
    minutes: int


class Turn(Struct, frozen=True):
    """A place in the window. `left` calls more would be admitted now; one that is used is free again after `reset_s`."""

    limit: int
    left: int
    reset_s: int


class Full(Struct, frozen=True):
    """No place. `successful`: which limit was met."""

    limit: int
    successful: bool
    wait_s: int


def limits_for(options: Options, group: str) -> Limits | None:
    """None: this group is not limited."""
    if not options.model_request_rate_limit_enabled:
        return None
    pair = options.model_request_rate_limit_group.get(group)
    if isinstance(pair, list) and len(pair) == 2 and all(isinstance(most, int) and most >= 0 for most in pair):
        every, successful = pair
    else:
        every, successful = options.model_request_rate_limit_count, options.model_request_rate_limit_success_count
    if not every and not successful:
        return None
    return Limits(every, successful, options.model_request_rate_limit_duration_minutes)


class RateLimiter:
    """One per process. Raises what Redis raises."""

    def __init__(self, execute: Execute, keys: Keys) -> None:
        self._execute, self._keys = execute, keys

    def _names(self, user_id: int) -> tuple[str, str]:
        tag = self._keys.tag(user_id)
        return f"{tag}ra:{user_id}", f"{tag}rs:{user_id}"

    async def take(self, user_id: int, request_id: str, limits: Limits) -> Turn | Full:
        """A place in both windows, or in none."""
        now_ms = time.time_ns() // 1_000_000
        answer: list[Any] = await evaluate(
            self._execute,
            TURN,
            self._names(user_id),
            (now_ms, limits.minutes * 60_000, limits.every, limits.successful, request_id),
        )
        admitted, which, wait_ms = (int(part) for part in answer)
        wait_s = max(1, -(-wait_ms // 1000))
        if not admitted:
            return Full(limits.successful if which == 2 else limits.every, which == 2, wait_s)
        most = min(filter(None, (limits.every, limits.successful)))
        return Turn(most, which, wait_s)

    async def give_back(self, user_id: int, request_id: str) -> None:
        """The call failed: it does not count as successful."""
        await self._execute(b"ZREM", self._names(user_id)[1], request_id)
