"""Hedged calls: where the first channel stays silent for long, a second one is asked as well, and the first to answer serves.

An option for interactive models. One hold, one charge: the loser's connection is cut before anything of it is relayed, and
what it may have cost at the provider is noted beside the call. Only a healthy channel is asked, only before the first byte,
and only for a bounded share of calls, so that a slow provider is not made slower by twice the load.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import structlog

from edge.channels import RoutedChannel
from edge.health.board import Attempt
from edge.relay.attempt import Opened, abandon, open_attempt, relay_opened
from edge.relay.failures import AttemptFailed
from edge.relay.wanted import TALKS
from edge.snapshot import EdgeSnapshot
from schema.counting import estimate_prompt
from schema.dialects.errors import DialectError
from schema.options import Options
from schema.pricing import charge
from schema.usage import TokenUsage

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

log = structlog.get_logger(__name__)

CREDIT_MAX = 10.0  # hedges that may follow each other at once


class Budget:
    """At most a share of eligible calls is hedged. One per process."""

    def __init__(self) -> None:
        self._credit = 1.0

    def earn(self, percent: int) -> None:
        """Each eligible call."""
        self._credit = min(CREDIT_MAX, self._credit + percent / 100)

    def spend(self) -> bool:
        if self._credit < 1:
            return False
        self._credit -= 1
        return True


def is_eligible(mode: str, model: str, options: Options) -> bool:
    """`HedgeModels`: exact names, and prefixes that end in *."""
    if mode not in TALKS:
        return False
    return any(name == model or (name.endswith("*") and model.startswith(name[:-1])) for name in options.hedge_models)


class Fork:
    """One of two attempts of a call: a channel, request and answer of its own, everything else is the call's."""

    def __init__(self, live: "LiveCall", channel: RoutedChannel, begun: Attempt) -> None:
        self.live, self.channel, self.begun = live, channel, begun
        self.answer: Any = None
        self.sending: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.live, name)

    async def open(self, snapshot: EdgeSnapshot) -> Opened:
        return await open_attempt(cast("LiveCall", self), snapshot, good_only=True)


async def attempt_hedged(live: "LiveCall", snapshot: EdgeSnapshot) -> None:
    """As an ordinary attempt, on the call's channel and perhaps on a second one; `live.begun` and `live.channel` are the winner's
    afterwards. Raises AttemptFailed, of the first channel where both failed."""
    relay = live.relay
    first = Fork(live, live.channel, live.begun)
    race = Race(live, snapshot, first)
    try:
        winner, opened = await race.run()
        live.begun, live.channel = winner.begun, winner.channel
        live.call, live.sent = winner.call, winner.sent
        await relay_opened(live, opened)
    finally:
        if race.second is not None:
            relay.health.left(race.second.begun)


class Race:
    """Between the first fork and, after a while, a second one."""

    def __init__(self, live: "LiveCall", snapshot: EdgeSnapshot, first: Fork) -> None:
        self._live, self._snapshot, self._first = live, snapshot, first
        self.second: Fork | None = None
        self._running: dict[asyncio.Task[Opened], Fork] = {}
        self._failures: list[tuple[Fork, AttemptFailed]] = []

    async def run(self) -> tuple[Fork, Opened]:
        """The winner and what it opened. Raises AttemptFailed."""
        live = self._live
        live.sending = asyncio.current_task(live.relay.loop)
        self._start(self._first)
        try:
            await asyncio.wait(self._running, timeout=self._snapshot.options.hedge_after_ms / 1000)
            if not any(task.done() for task in self._running):
                self._start_second()
            return await self._first_to_answer()
        except asyncio.CancelledError:
            if not live.gone and live.ended_by is None:
                raise
            if live.sending is not None:
                live.sending.uncancel()
            raise AttemptFailed(0, 502, "The call was ended.") from None
        finally:
            live.sending = None
            await self._cancel_rest()

    def _start(self, fork: Fork) -> None:
        task = asyncio.get_running_loop().create_task(fork.open(self._snapshot))
        self._running[task] = fork

    def _start_second(self) -> None:
        live, relay = self._live, self._live.relay
        channel = live.choose(self._snapshot, None, len(live.tried) + 1)
        now = time.monotonic()
        if (
            channel is None
            or relay.health.board.blocked(channel.id, live.wanted.model, now)
            or not relay.budget.spend()
        ):
            return
        live.tried.append(channel.id)
        self.second = Fork(live, channel, relay.health.begin(channel, live.wanted.model))
        self._start(self.second)

    async def _first_to_answer(self) -> tuple[Fork, Opened]:
        while self._running:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda one: self._running[one] is not self._first):
                fork = self._running.pop(task)
                try:
                    opened = task.result()
                except AttemptFailed as failed:
                    self._failures.append((fork, failed))
                except DialectError:
                    if fork is self._first:
                        raise
                    self._failures.append((fork, AttemptFailed(0, 502, "The channel cannot take this call.")))
                else:
                    self._won(fork)
                    return fork, opened
        for fork, failure in self._failures:
            if fork is self._first:
                self._note_failures(but=fork)
                raise failure
        raise AssertionError("the first attempt neither answered nor failed")

    def _won(self, winner: Fork) -> None:
        self._note_failures(but=winner)
        if self.second is None:
            return
        live, relay = self._live, self._live.relay
        loser = self._first if winner is self.second else self.second
        failed = any(fork is loser for fork, _ in self._failures)
        relay.meters.count("hedges_total", "won" if winner is self.second else "lost")
        note: dict[str, Any] = {"after_ms": self._snapshot.options.hedge_after_ms, "winner": winner.channel.id}
        if not failed:
            relay.health.lost(loser.begun)
            cost = charge(TokenUsage(input_text=estimate_prompt(len(live.body))), live.price)
            relay.meters.count("hedge_lost_quota_total", by=cost)
            note |= {"loser": loser.channel.id, "lost_quota": cost}
        live.hedge = note
        log.info("call_hedged", request_id=live.request_id, model=live.wanted.model, **note)

    def _note_failures(self, *, but: Fork) -> None:
        """Failures that the call's own flow will not hear of."""
        relay, live = self._live.relay, self._live
        for fork, failed in self._failures:
            if fork is not but:
                options = self._snapshot.options
                relay.health.failed(
                    fork.begun, failed.failure, failed.error, options, request_id=live.request_id, gone=False
                )
                relay.meters.failed(fork.channel.id, failed.failure.status, failed.error, gone=False)

    async def _cancel_rest(self) -> None:
        """The loser's connection is cut: nothing of it is read any more."""
        rest = list(self._running)
        self._running.clear()
        for task in rest:
            task.cancel()
        for opened in await asyncio.gather(*rest, return_exceptions=True):
            if not isinstance(opened, BaseException):
                abandon(opened)
