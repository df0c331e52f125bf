"""A submit from the client's request to the booked task.

caller -> what is wanted -> origin -> channel -> price -> hold in Redis -> row in SQL -> upstream -> note in Redis -> settled in
SQL -> hold ends -> answer. Where a crash between two of these leaves money: docs/decisions/0004-money-of-tasks.md.
"""

import time

import structlog
from msgspec.structs import replace

from edge.channels import RoutedChannel
from edge.health.pick import Wish
from edge.relay.auto_group import AUTO, find_group, has_candidate, serves_pinned
from edge.relay.callers import Caller
from edge.relay.gate import check_model, group_in_effect
from edge.relay.rate_limit import Full, limits_for
from edge.relay.refusal import Refused, away, no_channel
from edge.relay.retry import Failure, GiveUp, RetryPolicy, after_failure
from edge.spool import REFUSES
from edge.tasks.attempt import Missed, attempt_submit, settings_of
from edge.tasks.call import DATABASE_AWAY, Answer, TaskCall
from edge.tasks.callbacks import callback_url
from edge.tasks.forms import read_submit_body
from edge.tasks.low_balance import warn_if_low
from edge.tasks.results import find_origin
from schema.ledger.hot import NotLoaded, QuotaShort
from schema.options import Options
from schema.pricing import charge, find_price, price_task
from schema.tasks.books import Acceptance, Books, NewTask, accept_task, open_task, refuse_task
from schema.tasks.charging import Billing
from schema.tasks.notes import end_hold, forget_note, write_note
from schema.tasks.platform import Accepted, Declined, Submit, TaskRefused, text
from schema.tasks.rows import Row
from schema.usage import PriceRecord, TokenUsage

log = structlog.get_logger(__name__)

HOLD_S = 120.0  # longer than any submit may take; a hold whose edge has died stands so long
SUBMIT_S_MAX = 90.0  # of all attempts together; workers give a submit up after 120 s
NOTIFY_HOOK_CHARS_MAX = 512


async def submit_task(call: TaskCall) -> Answer:
    """Raises Refused and TaskRefused; nothing is charged then."""
    caller, pinned = await call.submitter()
    snapshot = call.snapshot
    group = group_in_effect(caller, snapshot.options)
    submit = await read_submit_body(call)
    check_model(caller, submit.model)
    group = group or _auto_group(call, caller, submit, pinned)
    await _take_turn(call, caller, group)
    origin = await find_origin(call, caller, submit, snapshot.options) if submit.origin_id else None
    tried: list[int] = []
    channel = _first_channel(call, group, submit, origin, pinned)
    price = find_task_price(snapshot.options, submit, group, caller.user_group)
    quota = 0 if submit.free else charge(TokenUsage(), price)
    if origin is not None and submit.platform == "mj":
        submit = replace(submit, prompt=submit.prompt or origin["prompt"] or "")
    if quota:
        await _hold(call, caller, quota)
    opened: Row | None = None
    try:
        opened = await open_task(
            call.tasks.engine, _new_task(call, caller, submit, channel, group, price, quota, origin)
        )
        return await _carry_out(call, submit, opened, channel, group, tied=origin is not None or pinned is not None,
                                tried=tried)  # fmt: skip
    except BaseException:
        if opened is None and quota:
            await _release(call, caller.user_id)
        raise


def _auto_group(call: TaskCall, caller: Caller, submit: Submit, pinned: int | None) -> str:
    """A task tied to a channel, by its origin or by the key, stays there whatever the group. Raises Refused."""
    snapshot, mode = call.snapshot, call.platform.name
    if pinned is not None:
        serves = serves_pinned(snapshot, pinned)
    else:

        def serves(group: str) -> bool:
            return has_candidate(snapshot, group, routed_by(call, group, submit), mode)

    tied = pinned is not None or bool(submit.origin_id)
    found = find_group(caller, snapshot.options, serves, or_first=tied)
    if found is None:
        raise no_channel(AUTO, submit.model)
    return found


async def _take_turn(call: TaskCall, caller: Caller, group: str) -> None:
    """The request rate limit counts what stands under /v1, as in the predecessor. Raises Refused."""
    limits = limits_for(call.snapshot.options, group) if call.place.platform == "video" else None
    if limits is None:
        return
    try:
        turn = await call.relay.limiter.take(caller.user_id, call.request_id, limits)
    except REFUSES:
        return
    if isinstance(turn, Full):
        raise Refused(429, "rate_limit_exceeded", turn.sentence(limits), retry_after_s=turn.wait_s)


