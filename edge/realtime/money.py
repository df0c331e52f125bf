"""The money of one Realtime session: a hold per turn, a charge per answered response, one log row for the whole.

A turn's ledger reference is `<session>:<turn>`. Its hold carries a checkpoint, so that a killed edge is charged once, by the
reaper. The row of the log shows the sums of the session and is written with its last record; a session of more than an hour
gets a row an hour. Source: Realtime rules, "Money".
"""

import contextlib
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.channels import RoutedChannel
from edge.relay.callers import Caller
from edge.relay.rate_limit import limits_for
from edge.relay.refusal import Refused, away, short_of_quota
from edge.spool import REFUSES
from schema.counting import realtime_audio_tokens
from schema.ledger.hot import Extension, NotLoaded, QuotaShort, Reserved
from schema.pricing import PriceMissing, charge, find_price
from schema.quota import Quota
from schema.usage import VERSION, PriceRecord, SessionRow, TokenUsage, UsageRecord, write_record

if TYPE_CHECKING:
    from edge.relay.call import Relay
    from edge.snapshot import EdgeSnapshot

LOADS_MAX = 4  # of the hot balance for one hold
TURN_AUDIO_S = 60.0  # heard and spoken in the turn that a hold is made for
ROW_S = 3600  # a longer session gets another row
GROW_SHARE = 0.8  # of a hold that is used up before it is enlarged
_COUNTS = tuple(name for name in TokenUsage.__struct_fields__ if name != "estimated")


def add_usage(one: TokenUsage, other: TokenUsage) -> TokenUsage:
    sums = {name: getattr(one, name) + getattr(other, name) for name in _COUNTS}
    return TokenUsage(**sums, estimated=one.estimated or other.estimated)


