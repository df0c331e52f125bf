"""One call on the express way: each step is a callback of a socket, and what is not as expected goes on in a task.

Where quota was set aside beforehand the call is sent at once, else by Redis' answer; the provider's socket settles it, and Redis'
acknowledgement lets the answer go. At the first thing that is out of the ordinary the call is handed over, as it stands, to a task in
`edge.relay.call`: retries, errors, refusals and the end of a hold exist once. No callback lets an exception out.
"""

import time
from collections.abc import Coroutine
from typing import Any

import structlog
from msgspec import Struct

from edge.channels import RoutedChannel
from edge.door.exchange import Exchange
from edge.door.known_head import KnownHead
from edge.health.pick import Wish
from edge.relay.admission import price_on
from edge.relay.attempt import resume_attempt
from edge.relay.call import Relay, try_channels
from edge.relay.callers import Caller
from edge.relay.failures import AttemptFailed
from edge.relay.lanes import Lane
from edge.relay.live import LiveCall
from edge.relay.routes import Place
from edge.relay.wanted import Wanted
from edge.relay.watch import StreamTooWild
from edge.snapshot import EdgeSnapshot
from edge.spool import REFUSES
from edge.upstream.http1 import Answer, Connection, find_header
from schema.counting import estimate_prompt
from schema.dialects.errors import DialectError
from schema.dialects.providers.answers import usage_of_passed
from schema.pricing import PriceMissing, estimate_hold
from schema.usage import PriceRecord, TokenUsage, UsageRecord

log = structlog.get_logger(__name__)

_CHOSEN, _HOLDING, _HELD, _SENT, _SETTLING, _ENDED, _HANDED_OVER = range(7)  # how far it has come


class Way(Struct, frozen=True):
    """What one channel makes of the calls of some terms."""

    lane: Lane
    price: PriceRecord


class Terms(Struct):
    """What follows from a caller, a snapshot and a model: true as long as they are the same objects. The rest is learnt."""

    caller: Caller
    snapshot: EdgeSnapshot
    model: str
    stream: bool
    group: str
    client_ip: str  # told only where the operator asks for it
    accept: bytes
    ways: dict[tuple[int, int], Way]  # by channel and number of its key
    only: tuple[RoutedChannel, Way] | None = None  # whom `Picker.only` tells
    board_version: int = -1  # for which that holds

    def find_way(self, channel: RoutedChannel, headers: dict[bytes, bytes]) -> Way | None:
        """None: the first call of its kind, or one without a price."""
        key = (channel.id, channel.key_no)
        way = self.ways.get(key)
        if way is None:
            model = self.model
            upstream_model = channel.model_mapping.get(model, model)
            lane = self.snapshot.lanes.find((*key, upstream_model, self.stream, self.accept), headers)
            price = price_on(channel, self.snapshot, model=model, group=self.group, caller=self.caller)
            if lane is None or isinstance(price, PriceMissing):
                return None
            way = self.ways[key] = Way(lane, price)
        return way


