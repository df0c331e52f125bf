"""The calls that are open in this process: their holds are extended, their charge so far is checkpointed, clients that left are noticed.

Short calls never pay for this: only what is older than a tick is looked at.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import hiredis
import structlog

from schema.dialects.neutral import UpstreamError
from schema.ledger.allowances import Allowance
from schema.ledger.hot import Extension, HotLedger, QuotaShort, Reserved
from schema.options import Options
from schema.redis_pipe import RedisAway
from schema.ticks import next_tick
from schema.usage import UsageRecord, write_record

log = structlog.get_logger(__name__)

TICK_S = 1.0  # a client that left is noticed within this time plus one tick


BALANCE_GONE = UpstreamError(
    "The balance is used up; the answer ends here.", "new_api_error", "insufficient_user_quota", status=403
)
CALL_TIMEOUT = UpstreamError(
    "The upstream took too long over its answer.", "upstream_error", "upstream_timeout", status=504
)


class OpenCall(Protocol):
    """What the ticker needs of a call."""

    request_id: str
    held: bool
    amount: int
    allowance: Allowance | None
    unheld: bool
    receive: Callable[[], Awaitable[dict[str, Any]]]

    @property
    def user_id(self) -> int: ...

    @property
    def buffered_bytes(self) -> int: ...

    def checkpoint(self) -> UsageRecord | None:
        """What was relayed so far; None: nothing yet."""
        ...

    def is_silent(self, now_s: float, silence_s: float, *, before_first_byte: bool) -> bool:
        """Has its stream been silent for so long?"""
        ...

    async def ping(self) -> None:
        """A sign of life in the stream."""
        ...

    def is_overdue(self, now_s: float) -> bool:
        """Has the attempt at hand taken longer than an attempt may?"""
        ...

    def leave(self) -> None:
        """The client has gone: stop the upstream."""
        ...

    def stop(self, reason: UpstreamError) -> None:
        """End it with this error."""
        ...


class OpenCalls:
    """One per process; `run` until cancelled."""

    def __init__(self, hot: HotLedger, hold_s: float, read_options: Callable[[], Options]) -> None:
        self._hot, self._hold_s, self._options = hot, hold_s, read_options
        self.calls: dict[str, OpenCall] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._pinged: dict[str, asyncio.Task[None]] = {}

    def remove(self, call: OpenCall) -> None:
        self.calls.pop(call.request_id, None)
        watch = self._watched.pop(call.request_id, None)
        if watch is not None:
            watch.cancel()

    async def run(self) -> None:
        seen: set[str] = set()
        while True:
            await next_tick(TICK_S)
            old = [call for request_id, call in self.calls.items() if request_id in seen]
            seen = set(self.calls)
            for call in old:
                if call.request_id not in self._watched:
                    self._watched[call.request_id] = asyncio.create_task(self._watch(call))
            try:
                await self._keep_holds([call for call in old if call.held])
            except (RedisAway, hiredis.ReplyError) as error:
                log.warning("holds_not_extended", holds=len(old), error=type(error).__name__)
            self._ping(old)
            now_s = time.monotonic()
            for call in old:
                if call.is_overdue(now_s):
                    log.info("call_overdue", request_id=call.request_id)
                    call.stop(CALL_TIMEOUT)

    async def _keep_holds(self, calls: list[OpenCall]) -> None:
        """Later deadlines, what to charge if we die, and more held for streams that outran their estimate."""
        if not calls:
            return
        deadline_ms = self._hot.deadline_ms(self._hold_s)
        records = [call.checkpoint() for call in calls]
        await self._promote(calls)
        await self._hot.extend(
            [
                Extension(call.request_id, call.user_id, deadline_ms, write_record(record) if record else None)
                for call, record in zip(calls, records, strict=True)
            ]
        )
        for call, record in zip(calls, records, strict=True):
            if record is not None and record.quota > call.amount and not call.unheld:
                await self._grow(call, record.quota)

    async def _promote(self, calls: list[OpenCall]) -> None:
        """A call that lasts needs a hold of its own. One that ends meanwhile ends it: its command comes after this one."""
        lasting = [(call.allowance, call.request_id, call.amount) for call in calls if call.allowance is not None]
        if lasting:
            for call in calls:
                call.allowance = None
            await self._hot.promote(lasting)

    async def _grow(self, call: OpenCall, cost: int) -> None:
        """Hold as much again, else what is lacking; a balance that has neither ends the stream, or lets it finish on credit."""
        lacking = cost - call.amount
        for extra in (max(lacking, call.amount), lacking):
            answer = await self._hot.grow(request_id=call.request_id, user_id=call.user_id, extra=extra)
            if isinstance(answer, Reserved):
                call.amount += extra
                return
            if not isinstance(answer, QuotaShort):
                return  # settled meanwhile, or the balance is being loaded again: the next tick asks again
        if self._options().balance_exhausted_policy == "cut":
            log.info("stream_cut", request_id=call.request_id, reason="balance")
            call.stop(BALANCE_GONE)

    def _ping(self, calls: list[OpenCall]) -> None:
        options = self._options()
        if not options.general_setting_ping_interval_enabled:
            return
        now_s, silence_s = time.monotonic(), options.general_setting_ping_interval_seconds
        early = options.general_setting_ping_before_first_byte
        for call in calls:
            if call.request_id not in self._pinged and call.is_silent(now_s, silence_s, before_first_byte=early):
                self._pinged[call.request_id] = task = asyncio.create_task(
                    call.ping()
                )  # a slow client holds up no other
                task.add_done_callback(functools.partial(self._forget_ping, call.request_id))

    def _forget_ping(self, request_id: str, task: "asyncio.Task[None]") -> None:
        self._pinged.pop(request_id, None)
        if not task.cancelled():
            task.exception()  # the connection is gone: its own call will notice

    async def _watch(self, call: OpenCall) -> None:
        while True:
            message = await call.receive()
            if message["type"] == "http.disconnect":
                call.leave()
                return
