"""One Realtime session: messages pass both ways untouched, each response is charged before its last event is shown.

The client's reader and the upstream's reader run side by side; whatever ends the session sets `_over` once, and `run` closes
both sides and the books. Source: Realtime rules, "Relaying" and "Errors and close codes".
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Raw, Struct

from edge.realtime.money import SessionMoney
from edge.realtime.upstream import MESSAGE_BYTES_MAX, Upstream
from edge.relay.gate import authenticate
from edge.relay.refusal import Refused
from edge.spool import REFUSES
from schema.realtime.meter import InvalidEvent, Meter, Transcribed, TurnEnd
from schema.realtime.wire import SPEAKS, error_event
from schema.spool import SpoolError

if TYPE_CHECKING:
    from edge.relay.call import Relay

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
log = structlog.get_logger(__name__)

DRAIN_S = 30.0  # for the response under way when the process is to end
REASON_BYTES_MAX = 123  # of a close frame
NORMAL, GOING, BINARY, POLICY, TOO_BIG, BROKEN, RESTART = 1000, 1001, 1003, 1008, 1009, 1011, 1012


class Ending(Struct, frozen=True):
    """How the client learns that it is over. `code` 0: the client left by itself."""

    code: int
    reason: str = ""
    error: tuple[str, str, str] | None = None  # type, code, message of an error event


LEFT = Ending(0)


def _short(message: str) -> Ending:
    return Ending(POLICY, "insufficient quota", ("insufficient_quota", "insufficient_user_quota", message))


class Session:
    """Created when the upstream has accepted; `run` returns when both sides are closed and everything is charged."""

    def __init__(
        self,
        relay: "Relay",
        receive: Receive,
        send: Send,
        upstream: Upstream,
        money: SessionMoney,
        *,
        request_id: str,
        key: str,
        model: str,
    ) -> None:
        self._relay, self._receive, self._send, self._upstream = relay, receive, send, upstream
        self._request_id, self._key, self._model = request_id, key, model
        self.money, self.meter = money, Meter(model)
        self.completed = False  # a response was answered to its end
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._started_s = self._last_s = time.monotonic()
        self._draining_s = 0.0
        self._transcriptions = self._told = 0

    async def run(self) -> Ending:
        readers = (asyncio.create_task(self._read_client()), asyncio.create_task(self._read_upstream()))
        try:
            ending = await self._over
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            await self._charge_rest()
            self._upstream.close()
        await self._close_client(ending)
        return ending

    def end(self, ending: Ending) -> None:
        """The first reason counts."""
        if not self._over.done():
            self._over.set_result(ending)

    # -- asked by the keeper

    def check_time(self, now_s: float, *, idle_s: int, session_s: int) -> None:
        if self._draining_s and (not self.meter.answering or now_s - self._draining_s > DRAIN_S):
            self.shut_down()
        elif now_s - self._last_s > idle_s:
            self.end(
                Ending(NORMAL, "idle", ("invalid_request_error", "session_idle", "The session was idle too long."))
            )
        elif now_s - self._started_s > session_s:
            told = ("invalid_request_error", "session_too_long", "The session has reached its longest duration.")
            self.end(Ending(NORMAL, "session too long", told))

    async def grow(self) -> None:
        """Raises what Redis raises."""
        enough = await self.money.grow(self.meter.open_usage())
        if not enough and self._relay.snapshots.current.options.balance_exhausted_policy == "cut":
            self.end(_short("The balance is used up; the session ends here."))

    def drain(self) -> None:
        self._draining_s = self._draining_s or time.monotonic()
        if not self.meter.answering:
            self.shut_down()

    def shut_down(self) -> None:
        told = ("server_error", "server_shutting_down", "The gateway is restarting; please connect again.")
        self.end(Ending(RESTART, "restart", told))

    # -- the client's side

    async def _read_client(self) -> None:
        try:
            while True:
                message = await self._receive()
                if message["type"] != "websocket.receive":
                    self.end(LEFT)
                    return
                text = message.get("text")
                if text is None:
                    self.end(Ending(BINARY, "text frames only"))
                    return
                await self._take_from_client(text.encode())
        except Exception as error:
            self._crashed(error)

    async def _take_from_client(self, data: bytes) -> None:
        if len(data) > MESSAGE_BYTES_MAX:
            self.end(Ending(TOO_BIG, "message too big"))
            return
        self._last_s = time.monotonic()
        try:
            event = self.meter.client_event(data)
        except InvalidEvent:
            await self._tell("invalid_request_error", "invalid_event", "The message is not a valid event.")
            return
        words = self._relay.snapshots.current.words
        if words is not None and event.type in SPEAKS and words.find_in_body(data):
            text = "The event contains words that this gateway does not allow."
            await self._tell("invalid_request_error", "sensitive_words_detected", text, event.event_id)
            return
        await self._upstream.send(data)

    # -- the upstream's side

    async def _read_upstream(self) -> None:
        try:
            while (data := await self._upstream.next()) is not None:
                self._last_s = now_s = time.monotonic()
                noted = self.meter.upstream_event(data, now_s)
                if isinstance(noted, TurnEnd):
                    await self._end_turn(noted, data, now_s)
                    continue
                if isinstance(noted, Transcribed):
                    await self._charge_transcription(noted)
                await self._pass(data)
            self._upstream_closed()
        except Exception as error:
            self._crashed(error)

    async def _pass(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "text": data.decode("utf-8", "replace")})

    async def _end_turn(self, turn: TurnEnd, data: bytes, now_s: float) -> None:
        """Charge, hold for the next turn, then show the end: who sees it is charged and has a row in the log, come what may."""
        await self.money.settle_turn(turn.usage)
        self._report(turn, now_s)
        ending = None if self._draining_s else await self._hold_next()
        await self._pass(data)
        if ending is not None:
            self.end(ending)
        elif self._draining_s:
            self.shut_down()

    async def _hold_next(self) -> Ending | None:
        """None: the session may go on."""
        relay = self._relay
        try:
            caller = await authenticate(relay.callers, self._key, None, int(time.time()))
            self.money.caller = caller
            await self.money.hold(relay.snapshots.current.options.pre_consumed_quota)
        except Refused as refused:
            if refused.status == 403 and "quota" in refused.code:
                return _short(refused.message)
            if refused.status in (401, 403):
                told = ("invalid_request_error", "token_disabled", refused.message)
                return Ending(POLICY, "token disabled", told)
            return Ending(BROKEN, refused.code, ("server_error", refused.code, refused.message))
        return None

    def _report(self, turn: TurnEnd, now_s: float) -> None:
        """A response is to channel health what a call is."""
        health, channel = self._relay.health, self.money.channel
        assert channel is not None
        attempt = health.board.begin(channel, self._model, turn.began_s)
        if turn.completed:
            self.completed = True
            first_ms = (turn.spoke_s - turn.began_s) * 1000 if turn.spoke_s >= 0 else -1.0
            health.board.succeeded(attempt, now_s, first_ms, stream=True)
        health.left(attempt)

    async def _charge_transcription(self, noted: Transcribed) -> None:
        self._transcriptions += 1
        snapshot = self._relay.snapshots.current
        await self.money.settle_transcription(snapshot, noted.model, noted.usage, self._transcriptions)

    def _upstream_closed(self) -> None:
        closed = self._upstream.closed
        assert closed is not None
        if closed.code == 1006:
            told = ("server_error", "upstream_closed", "The upstream has ended the session.")
            self.end(Ending(BROKEN, "upstream closed", told))
            return
        code = closed.code if closed.code in (NORMAL, GOING) or 3000 <= closed.code <= 4999 else BROKEN
        self.end(Ending(NORMAL if code == GOING else code, closed.reason))

    # -- the end

    def _crashed(self, error: Exception) -> None:
        away = isinstance(error, (*REFUSES, SpoolError))
        log.warning("realtime_ended", request_id=self._request_id, error=type(error).__name__)
        text = "The ledger is not reachable at the moment." if away else "The gateway failed to carry on this session."
        code = "temporarily_unavailable" if away else "internal_error"
        self.end(Ending(BROKEN, code, ("server_error", code, text)))

    async def _charge_rest(self) -> None:
        try:
            await self.money.finish(self.meter.abandon())
        except (*REFUSES, SpoolError):
            log.warning("hold_left_to_the_reaper", request_id=self._request_id)

    async def _tell(self, kind: str, code: str, message: str, event_id: Raw | None = None) -> None:
        cause = bytes(event_id) if event_id is not None else b""
        self._told += 1
        text = error_event(f"{self._request_id}_{self._told}", kind, code, message, cause)
        await self._send({"type": "websocket.send", "text": text})

    async def _close_client(self, ending: Ending) -> None:
        if not ending.code:
            return
        with contextlib.suppress(Exception):  # the client may have gone meanwhile
            if ending.error is not None:
                await self._tell(*ending.error)
            reason = ending.reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")
            await self._send({"type": "websocket.close", "code": ending.code, "reason": reason})