class ExpressCall(LiveCall):
    """A live call that may do without a task; created by `edge.relay.express`."""

    __slots__ = ("_body_out", "_connection", "_known", "_reply", "_settling", "_stage", "_terms", "_way")

    def __init__(
        self,
        relay: Relay,
        known: KnownHead,
        place: Place,
        headers: dict[bytes, bytes],
        exchange: Exchange,
        terms: Terms,
        wanted: Wanted,
        body: bytes,
    ) -> None:
        super().__init__(relay, known.scope, exchange.receive, exchange.send, place, headers)
        self.exchange: Exchange = exchange
        self.caller, self.group, self.client_ip = terms.caller, terms.group, terms.client_ip
        self.wanted, self.body, self.body_read = wanted, body, True
        self.stream = wanted.stream
        self._known, self._terms = known, terms
        self._stage = _CHOSEN
        self._connection: Connection | None = None
        self._way: Way
        self._body_out = b""
        self._reply: tuple[str, bytes] = ("", b"")  # content type and body
        self._settling: UsageRecord

    def begin(self) -> None:
        """From the client's socket."""
        try:
            if self._begin():
                return
        except DialectError:
            pass  # of the body; the ordinary way says what is wrong with it
        except Exception as error:
            self._log_crash(error)
        self.hand_over()

    def _begin(self) -> bool:
        """Channel, price and hold. False: not all is at hand. Raises DialectError."""
        relay, terms, wanted, caller = self.relay, self._terms, self.wanted, self.caller
        board = relay.health.board
        if terms.only is not None and terms.board_version == board.version and time.monotonic() < board.next_change:
            channel, way = self.channel, self._way = terms.only
        else:
            found = self.choose(terms.snapshot, None, 1)
            if found is None:
                return False
            channel = self.channel = found
            known = terms.find_way(channel, self.headers)
            if known is None:
                return False
            way = self._way = known
            only = relay.health.picker.only(terms.snapshot, Wish(self.group, wanted.model, self.mode))
            terms.only = (channel, way) if only is channel else None
            terms.board_version = board.version
        self.price = self.base_price = way.price
        self._body_out = way.lane.body_for(self.body, wanted, channel)
        amount = self.amount = estimate_hold(
            estimate_prompt(len(self.body)),
            wanted.max_tokens or None,
            way.price,
            completion_guess=terms.snapshot.options.pre_consumed_quota,
        )
        token_id = caller.token_id if caller.limited else None
        self.allowance = relay.hot.hold_at_once(caller.user_id, token_id, amount)
        if self.allowance is not None:
            return self._send()
        self._stage = _HOLDING
        relay.hot.reserve_soon(
            self._reserved,
            request_id=self.request_id,
            user_id=caller.user_id,
            token_id=token_id,
            amount=amount,
            deadline_ms=relay.hot.deadline_ms(relay.config.hold_deadline_s),
        )
        return True

    def _reserved(self, answer: Any) -> None:
        """From Redis: does the hold stand? Where it does not, the ordinary way asks again and says why."""
        if self._stage != _HOLDING:
            return
        self._stage = _CHOSEN
        try:
            if answer is True and self._send():
                return
        except Exception as error:
            self._log_crash(error)
        self.hand_over()

    def _send(self) -> bool:
        """The quota is held. False: no connection is idle."""
        relay, lane, channel = self.relay, self._way.lane, self.channel
        self._stage, self.held = _HELD, True
        relay.open.calls[self.request_id] = self
        connection = relay.http.take_idle(lane.origin)
        if connection is None:
            return False
        self._connection = connection
        self.call, self.sent = lane.call, lane.template
        self.tried.append(channel.id)
        self.begun = relay.health.begin(channel, self.wanted.model)
        self._stage = _SENT
        try:
            body = self._body_out
            relay.http.send(connection, lane.head_for(body), body, relay.patience_s[self.stream], self._heard)
        except Exception:  # of ours: nobody knows what has left
            connection.transport.abort()
            relay.health.left(self.begun)
            self.tried.clear()
            self._stage = _HELD
            raise
        return True

    def _heard(self) -> None:
        """From the provider's socket: something has come or happened."""
        if self._stage != _SENT:
            return
        problem: Exception | None = None
        try:
            connection: Any = self._connection
            if self._go_on(connection):
                return
        except (AttemptFailed, StreamTooWild) as error:
            problem = error
        except Exception as error:
            problem = error
            self._log_crash(error)
        self.hand_over(problem)

    def _go_on(self, connection: Connection) -> bool:
        """False: a task must see to it."""
        if connection.complete and connection.status == 200 and connection.error is None:
            return self._answered(connection)
        return self._waits(connection, connection.status)

    def _waits(self, connection: Connection, status: int) -> bool:
        """Is there more to come, and will it be good as far as one sees?"""
        if connection.error is not None or connection.closed or connection.full or status not in (0, 200):
            return False
        if status:
            if self.first_byte_ms < 0:
                self.first_byte_ms = time.time_ns() // 1_000_000 - self.started_ms
                self.answer = Answer(self.relay.http, connection)
            self.relay.http.watch(connection, self.relay.config.relay_timeout_s)
        return True

    def _answered(self, connection: Connection) -> bool:
        """The answer is whole: settle it. False: it is not a good plain one."""
        content_type = find_header(connection.headers, b"content-type").decode("latin-1")
        body = connection.whole_body()
        usage = usage_of_passed(body) if content_type.startswith("application/json") else None
        if usage is None:
            return False
        if self.first_byte_ms < 0:
            self.first_byte_ms = time.time_ns() // 1_000_000 - self.started_ms
        self._reply = content_type, body
        self._settle(usage, connection)
        return True

    def _settle(self, usage: TokenUsage, connection: Connection) -> None:
        """All of the answer is here."""
        relay = self.relay
        record = self._settling = self.record(usage, 200)
        self.answer = None
        relay.http.take_answer(connection)
        allowance, self.allowance = self.allowance, None  # it is charged once, whatever comes
        self._stage = _SETTLING
        relay.hot.settle_soon(record, self._settled, allowance, self.amount)

    def _settled(self, answer: Any) -> None:
        """From Redis: the record is acknowledged, or why not."""
        if self._stage != _SETTLING:
            return
        try:
            if not isinstance(answer, BaseException):
                relay = self.relay
                self.held = False
                self.progress = None
                relay.meters.settled(self._settling)
                if self._reply_at_once():
                    self._stage = _ENDED
                    self.tell_success()
                    self.close()
                    relay.meters.express += 1
                    relay.health.left(self.begun)
                    return
        except Exception as error:
            answer = error
        self.hand_over(answer)

    async def _end_settled(self, answer: Any) -> None:
        """What `_settled` could not do at once. Raises SpoolError, and what is no refusal of Redis."""
        if isinstance(answer, REFUSES):
            await self.relay.settling.spool(self._settling, answer)
            self.held = False
        elif isinstance(answer, BaseException):
            raise answer
        assert not self.held, "answered means settled"
        self.progress = None
        await self._reply_later()

    def _reply_at_once(self) -> bool:
        """What is left of the answer; False: it needs `_reply_later`."""
        return self.answer_at_once(200, *self._reply)

    async def _reply_later(self) -> None:
        await self.answer_with(200, *self._reply)

    def _resume(self, connection: Connection, error: Exception | None) -> Coroutine[Any, Any, None]:
        """The rest of the attempt, for a task. `error`: what went wrong here."""
        self.answer = None
        return resume_attempt(self, connection, self._way.lane, self._body_out, self.first_byte_ms)

    def hand_over(self, answer: Any = None) -> None:
        """A task goes on from here. `answer`: of Redis, where the call is being settled, or what went wrong then."""
        stage, self._stage = self._stage, _HANDED_OVER
        connection = self._connection
        under_way = None
        if stage == _SENT:
            assert connection is not None
            connection.listener = None
            under_way = self._resume(connection, answer)
        elif stage > _SENT:
            under_way = self._end_settled(answer)
        self.scope = self.exchange.scope = self._known.scope_with(b"%d" % len(self.body))
        self.headers = dict(self.scope["headers"])
        first = self.channel if stage <= _HELD and hasattr(self, "channel") else None
        work = try_channels(self, self._terms.snapshot, None, first=first, under_way=under_way)
        self.exchange.hand_over(self.relay.see_through(self, work))

    def _interrupt(self) -> None:
        if self._stage == _SENT and self.answer is None:
            self.hand_over()  # its first step sees why
        elif self._stage in (_SENT, _HANDED_OVER):
            super()._interrupt()

    def _log_crash(self, error: Exception) -> None:
        log.exception("express_crashed", request_id=self.request_id, stage=self._stage, error=type(error).__name__)
