"""What a call may cost at most, held before it goes upstream."""

from typing import TYPE_CHECKING

from edge.channels import RoutedChannel
from edge.relay.callers import Caller
from edge.relay.refusal import Refused, away, short_of_quota
from edge.relay.wanted import TALKS
from edge.snapshot import EdgeSnapshot
from edge.spool import REFUSES
from schema.counting import estimate_prompt
from schema.ledger.hot import NotLoaded, QuotaShort, Repeated
from schema.ledger.keys import digest_idempotency_key
from schema.pricing import PriceMissing, estimate_hold, find_price, price_image
from schema.usage import PriceRecord

if TYPE_CHECKING:
    from edge.relay.live import LiveCall


async def hold_quota(live: "LiveCall", snapshot: EdgeSnapshot) -> None:
    """Price the call on its first channel and hold what it may cost. Raises Refused, and what Redis raises."""
    hot, caller, wanted = live.relay.hot, live.caller, live.wanted
    price = price_on(live.channel, snapshot, model=wanted.model, group=live.group, caller=caller)
    if isinstance(price, PriceMissing):
        newer = await live.relay.snapshots.newer(snapshot)
        if newer is not None:
            await hold_quota(live, newer)
            return
        raise Refused(500, "model_price_error", f"Model {wanted.model} has no price; the operator must set one.")
    live.base_price = live.price = price
    if wanted.pictures is not None:
        asked, name = wanted.pictures, live.channel.model_mapping.get(wanted.model, wanted.model)
        live.price = price_image(price, upstream_model=name, size=asked.size, quality=asked.quality, count=asked.count)
    prompt = wanted.exact_tokens
    amount = estimate_hold(
        estimate_prompt(len(live.body)) if prompt is None else prompt,
        wanted.max_tokens or None,
        live.price,
        completion_guess=snapshot.options.pre_consumed_quota if live.mode in TALKS else 0,
    )
    live.amount = amount
    token_id = caller.token_id if caller.limited else None
    named = live.headers.get(b"idempotency-key", b"").decode("latin-1")
    once = digest_idempotency_key(caller.user_id, caller.token_id, named) if named else None
    if once is None:
        live.allowance = hot.hold_at_once(caller.user_id, token_id, amount)
        if live.allowance is not None:
            live.held = True
            return
    for _ in range(4):
        try:
            answer = await hot.reserve(
                request_id=live.request_id,
                user_id=caller.user_id,
                token_id=token_id,
                amount=amount,
                deadline_ms=hot.deadline_ms(live.relay.config.hold_deadline_s),
                idempotency_key=once,
            )
            if isinstance(answer, NotLoaded):
                await hot.load(caller.user_id, token_id)
                continue
        except REFUSES:
            if once is not None:  # nobody can tell whether it was used before
                raise
            if not await live.relay.settling.admit(caller.user_id, token_id or 0, amount):
                raise
            live.held = live.unheld = True
            return
        match answer:
            case QuotaShort(which):
                raise short_of_quota(which)
            case Repeated(earlier, is_open):
                state = "is still being answered" if is_open else "was answered"
                text = f"This Idempotency-Key was used before: request {earlier} {state} and is charged once."
                raise Refused(409, "idempotency_conflict", text)
            case _:
                live.held = True
                return
    raise away("The ledger")


def price_on(
    channel: RoutedChannel, snapshot: EdgeSnapshot, *, model: str, group: str, caller: Caller
) -> PriceRecord | PriceMissing:
    """What a call of this model costs on this channel."""
    return find_price(
        snapshot.options,
        model=model,
        group=group,
        user_group=caller.user_group,
        channel_cache_ratio=channel.cache_ratio,
        channel_type=channel.type,
    )
