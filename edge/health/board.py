"""What this process knows of its channels' health: figures of the minute, breakers, calls under way. No IO, no clock.

A call pays for one lookup and a few additions; breakers exist only for what failed lately. `version` changes whenever a
channel becomes eligible or stops being so, so that choices can keep lists of the eligible ones.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

from msgspec import Struct

from edge.channels import RoutedChannel
from edge.health.breaker import CLOSED, DEAD_IN_A_ROW, HALF_OPEN, OPEN, Breaker, Rules
from edge.health.tally import BOUNDS_MS, Tally
from schema.upstreams.rules import DEAD, NO_FAULT, UNJUDGED

CELLS_MAX = 50_000  # channels times models of one minute; beyond it models share the cell ''
BREAKERS_MAX = 50_000
SLOW_SHARE = 0.2  # weight of the newest first byte in the running mean

Key = tuple[int, str]  # channel and model; '' = all models, KEY + name = one key of several
KEY = "key:"


class Attempt(Struct, gc=False):
    """One try of one call on one channel, from `begin` to `left`."""

    channel: RoutedChannel
    key: Key
    started: float
    trial: bool  # half open: it decides
    ended: bool = False


def places(channel: RoutedChannel, key: Key) -> tuple[Key, ...]:
    """Whose breakers an attempt concerns."""
    whole = (key[0], "")
    return (key, whole, (key[0], KEY + channel.key_name)) if channel.key_name else (key, whole)


class Ceiling(Struct):
    """Calls begun in the present minute, for channels with a rate ceiling."""

    minute: int = 0
    count: int = 0


class Board:
    """One per process. Times in s of one steady clock."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.version = 0
        self.cells: dict[Key, Tally] = {}
        self.breakers: dict[Key, Breaker] = {}
        self.in_flight: dict[int, int] = {}
        self.first_byte_ms: dict[Key, float] = {}  # running mean
        self.rates: dict[int, Ceiling] = {}
        self.compares = True  # somebody reads `first_byte_ms`
        self.edges = 1  # processes that share the ceilings
        self.next_change = math.inf

    # -- calls

    def begin(self, channel: RoutedChannel, model: str, now: float) -> Attempt:
        number = channel.id
        self.in_flight[number] = self.in_flight.get(number, 0) + 1
        if channel.per_minute_max:
            rate = self.rates.setdefault(number, Ceiling())
            minute = int(now / 60)
            rate.minute, rate.count = minute, rate.count + 1 if rate.minute == minute else 1
        trial = False
        key = (number, model)
        if self.breakers:
            for at in places(channel, key):
                breaker = self.breakers.get(at)
                if breaker is not None and breaker.begin(now):
                    trial = True
                    self._changed(breaker)
        return Attempt(channel, key, now, trial)

    def left(self, attempt: Attempt) -> None:
        """Whatever happened. A trial that nobody judged makes room for the next one."""
        self.in_flight[attempt.key[0]] -= 1
        if attempt.trial and not attempt.ended:
            self._for_each(attempt, lambda breaker: breaker.undecided())

    def succeeded(self, attempt: Attempt, now: float, first_byte_ms: float, *, stream: bool) -> None:
        """`first_byte_ms` from the attempt's start; -1 when there was none to be seen."""
        attempt.ended = True
        key = attempt.key
        cell = self.cells.get(key) or self.cell(key)
        cell.latency[bisect_left(BOUNDS_MS, (now - attempt.started) * 1000)] += 1
        if first_byte_ms >= 0:
            if stream:
                cell.first_byte[bisect_left(BOUNDS_MS, first_byte_ms)] += 1
            if self.compares:
                means = self.first_byte_ms
                mean = means.get(key, first_byte_ms)
                means[key] = mean + (first_byte_ms - mean) * SLOW_SHARE
        if self.breakers:
            limit = self.rules.first_byte_ms_max
            if limit and first_byte_ms > limit:
                self._fail(key, now, "timeout")
            else:
                self._for_each(attempt, lambda breaker: breaker.success(now))
        elif self.rules.first_byte_ms_max and first_byte_ms > self.rules.first_byte_ms_max:
            self._fail(key, now, "timeout")

    def failed(self, attempt: Attempt, now: float, error_class: str, *, retry_after_s: float = 0.0) -> None:
        """`error_class`: see schema.upstreams.rules."""
        attempt.ended = True
        key = attempt.key
        cell = self.cells.get(key) or self.cell(key)
        cell.errors[error_class] = cell.errors.get(error_class, 0) + 1
        if error_class in NO_FAULT:
            cell.excused += 1
            answered = error_class not in UNJUDGED  # it told the client what is wrong: it is alive
            if self.breakers:
                self._for_each(attempt, (lambda b: b.success(now)) if answered else (lambda b: b.undecided()))
            return
        cell.failed += 1
        if error_class == "rate_limit":
            breaker = self._breaker(key, now)
            breaker.reason = error_class
            if breaker.state == HALF_OPEN:
                breaker.success(now)
            breaker.cool(now, retry_after_s or self.rules.cooldown_s)
            self._changed(breaker)
        elif error_class in DEAD:
            name = attempt.channel.key_name  # of several keys only this one is dead
            self._fail((key[0], KEY + name if name else ""), now, error_class, in_a_row=DEAD_IN_A_ROW)
            self._for_each(attempt, lambda breaker: breaker.undecided())
        else:
            self._fail(key, now, error_class)
            self._for_each(attempt, lambda breaker: breaker.undecided())

    def _fail(self, key: Key, now: float, error_class: str, *, in_a_row: int = 0) -> None:
        breaker = self._breaker(key, now)
        if breaker.failure(now, error_class, self.rules, in_a_row=in_a_row):
            self._changed(breaker)

    def spent(self, key: Key, prompt_tokens: int, completion_tokens: int, quota: int) -> None:
        """What a settled call used."""
        cell = self.cells.get(key) or self.cell(key)
        cell.prompt_tokens += prompt_tokens
        cell.completion_tokens += completion_tokens
        cell.quota += quota

    # -- choices

    def advance(self, now: float) -> None:
        """To be called before a choice once `next_change` has come."""
        changed = False
        for breaker in self.breakers.values():
            changed |= breaker.advance(now)
        self.breakers = {key: breaker for key, breaker in self.breakers.items() if not breaker.forgettable(now)}
        self.next_change = min((breaker.next_change() for breaker in self.breakers.values()), default=math.inf)
        self.version += changed

    def blocked(self, channel_id: int, model: str, now: float) -> int:
        """0: may serve; 1: cooling down; 2: its breaker is open."""
        breakers = self.breakers
        if not breakers:
            return 0
        own, whole = breakers.get((channel_id, model)), breakers.get((channel_id, ""))
        return max(own.blocked(now) if own else 0, whole.blocked(now) if whole else 0)

    def key_blocked(self, channel: RoutedChannel, now: float) -> bool:
        """A key of several that was refused lately."""
        breaker = self.breakers.get((channel.id, KEY + channel.key_name))
        return breaker is not None and breaker.blocked(now) > 0

    def full(self, channel: RoutedChannel, now: float) -> bool:
        """At a ceiling of its own; the ceilings are shared out evenly among the edges."""
        if channel.concurrency_max:
            share = max(1, channel.concurrency_max // self.edges)
            if self.in_flight.get(channel.id, 0) >= share:
                return True
        if channel.per_minute_max:
            rate = self.rates.get(channel.id)
            share = max(1, channel.per_minute_max // self.edges)
            return rate is not None and rate.minute == int(now / 60) and rate.count >= share
        return False

    # -- inside

    def cell(self, key: Key) -> Tally:
        if len(self.cells) >= CELLS_MAX and key[1]:
            return self.cells.get((key[0], "")) or self.cell((key[0], ""))
        found = self.cells[key] = Tally()
        return found

    def _breaker(self, key: Key, now: float) -> Breaker:
        found = self.breakers.get(key)
        if found is None:
            if len(self.breakers) >= BREAKERS_MAX:
                self.breakers = {k: b for k, b in self.breakers.items() if b.state != CLOSED or b.cool_until}
            found = self.breakers[key] = Breaker(now)
        return found

    def _for_each(self, attempt: Attempt, what: Callable[[Breaker], bool]) -> None:
        """Of the model, of the whole channel and of the key, where such breakers exist."""
        for at in places(attempt.channel, attempt.key):
            breaker = self.breakers.get(at)
            if breaker is not None and what(breaker):
                self._changed(breaker)

    def _changed(self, breaker: Breaker) -> None:
        self.version += 1
        self.next_change = min(self.next_change, breaker.next_change())

    def adopt(self, key: Key, until: float, cool_until: float, reason: str, now: float) -> None:
        """Another edge closed a channel to calls."""
        breaker = self._breaker(key, now)
        changed = until > now and breaker.adopt(until, reason)
        if cool_until > max(now, breaker.cool_until):
            breaker.cool_until, breaker.reason, changed = cool_until, breaker.reason or reason, True
        if changed:
            self._changed(breaker)

    def drop_remote(self, present: set[Key]) -> None:
        """Breakers that others opened and nobody reports any more are closed."""
        for key, breaker in self.breakers.items():
            if breaker.remote and breaker.state == OPEN and key not in present:
                breaker.state, breaker.remote = CLOSED, False
                self._changed(breaker)
