"""The calls that are open in this process: their holds are extended, their charge so far is checkpointed, clients that left are noticed.

Short calls never pay for this: only what is older than a tick is looked at.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import hiredis
import structlog

from edge.redis_pipe import RedisAway
from schema.dialects.neutral import UpstreamError
from schema.ledger.hot import Extension, HotLedger

log = structlog.get_logger(__name__)

TICK_S = 1.0  # a client that left is noticed within this time plus one tick


class OpenCall(Protocol):
    """What the ticker needs of a call."""

    request_id: str
    held: bool
    receive: Callable[[], Awaitable[dict[str, Any]]]

    @property
    def user_id(self) -> int: ...

    @property
    def buffered_bytes(self) -> int: ...

    def checkpoint(self) -> bytes | None:
        """A usage record with what was relayed so far; None: nothing yet."""
        ...

    def leave(self) -> None:
        """The client has gone: stop the upstream."""
        ...

    def stop(self, reason: UpstreamError) -> None:
        """End it with this error."""
        ...


class OpenCalls:
    """One per process; `run` until cancelled."""

    def __init__(self, hot: HotLedger, hold_s: float) -> None:
        self._hot, self._hold_s = hot, hold_s
        self.calls: dict[str, OpenCall] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}

    def remove(self, call: OpenCall) -> None:
        self.calls.pop(call.request_id, None)
        watch = self._watched.pop(call.request_id, None)
        if watch is not None:
            watch.cancel()

    async def run(self) -> None:
        seen: set[str] = set()
        while True:
            await asyncio.sleep(TICK_S)
            old = [call for request_id, call in self.calls.items() if request_id in seen]
            seen = set(self.calls)
            for call in old:
                if call.request_id not in self._watched:
                    self._watched[call.request_id] = asyncio.create_task(self._watch(call))
            deadline_ms = self._hot.deadline_ms(self._hold_s)
            holds = [
                Extension(call.request_id, call.user_id, deadline_ms, call.checkpoint()) for call in old if call.held
            ]
            if not holds:
                continue
            try:
                await self._hot.extend(holds)
            except (RedisAway, hiredis.ReplyError) as error:
                log.warning("holds_not_extended", holds=len(holds), error=type(error).__name__)

    async def _watch(self, call: OpenCall) -> None:
        while True:
            message = await call.receive()
            if message["type"] == "http.disconnect":
                call.leave()
                return