def find_task_price(options: Options, submit: Submit, group: str, user_group: str) -> PriceRecord:
    """By the first of its names that has a price. Raises Refused where the platform has no default price."""
    name = next((name for name in submit.price_models if name in options.model_price), submit.price_models[-1])
    if submit.needs_price:
        found = find_price(options, model=name, group=group, user_group=user_group)
        if not isinstance(found, PriceRecord) or not found.per_call:
            raise Refused(500, "model_price_error", f"Model {name} has no price; the operator must set one.")
        price = found
    else:
        price = price_task(options, action=name, group=group, user_group=user_group)
    return replace(price, times=price.times * max(1, submit.times))


def _first_channel(call: TaskCall, group: str, submit: Submit, origin: Row | None, pinned: int | None) -> RoutedChannel:
    """The origin's channel, the pinned one, or a drawn one. Raises Refused, TaskRefused."""
    snapshot = call.snapshot
    if origin is not None:
        found = snapshot.channels.get(origin["channel_id"])
        if found is None:
            code = "task_channel_disable" if submit.platform == "suno" else "get_channel_info_failed"
            raise TaskRefused(code, f"{code}: the channel of the origin task is disabled or deleted")
        return next((key for key in found.keys if key.key_name == origin["channel_key"]), found)
    if pinned is not None:
        found = snapshot.channels.get(pinned)
        if found is None or found.type not in call.platform.channel_types:
            raise Refused(403, "channel_disabled", "The pinned channel does not exist, is disabled, or has no tasks.")
        return found.keys[0] if found.keys else found
    chosen = choose_channel(call, group, routed_by(call, group, submit), 0, [])
    if chosen is None:
        raise no_channel(group, submit.model)
    return chosen


def routed_by(call: TaskCall, group: str, submit: Submit) -> str:
    """The name of action and speed where a channel of the group lists it, else the action's."""
    special = submit.price_models[0]
    return special if submit.mode and (group, special) in call.snapshot.tiers else submit.model


def choose_channel(call: TaskCall, group: str, model: str, attempt: int, tried: list[int]) -> RoutedChannel | None:
    wish = Wish(group, model, call.platform.name)
    return call.relay.health.choose(call.snapshot, wish, attempt=attempt, tried=tried)


async def _hold(call: TaskCall, caller: Caller, quota: int) -> None:
    """Raises TaskRefused when the balance is too small, Refused when the ledger is away."""
    hot = call.relay.hot
    token_id = caller.token_id if caller.limited else None
    try:
        for _ in range(4):
            held = await hot.reserve(
                request_id=call.request_id, user_id=caller.user_id, token_id=token_id, amount=quota,
                deadline_ms=hot.deadline_ms(HOLD_S),
            )  # fmt: skip
            if isinstance(held, NotLoaded):
                await hot.load(caller.user_id, token_id)
                continue
            if isinstance(held, QuotaShort):
                raise TaskRefused(
                    "quota_not_enough", f"the {held.which}'s quota is too small for this task",
                    status=400 if call.place.platform == "mj" else 403,
                )  # fmt: skip
            return
    except REFUSES:
        raise away("The ledger") from None
    raise away("The ledger")


async def _release(call: TaskCall, user_id: int) -> None:
    try:
        await call.relay.hot.release(call.request_id, user_id)
    except REFUSES:
        log.warning("hold_left_to_the_reaper", request_id=call.request_id)


def _new_task(
    call: TaskCall, caller: Caller, submit: Submit, channel: RoutedChannel, group: str, price: PriceRecord, quota: int,
    origin: Row | None,
) -> NewTask:  # fmt: skip
    options = call.snapshot.options
    minutes = options.task_timeout_minutes.get(submit.platform)
    patience_ms = (
        int(minutes * 60_000) if isinstance(minutes, int | float) and minutes > 0 else call.platform.deadline_ms
    )
    hook = text(submit.body.get("notifyHook"))[:NOTIFY_HOOK_CHARS_MAX] if options.mj_notify_enabled else ""
    now_ms = call.now_ms()
    return NewTask(
        key=call.request_id, submit=submit, user_id=caller.user_id, token_id=caller.token_id, channel_id=channel.id,
        channel_key=channel.key_name, group=group, quota=quota, now_ms=now_ms, deadline_ms=now_ms + patience_ms,
        parent_id=origin["id"] if origin is not None else 0, notify_hook=hook,
        billing=Billing(
            price=price, username=caller.username, token_name=caller.token_name, token_limited=caller.limited,
        ),
    )  # fmt: skip


