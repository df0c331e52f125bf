"""One try of one submit on one channel, and what its outcome says about the channel's health."""

import time

import structlog
from msgspec import Struct
from msgspec.structs import replace

from edge.channels import RoutedChannel
from edge.relay.retry import Failure, map_status
from edge.tasks.call import TaskCall
from schema.dialects.neutral import UpstreamError
from schema.options import Options
from schema.tasks.platform import Accepted, Declined, Settings, Submit, TaskRefused
from schema.tasks.wire import Unanswered, WireAnswer
from schema.upstreams.status import BY_RULE, Evidence, set_status

log = structlog.get_logger(__name__)

SUBMIT_TIMEOUT_S = 60.0
QUEUE_FULL = 23  # of Midjourney-Proxy: another channel may have room, so this one rests
SATURATED = "the upstream is saturated at the moment, please try again later"


class Missed(Struct, frozen=True, kw_only=True):
    """No answer of the platform: transport, or HTTP errors that are about the channel. `final`: not to be sent elsewhere."""

    failure: Failure
    refusal: TaskRefused
    reason: str
    kind: str
    final: bool = False


def settings_of(options: Options, channel: RoutedChannel, *, hook: bool = False) -> Settings:
    return Settings(
        notify_hook=hook,
        account_filter=options.mj_account_filter_enabled,
        clear_modes=options.mj_mode_clear_enabled,
        pass_mode=channel.view.setting.get("mj_mode_passthrough") is True,
    )


def proxy_of(call: TaskCall, channel: RoutedChannel) -> str:
    return str(channel.view.setting.get("proxy") or call.relay.config.relay_proxy)


async def attempt_submit(
    call: TaskCall, submit: Submit, channel: RoutedChannel, settings: Settings, *, timeout_s: float
) -> Accepted | Declined | Missed:
    health, meters = call.relay.health, call.relay.meters
    begun = health.begin(channel, submit.model)
    try:
        outcome, error, failure = await _try(call, submit, channel, settings, timeout_s)
        if error is None or failure is None:
            meters.attempt(channel.id, "ok")
            health.succeeded(begun, call.request_id, int(time.time() * 1000), stream=False, gone=False)
            return outcome
        options = call.snapshot.options
        judged = health.failed(begun, failure, error, options, request_id=call.request_id, gone=False)
        meters.failed(channel.id, failure.status, error, gone=False)
        if isinstance(outcome, Declined) and outcome.disable_channel:
            await _disable(call, channel, outcome, submit.model)
        return replace(outcome, failure=judged) if isinstance(outcome, Missed) else outcome
    finally:
        health.left(begun)


async def _try(
    call: TaskCall, submit: Submit, channel: RoutedChannel, settings: Settings, timeout_s: float
) -> tuple[Accepted | Declined | Missed, UpstreamError | None, Failure | None]:
    """The outcome, and what went wrong where something did."""
    platform, view = call.platform, channel.view
    mapped = channel.model_mapping.get(submit.model, submit.model)
    if mapped != submit.model and "model" in submit.body:
        submit = replace(submit, body={**submit.body, "model": mapped})
    failure, error = Failure(0, 502), UpstreamError("The upstream could not be reached.", "upstream_error", "", "")
    try:
        request = platform.write_submit(submit, view.base_url or channel.provider.base_url, view.key.strip(), settings)
    except TaskRefused as unmade:  # the channel's settings make no request
        return _missed(failure, unmade, unmade.message, "setup"), error, failure
    patience_s = max(1.0, min(SUBMIT_TIMEOUT_S, timeout_s))
    try:
        answer = await call.tasks.wire.send(request, proxy=proxy_of(call, channel), timeout_s=patience_s)
    except Unanswered as missed:
        log.info("submit_failed", request_id=call.request_id, channel=channel.id, reason=missed.reason)
        refusal = TaskRefused("do_request_failed", "the upstream could not be reached", status=_own_status(call))
        kind = "unknown" if missed.sent else "connect"
        return _missed(failure, refusal, missed.reason, kind, final=missed.sent), error, failure
    return _read(call, submit, channel, answer)


def _read(
    call: TaskCall, submit: Submit, channel: RoutedChannel, answer: WireAnswer
) -> tuple[Accepted | Declined | Missed, UpstreamError | None, Failure | None]:
    outcome = call.platform.read_submit_answer(submit, answer.status, answer.body)
    if isinstance(outcome, Accepted):
        return outcome, None, None
    status = map_status(answer.status, channel.status_mapping)
    retry_after = answer.headers.get("retry-after", "")
    failure = Failure(answer.status, status, retry_after_s=float(retry_after) if retry_after.isdigit() else 0.0)
    if answer.status == 200:  # the platform's own refusal: about the request, or about an account behind the proxy
        code = "insufficient_quota" if outcome.disable_channel else "task_declined"
        error = UpstreamError(outcome.reason, "upstream_error", code, status=400)
        seen = 402 if outcome.disable_channel else 429 if outcome.code == QUEUE_FULL else 400
        return outcome, error, Failure(seen, seen)
    error = channel.provider.read_error(answer.status, answer.body, channel.view, dict(answer.headers))
    if answer.status == 429:
        return (
            _missed(failure, TaskRefused("rate_limited", SATURATED, status=429), "saturated", "rate_limit"),
            error,
            failure,
        )
    return outcome, error, failure


def _missed(failure: Failure, refusal: TaskRefused, reason: str, kind: str, *, final: bool = False) -> Missed:
    return Missed(failure=failure, refusal=refusal, reason=reason, kind=kind, final=final)


def _own_status(call: TaskCall) -> int:
    return 400 if call.place.platform == "mj" else 500


async def _disable(call: TaskCall, channel: RoutedChannel, outcome: Declined, model: str) -> None:
    """No account is left behind this channel: switched off by rule, so that probes and balance may switch it on again."""
    options = call.snapshot.options
    if not (options.automatic_disable_channel_enabled and channel.auto_ban):
        return
    evidence = Evidence(
        actor="rule:no_account", message=outcome.reason, status_code=200, model=model, request_id=call.request_id
    )
    try:
        await set_status(
            call.tasks.engine, call.tasks.redis, channel.id, to=BY_RULE, evidence=evidence,
            keep_last=options.auto_disable_keep_last,
        )  # fmt: skip
    except Exception as error:
        log.error("channel_not_switched_off", channel=channel.id, error=type(error).__name__)
