"""The circuit breaker of one channel and model: closed, open, half open. Pure; times are handed in, in seconds.

closed     calls pass; failures in a row, or a share of failures within the window, open it
open       no call until `until`; then it is half open
half open  one call at a time may try: its success closes the breaker, its failure opens it for twice as long
"""

import math

from msgspec import Struct

from schema.options import Options

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
NAMES = ("closed", "half_open", "open")
WINDOW_S = 30.0  # older results count less and less
CALLS_MIN = 10  # before a share means anything
DEAD_IN_A_ROW = 2  # refused keys and empty accounts: the whole channel
PROBE_S_MAX = 10.0  # a trial that has not ended by then makes room for another one
COOLDOWN_S_MAX = 300.0
FORGET_S = 120.0  # after so long without a failure all is forgotten


class Rules(Struct, frozen=True):
    """Of the options, in the breaker's units."""

    enabled: bool = True
    in_a_row: int = 5
    share: float = 0.5
    open_s: float = 5.0
    open_s_max: float = 30.0
    first_byte_ms_max: int = 0  # 0: any is fine
    cooldown_s: float = 5.0


def read_rules(options: Options) -> Rules:
    return Rules(
        enabled=options.breaker_enabled,
        in_a_row=options.breaker_failures,
        share=options.breaker_failure_percent / 100,
        open_s=options.breaker_open_seconds,
        open_s_max=max(options.breaker_open_seconds, options.breaker_open_seconds_max),
        first_byte_ms_max=int(options.breaker_first_byte_seconds * 1000),
        cooldown_s=options.cooldown_seconds,
    )


class Breaker:
    """Exists only for what failed lately. Methods return True when the eligibility of the channel changed."""

    __slots__ = (
        "bad", "cool_until", "failed_at", "good", "in_a_row", "opened", "reason", "remote", "seen_at", "state", "trying_until",
        "until",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.state = CLOSED
        self.in_a_row = 0
        self.good = self.bad = 0.0  # decaying counts
        self.seen_at = self.failed_at = now
        self.opened = 0  # how often in a row
        self.until = 0.0  # of the open state
        self.cool_until = 0.0  # the upstream asked for quiet
        self.trying_until = 0.0  # half open: a trial is under way
        self.reason = ""  # class of the last failure
        self.remote = False  # opened by another process

    def blocked(self, now: float) -> int:
        """0: may serve; 1: cooling down; 2: open, or a trial is under way."""
        if self.state == OPEN or (self.state == HALF_OPEN and now < self.trying_until):
            return 2
        return 1 if now < self.cool_until else 0

    def _decay(self, now: float) -> None:
        factor = math.exp((self.seen_at - now) / WINDOW_S)
        self.good *= factor
        self.bad *= factor
        self.seen_at = now

    def success(self, now: float) -> bool:
        self._decay(now)
        self.good += 1
        self.in_a_row = 0
        if self.state != CLOSED:
            self.state, self.trying_until, self.remote = CLOSED, 0.0, False
            self.bad = 0.0
            return True
        if self.good >= CALLS_MIN:
            self.opened = 0
        return False

    def failure(self, now: float, reason: str, rules: Rules, *, in_a_row: int = 0) -> bool:
        """`in_a_row`: a limit of its own, for accounts that are dead."""
        self._decay(now)
        self.bad += 1
        self.in_a_row += 1
        self.failed_at = now
        self.reason = reason
        if not rules.enabled:
            return False
        if self.state == HALF_OPEN:
            return self._open(now, rules)
        if self.state == OPEN:
            return False
        total = self.good + self.bad
        many = total >= CALLS_MIN and self.bad >= rules.share * total
        return self._open(now, rules) if many or self.in_a_row >= (in_a_row or rules.in_a_row) else False

    def _open(self, now: float, rules: Rules) -> bool:
        pause = min(rules.open_s * 2 ** min(self.opened, 20), rules.open_s_max)
        self.opened += 1
        self.state, self.until, self.trying_until, self.remote = OPEN, now + pause, 0.0, False
        return True

    def adopt(self, until: float, reason: str) -> bool:
        """Another process opened it."""
        if self.state != CLOSED:
            return False
        self.state, self.until, self.reason, self.remote = OPEN, until, reason, True
        return True

    def cool(self, now: float, seconds: float) -> bool:
        self.cool_until = max(self.cool_until, now + min(seconds, COOLDOWN_S_MAX))
        self.failed_at = now
        return True

    def begin(self, now: float) -> bool:
        """A call starts here; half open it is the trial."""
        if self.state != HALF_OPEN:
            return False
        self.trying_until = now + PROBE_S_MAX
        return True

    def undecided(self) -> bool:
        """The trial ended without saying anything of the channel (the client left)."""
        if self.state != HALF_OPEN:
            return False
        self.trying_until = 0.0
        return True

    def advance(self, now: float) -> bool:
        """Time alone changes it: open becomes half open, a cool-down or a trial runs out."""
        changed = False
        if self.state == OPEN and now >= self.until:
            self.state, changed = HALF_OPEN, True
        if self.cool_until and now >= self.cool_until:
            self.cool_until, changed = 0.0, True
        if self.trying_until and now >= self.trying_until:
            self.trying_until, changed = 0.0, True
        return changed

    def next_change(self) -> float:
        """When `advance` has something to do; infinity for never."""
        times = [self.until] if self.state == OPEN else []
        times += [at for at in (self.cool_until, self.trying_until) if at]
        return min(times, default=math.inf)

    def forgettable(self, now: float) -> bool:
        return self.state == CLOSED and not self.cool_until and now - self.failed_at > FORGET_S
