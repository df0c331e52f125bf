"""Calls and model tokens per user in sliding windows, counted in Redis so that they hold across all edges.

Source: token rules, "request rate limit". Off by default; then a call pays two comparisons. The place is taken in the round
trip that holds the quota, and the tokens are counted in the one that settles.
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from edge.relay.refusal import Refused
from edge.spool import REFUSES
from schema.counting import estimate_prompt
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import Keys
from schema.ledger.scripts import SPEND, TURN
from schema.options import Options

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

TOKEN_WINDOW_MS = 60_000
ALL, SUCCESSFUL, TOKENS = 1, 2, 3  # which limit was met
_WORDS = {ALL: "requests", SUCCESSFUL: "successful requests", TOKENS: "tokens"}


class Limits(Struct, frozen=True):
    """0 = no limit. Calls in a window of `minutes`; model tokens in one minute."""

    every: int
    successful: int
    minutes: int
    tokens: int = 0


class Turn(Struct, frozen=True):
    """A place in the windows. `left` calls more would be admitted now; one that is used is free again after `reset_s`.

    `limit` 0: calls are not limited. `tokens_left` -1: tokens are not limited.
    """

    limit: int
    left: int
    reset_s: int
    tokens_left: int = -1


class Full(Struct, frozen=True):
    """No place. `which` limit was met."""

    limit: int
    which: int
    wait_s: int

    def sentence(self, limits: Limits) -> str:
        minutes = 1 if self.which == TOKENS else limits.minutes
        return f"You may send {self.limit} {_WORDS[self.which]} in {minutes} minutes; please wait {self.wait_s} s."


def limits_for(options: Options, group: str) -> Limits | None:
    """None: this group is not limited."""
    if not (
        options.model_request_rate_limit_enabled
        or options.model_tokens_per_minute_limit
        or options.model_tokens_per_minute_group
    ):
        return None
    every, successful = _calls_for(options, group) if options.model_request_rate_limit_enabled else (0, 0)
    tokens = options.model_tokens_per_minute_group.get(group)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        tokens = options.model_tokens_per_minute_limit
    if not every and not successful and not tokens:
        return None
    return Limits(every, successful, options.model_request_rate_limit_duration_minutes, tokens)


def _calls_for(options: Options, group: str) -> tuple[int, int]:
    pair = options.model_request_rate_limit_group.get(group)
    if isinstance(pair, list) and len(pair) == 2 and all(isinstance(most, int) and most >= 0 for most in pair):
        return pair[0], pair[1]
    return options.model_request_rate_limit_count, options.model_request_rate_limit_success_count


class RateLimiter:
    """One per process. Raises what Redis raises."""

    def __init__(self, execute: Execute, keys: Keys) -> None:
        self._execute, self._keys = execute, keys

    def _names(self, user_id: int) -> tuple[str, str, str, str]:
        tag = self._keys.tag(user_id)
        return f"{tag}ra:{user_id}", f"{tag}rs:{user_id}", f"{tag}rt:{user_id}", f"{tag}rn:{user_id}"

    async def take(self, user_id: int, request_id: str, limits: Limits, tokens: int = 0) -> Turn | Full:
        """A place in all windows, or in none. `tokens`: a guess of what the call will use, put right by `spend`."""
        now_ms = time.time_ns() // 1_000_000
        answer: list[Any] = await evaluate(
            self._execute,
            TURN,
            self._names(user_id),
            (
                now_ms, limits.minutes * 60_000, limits.every, limits.successful, request_id, limits.tokens,
                TOKEN_WINDOW_MS, tokens,
            ),
        )  # fmt: skip
        admitted, which, wait_ms = (int(part) for part in answer[:3])
        wait_s = max(1, -(-wait_ms // 1000))
        if not admitted:
            most = {ALL: limits.every, SUCCESSFUL: limits.successful, TOKENS: limits.tokens}[which]
            return Full(most, which, wait_s)
        most = min(filter(None, (limits.every, limits.successful)), default=0)
        return Turn(most, which, wait_s, int(answer[3]))

    async def spend(self, user_id: int, request_id: str, tokens: int) -> None:
        """What the call has used; 0 takes it out of the window of tokens and of the successful calls."""
        _, successful, times, counts = self._names(user_id)
        now_ms = time.time_ns() // 1_000_000
        arguments = (now_ms, TOKEN_WINDOW_MS, request_id, tokens)
        await evaluate(self._execute, SPEND, (times, counts, successful), arguments)

    async def give_back(self, user_id: int, request_id: str) -> None:
        """The call failed: it does not count as successful, and it used no tokens."""
        await self.spend(user_id, request_id, 0)


async def take_turn(live: "LiveCall", limits: Limits) -> None:
    """Raises Refused. While Redis is away nobody is counted: the balance still bounds what can be spent."""
    tokens = 0
    if limits.tokens:
        prompt = live.wanted.exact_tokens
        tokens = (estimate_prompt(len(live.body)) if prompt is None else prompt) + (live.wanted.max_tokens or 0)
    try:
        turn = await live.relay.limiter.take(live.caller.user_id, live.request_id, limits, max(tokens, 0))
    except REFUSES:
        return
    if isinstance(turn, Full):
        live.turn = Turn(turn.limit, 0, turn.wait_s) if turn.which != TOKENS else Turn(0, 0, turn.wait_s, 0)
        raise Refused(429, "rate_limit_exceeded", turn.sentence(limits), retry_after_s=turn.wait_s)
    live.turn, live.turn_taken = turn, True


def begin_spending(live: "LiveCall", tokens: int) -> "asyncio.Task[None] | None":
    """Count the tokens of a call that ends, in the round trip that settles it; None where they are not limited."""
    if live.turn is None or live.turn.tokens_left < 0 or not live.turn_taken:
        return None
    return asyncio.create_task(_spend(live, tokens))


async def _spend(live: "LiveCall", tokens: int) -> None:
    with contextlib.suppress(*REFUSES):
        await live.relay.limiter.spend(live.caller.user_id, live.request_id, tokens)