async def _carry_out(
    call: TaskCall, submit: Submit, opened: Row, channel: RoutedChannel, group: str, *, tied: bool, tried: list[int]
) -> Answer:
    """Try channels until one takes the task or none is left."""
    options = call.snapshot.options
    deadline_s = time.monotonic() + SUBMIT_S_MAX
    policy = RetryPolicy(
        1 + options.retry_times if call.platform.retries else 1, call.now_ms() + int(SUBMIT_S_MAX * 500)
    )
    sent = _with_callback(call, submit, channel)
    attempt = 0
    while True:
        attempt += 1
        tried.append(channel.id)
        settings = settings_of(options, channel, hook=sent is not submit)
        outcome = await attempt_submit(call, sent, channel, settings, timeout_s=deadline_s - time.monotonic())
        if isinstance(outcome, Accepted):
            return await _accepted(call, opened, channel, outcome)
        following = choose_channel(call, group, submit.model, attempt, tried) if call.platform.retries else None
        failure = outcome.failure if isinstance(outcome, Missed) else Failure(outcome.status, outcome.status)
        decision = after_failure(
            failure, attempt=attempt, relayed_bytes=0, pinned=tied, others_left=following is not None,
            now_ms=call.now_ms(), policy=policy,
        )  # fmt: skip
        final = isinstance(outcome, Missed) and outcome.final
        if final or following is None or isinstance(decision, GiveUp) or decision.same_channel:
            return await _refused(call, opened, outcome)
        channel = following


def _with_callback(call: TaskCall, submit: Submit, channel: RoutedChannel) -> Submit:
    """Our own address in place of the client's hook, which we call ourselves: the upstream's address stays hidden."""
    url = callback_url(call, channel)
    return replace(submit, body={**submit.body, "notifyHook": url}) if url else submit


async def _accepted(call: TaskCall, opened: Row, channel: RoutedChannel, taken: Accepted) -> Answer:
    tasks, hot = call.tasks, call.relay.hot
    note = Acceptance(
        task_key=opened["task_key"], user_id=opened["user_id"], channel_id=channel.id, channel_key=channel.key_name,
        upstream_id=taken.upstream_id, code=taken.code, at_ms=call.now_ms(), reading=taken.reading,
    )  # fmt: skip
    noted = True
    try:
        await write_note(hot.execute, note)
    except REFUSES:
        noted = False
    try:
        booked = await accept_task(tasks.books(call.snapshot.options), note, jitter=tasks.rng.random())
    except DATABASE_AWAY:
        if not noted:
            log.error("acceptance_lost", request_id=call.request_id, channel=channel.id, upstream_id=note.upstream_id)
            raise
        log.warning("acceptance_left_to_workers", request_id=call.request_id)
        return Answer(200, taken.body)  # the note is as safe as any settled call, and is booked when SQL is back
    try:
        if opened["quota"]:
            await end_hold(hot.execute, hot.keys, opened["user_id"], opened["task_key"])
        await forget_note(hot.execute, opened["task_key"])
    except REFUSES:
        log.warning("hold_left_to_the_reaper", request_id=call.request_id)
    if not booked:
        raise TaskRefused("do_request_failed", "the submit took too long and was given up", status=500)
    if opened["quota"]:
        call.relay.health.board.spent((channel.id, opened["model"]), 0, 0, opened["quota"])
        call.relay.meters.count("quota_charged_total", "task", by=opened["quota"])
        await warn_if_low(tasks.engine, tasks.redis, call.snapshot.options, opened["user_id"], opened["quota"])
    return Answer(200, taken.body)


async def _refused(call: TaskCall, opened: Row, outcome: Declined | Missed) -> Answer:
    """Nothing is charged: the row says why, the hold goes back."""
    books: Books = call.tasks.books(call.snapshot.options)
    kind = outcome.kind if isinstance(outcome, Missed) else "declined"
    code = outcome.code if isinstance(outcome, Declined) else 5
    try:
        await refuse_task(books, opened, reason=outcome.reason[:2000], now_ms=call.now_ms(), code=code, kind=kind)
    finally:
        if opened["quota"]:
            await _release(call, opened["user_id"])
    if isinstance(outcome, Missed):
        raise outcome.refusal
    return Answer(outcome.status, outcome.body)
