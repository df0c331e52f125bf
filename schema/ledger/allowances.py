"""Quota that an edge sets aside for a busy account, so that it may hold calls without asking Redis each time.

An allowance is one hold in Redis that many calls share. What a call may cost is taken out of it here; what it did cost is
taken out of it there, together with other calls' (`allowance.lua`), which also keeps its size. It is never more than one
part in SHARE of what the account has, so an account that nears its end goes back to a hold in Redis for each call: 200
calls at once on a balance for 10 pass 10. A call that lasts gets a hold of its own (`promote`). An edge that dies leaves an
allowance that the reaper gives back, like any hold.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from schema.ledger import scripts
from schema.ledger.connection import Execute, Line, OnAnswer, Part, evaluate
from schema.ledger.gathering import Account, Gathering, Written
from schema.ledger.keys import ALLOWANCE, EPOCH_LIFETIME_S, Keys
from schema.usage import pack_records

SHARE = 32  # an account's last thirty-second part is held call by call
OPEN_AFTER = 4  # calls of an account within a tick that asked Redis: from then on it is worth it
CALLS_AHEAD = 16  # like the one that was missing, for which quota is set aside at first; doubled when it falls short
TICK_S = 0.5  # what is not needed goes back after one or two
LIFETIME_S = 10  # without a sign of life, then it is reaped; far more than a tick
_FIELD = b"h" + ALLOWANCE.encode()  # begins its name in a balance
_GOES_ON, _ENDS, _OPENS = 0, 1, 2  # see allowance.lua


class Allowance:
    """Of one account and process. In Redis it is never smaller than what is free here and held by its calls."""

    __slots__ = (
        "account", "asked", "back", "calls", "closed", "free", "held", "least", "name", "opened", "spoken", "target", "unsent",
    )  # fmt: skip

    def __init__(self, account: Account, name: str, target: int) -> None:
        self.account, self.name = account, name
        self.free = 0  # quota that no call holds; below 0: calls cost more than they had held
        self.held = 0  # quota that calls hold
        self.calls = 0  # that hold it
        self.target = target  # how much to set aside altogether
        self.back = 0  # quota to give back with the next command
        self.unsent = 0  # ended calls that have not left for Redis
        self.opened = False  # Redis was asked for it
        self.closed = False  # takes no more calls
        self.asked = True  # by calls since the last tick
        self.spoken = False  # to Redis since the last tick
        self.least = 0  # that was free since the last tick

    def release(self, amount: int) -> None:
        """A call ends without a charge."""
        self.free += amount
        self.held -= amount
        self.calls -= 1


class _Charge:
    """An ended call; none: only a sign of life."""

    __slots__ = ("quota", "record")

    def __init__(self, quota: int = 0, record: bytes = b"") -> None:
        self.quota, self.record = quota, record


class Allowances:
    """One per process."""

    def __init__(
        self,
        execute: Execute,
        line: Line,
        keys: Keys,
        *,
        deadline_ms: Callable[[float], int],
        loaded: Callable[[Account, int], None],
    ) -> None:
        """
        Args:
            deadline_ms: so many seconds from now on Redis' clock.
            loaded: told of an account in use and of when its balance was loaded (Unix ms).
        """
        self._execute, self._line, self._keys = execute, line, keys
        self._deadline_ms, self._loaded = deadline_ms, loaded
        self._loop = asyncio.get_running_loop()
        self._prefix = f"{ALLOWANCE}{secrets.token_hex(8)}:"  # of this process
        self._number = 0
        self._open: dict[Account, Allowance] = {}
        self._ending: set[Allowance] = set()  # closed, and not yet taken away in Redis
        self._asked: dict[Account, int] = {}  # calls that asked Redis since the last tick
        self._charges: Gathering[Allowance, _Charge] = Gathering(line, scripts.ALLOWANCE, self._write, self._read)
        self._timer: asyncio.TimerHandle | None = None

    # -- calls ---------------------------------------------------------------------------------------------------------

    def hold(self, account: Account, amount: int) -> Allowance | None:
        """Hold `amount` for a call without asking Redis. None: ask it (`noted` then tells that it was asked)."""
        one = self._open.get(account)
        if one is None:
            return None
        one.asked = True
        free = one.free - amount
        if free < 0 or amount <= 0 or not self._line.connected:
            one.target = max(one.target, 2 * (one.held + amount), one.held + CALLS_AHEAD * amount)
            return None
        one.free = free
        if free < one.least:
            one.least = free
        one.held += amount
        one.calls += 1
        return one

    def noted(self, account: Account, amount: int) -> None:
        """A call holds `amount` in Redis, and could have been held here."""
        count = self._asked[account] = self._asked.get(account, 0) + 1
        if count == OPEN_AFTER and account not in self._open and amount > 0:
            self._number += 1
            one = self._open[account] = Allowance(account, f"{self._prefix}{self._number}", CALLS_AHEAD * amount)
            self._speak(one)
        self._tick_later()

    def charge(self, one: Allowance, amount: int, quota: int, record: bytes, on_answer: OnAnswer) -> None:
        """End a call that held `amount`. `on_answer`: whether it was late, or what Redis raises; it must not raise."""
        one.free += amount - quota
        one.held -= amount
        one.calls -= 1
        one.unsent += 1
        self._charges.put(one, _Charge(quota, record), partial(self._charged, one, on_answer))

    def _charged(self, one: Allowance, on_answer: OnAnswer, answer: Any) -> None:
        if isinstance(answer, BaseException):
            self._drop(one)
        on_answer(answer)

    async def promote(self, one: Allowance, calls: Sequence[tuple[str, int]]) -> None:
        """Calls (request id, amount) that last get holds of their own; from here on they are none of the allowance's."""
        amount = sum(amount for _, amount in calls)
        one.held -= amount
        one.calls -= len(calls)
        user_id, token_id = one.account
        arguments: list[Part] = [one.name, token_id, self._deadline_ms(LIFETIME_S)]
        for call in calls:
            arguments += call
        await evaluate(self._execute, scripts.PROMOTE, (self._keys.balance(user_id),), arguments)

    async def call_in(self, account: Account) -> bool:
        """The account fell short in Redis: give back what is free here. False: nothing is."""
        one = self._open.get(account)
        if one is None:
            return False
        self._close(one)
        if one.back <= 0:
            return False
        await self._charges.ask(one, _Charge())
        return True

    def is_of_others(self, field: bytes) -> bool:
        """Is this field of a balance what another process has set aside?"""
        return field.startswith(_FIELD) and not field.startswith(b"h" + self._prefix.encode())

    # -- what goes to Redis --------------------------------------------------------------------------------------------

    def _speak(self, one: Allowance) -> None:
        """A command without a charge: it opens, keeps the size, gives back."""
        self._charges.put(one, _Charge(), partial(self._charged, one, _hear_nothing))

    def _write(self, one: Allowance, charges: Sequence[_Charge]) -> Written:
        user_id, token_id = one.account
        tag = self._keys.tag(user_id)
        records = [charge.record for charge in charges if charge.record]
        one.unsent -= len(records)
        if one.closed:
            one.back += max(one.free, 0)
            one.free = 0
        back, one.back = one.back, 0
        asked = -back if back or one.closed else max(0, one.target - one.free - one.held)
        step = _GOES_ON if one.opened else _OPENS
        if one.closed and not one.calls and not one.unsent:
            step = _ENDS
            self._ending.discard(one)
        one.opened = one.spoken = True
        arguments: list[Part] = [
            user_id, token_id, one.name, self._deadline_ms(LIFETIME_S), EPOCH_LIFETIME_S, SHARE, asked, step,
            sum([charge.quota for charge in charges]), pack_records(records) if records else b"",
        ]  # fmt: skip
        return (f"{tag}b:{user_id}", tag + "usage", f"{tag}e:{user_id}", tag + "u"), arguments

    def _read(self, one: Allowance, answer: list[Any], asked: int) -> Sequence[bool]:
        state, granted, most, loaded_ms = answer
        one.free += granted
        if state:
            if not one.closed:
                self._close(one)  # the balance moved outside of settlement, or all of it is gone: calls ask Redis
        elif not one.closed:
            here = one.free + one.held
            if here >= most:  # as large as it may be, or the account has less than before
                back = min(max(one.free, 0), here - most)
                one.free -= back
                one.back += back
                one.target = most
            self._loaded(one.account, int(loaded_ms))
        return [state == 2] * asked

    def _close(self, one: Allowance) -> None:
        """No more calls out of it; what is free goes back now, the rest as they end."""
        one.closed = True
        one.back += max(one.free, 0)
        one.free = 0
        self._ending.add(one)
        if self._open.get(one.account) is one:
            del self._open[one.account]

    def _drop(self, one: Allowance) -> None:
        """Nobody knows whether the command was carried out: what is still there in Redis is left to the reaper."""
        one.closed = True
        self._ending.discard(one)
        if self._open.get(one.account) is one:
            del self._open[one.account]

    # -- looking after -------------------------------------------------------------------------------------------------

    def _tick_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for one in list(self._open.values()):
            if not one.asked and not one.calls:
                self._close(one)
            else:
                spare = max(min(one.least, one.free), 0) // 2
                if spare > one.target // 8:
                    one.target -= spare
                    one.free -= spare
                    one.back += spare
                if not one.spoken or one.back > 0:
                    self._speak(one)
            one.asked = one.spoken = False
            one.least = one.free
        for one in list(self._ending):
            self._speak(one)
        self._asked.clear()
        if self._open or self._ending:
            self._tick_later()

    async def close(self) -> None:
        """Give everything back. Raises what Redis raises; the reaper does the rest then."""
        if self._timer is not None:
            self._timer.cancel()
        for one in list(self._open.values()):
            self._close(one)
        await asyncio.gather(*(self._charges.ask(one, _Charge()) for one in self._ending))


def _hear_nothing(answer: Any) -> None:
    """Who spoke without a charge does not wait."""
