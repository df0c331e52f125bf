"""Looks at every open Realtime session once a second: holds are kept and enlarged, idle and overlong sessions end."""

import time
from typing import TYPE_CHECKING

import hiredis
import structlog

from schema.redis_pipe import RedisAway
from schema.ticks import next_tick

if TYPE_CHECKING:
    from edge.realtime.session import Session
    from schema.ledger.hot import HotLedger

log = structlog.get_logger(__name__)

TICK_S = 1.0
EXTEND_TICKS = 5  # a hold lives far longer; this is how much of a turn a killed edge may give away


class Keeper:
    """One per process; `run` until cancelled."""

    def __init__(self, hot: "HotLedger", *, idle_s: int, session_s: int) -> None:
        self._hot, self._idle_s, self._session_s = hot, idle_s, session_s
        self.sessions: dict[str, Session] = {}

    async def run(self) -> None:
        ticks = 0
        while True:
            await next_tick(TICK_S)
            ticks += 1
            sessions = list(self.sessions.values())
            now_s = time.monotonic()
            for session in sessions:
                session.check_time(now_s, idle_s=self._idle_s, session_s=self._session_s)
            try:
                await self._keep_holds([s for s in sessions if ticks % EXTEND_TICKS == 0 or s.meter.answering])
            except (RedisAway, hiredis.ReplyError) as error:
                log.warning("holds_not_extended", holds=len(sessions), error=type(error).__name__)

    async def _keep_holds(self, sessions: "list[Session]") -> None:
        found = [(session, session.money.extension(session.meter.open_usage())) for session in sessions]
        await self._hot.extend([extension for _, extension in found if extension is not None])
        for session, extension in found:
            if extension is not None and session.meter.answering:
                await session.grow()

    def drain(self) -> None:
        """The process will end: sessions finish their response."""
        for session in list(self.sessions.values()):
            session.drain()

    def end_all(self) -> None:
        """Time is up."""
        for session in list(self.sessions.values()):
            session.shut_down()