class SessionMoney:
    """One session. `first` must succeed before the upgrade is answered; `finish` ends it, whatever happened."""

    def __init__(
        self,
        relay: "Relay",
        snapshot: "EdgeSnapshot",
        *,
        request_id: str,
        caller: Caller,
        model: str,
        group: str,
        ip: str = "",
    ) -> None:
        """Raises Refused when the model has no price."""
        self._relay, self.caller, self._model, self._group = relay, caller, model, group
        self._request_id, self._ip = request_id, ip
        self._turn_ms = self._row_ms = time.time_ns() // 1_000_000
        self.channel: RoutedChannel | None = None
        self.upstream_model = model
        self.tried: list[int] = []
        self.turn = 1
        limits = limits_for(snapshot.options, group)
        self.spends = limits is not None and limits.tokens > 0  # model tokens per minute are limited
        self.turns = 0  # charged so far
        self.amount = 0
        self.held = False
        self._paid = False  # a price per call is taken once
        self._row = SessionRow(request_id, Quota(0), TokenUsage(), self._row_ms)
        self._row_turns = self._rows = 0
        self.price = self._find_price(snapshot, model)

    def _find_price(self, snapshot: "EdgeSnapshot", model: str) -> PriceRecord:
        channel = self.channel
        price = find_price(
            snapshot.options,
            model=model,
            group=self._group,
            user_group=self.caller.user_group,
            channel_cache_ratio=channel.cache_ratio if channel else None,
            channel_type=channel.type if channel else 0,
        )
        if isinstance(price, PriceMissing):
            raise Refused(500, "model_price_error", f"Model {model} has no price; the operator must set one.")
        return price

    def take_channel(self, snapshot: "EdgeSnapshot", channel: RoutedChannel) -> None:
        """A channel may have a cache ratio of its own."""
        self.channel = channel
        self.price = self._find_price(snapshot, self._model)
        self.upstream_model = channel.model_mapping.get(self._model, self._model)
        self.tried.append(channel.id)

    # -- holds

    @property
    def _turn_id(self) -> str:
        return f"{self._request_id}:{self.turn}"

    def _estimate(self, words: int) -> Quota:
        if self.price.per_call and self._paid:
            return Quota(0)
        heard = realtime_audio_tokens(TURN_AUDIO_S, output=False)
        spoken = realtime_audio_tokens(TURN_AUDIO_S, output=True)
        return charge(TokenUsage(input_text=words, input_audio=heard, output_audio=spoken), self.price)

    async def hold(self, words: int) -> None:
        """For the next turn; `words`: PreConsumedQuota, its tokens of text. Raises Refused, and what Redis raises."""
        amount = self._estimate(words)
        if self.price.per_call and self._paid:
            return
        hot, caller = self._relay.hot, self.caller
        token_id = caller.token_id if caller.limited else None
        checkpoint = self.checkpoint(TokenUsage()) if self.turns else None
        for _ in range(LOADS_MAX):
            answer = await hot.reserve(
                request_id=self._turn_id,
                user_id=caller.user_id,
                token_id=token_id,
                amount=amount,
                deadline_ms=hot.deadline_ms(self._relay.config.hold_deadline_s),
                checkpoint=write_record(checkpoint) if checkpoint else b"",
            )
            match answer:
                case NotLoaded():
                    await hot.load(caller.user_id, token_id)
                case QuotaShort(which):
                    raise short_of_quota(which)
                case _:
                    self.amount, self.held = amount, True
                    return
        raise away("The ledger")

    def extension(self, open_usage: TokenUsage) -> Extension | None:
        """What keeps the hold alive, and what to charge if this process dies; None: nothing is held."""
        if not self.held:
            return None
        record = self.checkpoint(open_usage)
        deadline_ms = self._relay.hot.deadline_ms(self._relay.config.hold_deadline_s)
        return Extension(
            self._turn_id, self.caller.user_id, deadline_ms, write_record(record) if record is not None else None
        )

    async def grow(self, open_usage: TokenUsage) -> bool:
        """Enlarge the hold of a long turn. False: the balance has not enough for what was used already."""
        if not self.held or self.price.per_call:
            return True
        cost = charge(open_usage, self.price)
        if cost <= self.amount * GROW_SHARE:
            return True
        for extra in (max(self.amount, cost - self.amount), cost - self.amount):
            if extra <= 0:
                return True
            answer = await self._relay.hot.grow(request_id=self._turn_id, user_id=self.caller.user_id, extra=extra)
            if isinstance(answer, Reserved):
                self.amount += extra
                return True
            if not isinstance(answer, QuotaShort):
                return True  # the balance is being loaded again: the next tick asks again
        return False

    # -- charges

    async def settle_turn(self, usage: TokenUsage) -> None:
        """A response is done: charged before its last event leaves. Raises SpoolError."""
        now_ms = time.time_ns() // 1_000_000
        new_row = now_ms - self._row_ms >= ROW_S * 1000
        await self._settle(self._record(usage, last=new_row, cut=False), usage)
        if new_row:
            self._row_ms, self._row_turns = now_ms, 0
            self._rows += 1
            self._row = SessionRow(f"{self._request_id}-{self._rows}", Quota(0), TokenUsage(), now_ms)
        self.turn += 1

    async def settle_transcription(self, snapshot: "EdgeSnapshot", model: str, usage: TokenUsage, number: int) -> None:
        """The transcription of the user's words: a charge of its own, by its own model's price where it has one."""
        if not usage.total_tokens:
            return
        try:
            price = self._find_price(snapshot, model) if model else self.price
        except Refused:
            price = self.price
        record = replace(
            self._record(usage, last=True, cut=False),
            request_id=f"{self._request_id}:t{number}",
            model=model or self._model,
            upstream_model=model or self.upstream_model,
            price=price,
            quota=charge(usage, price),
            counted=False,
            row=None,
            other={"ws": True},
        )
        await self._relay.settling.settle(record)

    async def finish(self, open_usage: TokenUsage) -> None:
        """The session is over: what an open response has used is charged; a hold without use is given back."""
        used = bool(open_usage.total_tokens)
        if used or self._row_turns:
            await self._settle(self._record(open_usage, last=True, cut=used), open_usage)
        elif self.held:
            self.held = False
            await self._relay.hot.release(self._turn_id, self.caller.user_id)

    async def _settle(self, record: UsageRecord, usage: TokenUsage) -> None:
        await self._relay.settling.settle(record)
        if self.spends and usage.total_tokens:
            with contextlib.suppress(*REFUSES):
                await self._relay.limiter.spend(self.caller.user_id, self._turn_id, usage.total_tokens)
        self.held = False
        self._turn_ms = record.ended_ms
        if usage.total_tokens or record.quota:
            self._row = self._sum(usage, record.quota)
            self._row_turns += 1
            self.turns += 1
            self._paid = True

    def checkpoint(self, open_usage: TokenUsage) -> UsageRecord | None:
        """What the reaper is to charge now; None: nothing was answered yet."""
        if not open_usage.total_tokens and not self._row_turns:
            return None
        return self._record(open_usage, last=True, cut=bool(open_usage.total_tokens))

    def _sum(self, usage: TokenUsage, quota: int) -> SessionRow:
        row = self._row
        return replace(row, quota=Quota(row.quota + quota), usage=add_usage(row.usage, usage))

    def _record(self, usage: TokenUsage, *, last: bool, cut: bool) -> UsageRecord:
        """`last`: its log row, with the sums of the session, is due."""
        assert self.channel is not None
        caller = self.caller
        used = bool(usage.total_tokens)
        free = not used or (self.price.per_call and self._paid)
        quota = Quota(0) if free else charge(usage, self.price)
        turns = self._row_turns + (1 if used else 0)
        now_ms = time.time_ns() // 1_000_000
        return UsageRecord(
            version=VERSION, request_id=self._turn_id, user_id=caller.user_id, username=caller.username, token_id=caller.token_id,
            token_name=caller.token_name, token_limited=caller.limited, channel_id=self.channel.id, model=self._model,
            upstream_model=self.upstream_model, group=self._group, dialect="openai", mode="realtime", stream=True,
            status=101, started_ms=self._turn_ms if used else now_ms, ended_ms=now_ms, first_byte_ms=-1, usage=usage,
            price=self.price, quota=quota, cut=cut, use_channel=list(self.tried), ip=self._ip,
            counted=used and self.turns == 0, logged=last, row=self._sum(usage, quota),
            other={"ws": True, "turns": turns},
        )  # fmt: skip
