"""What an upstream's answer teaches when it is no good: cut short, or a fact about the channel that another way may suit."""

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.relay.retry import Failure, map_status
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import UpstreamBroken
from schema.dialects import neutral
from schema.dialects.providers.facts import learn
from schema.dialects.providers.scrub import scrub_error

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

ANSWER_BYTES_MAX = 64 * 1024 * 1024  # of one plain answer


class AttemptFailed(Exception):
    """One attempt on one channel. `status` 0: no answer."""

    def __init__(
        self,
        status: int,
        mapped_status: int,
        message: str,
        *,
        error: neutral.UpstreamError | None = None,
        retry_after_s: float = 0.0,
        learnt: bool = False,  # the same channel may work in another way, now known
    ) -> None:
        super().__init__(message)
        self.learnt = learnt
        self.failure = Failure(status, mapped_status, retry_after_s=retry_after_s)
        self.error = error or neutral.UpstreamError(
            message=message, type="upstream_error", code="upstream_failed", status=mapped_status or 502
        )


async def read_all(live: "LiveCall", answer: UpstreamAnswer) -> bytes:
    """Raises AttemptFailed."""
    body = answer.take_whole()
    if body is not None:
        return body
    try:
        return await answer.read_all(ANSWER_BYTES_MAX, live.relay.config.relay_timeout_s)
    except UpstreamBroken:
        raise AttemptFailed(0, 502, "The upstream broke off its answer.") from None


def read_retry_after(text: str, now_s: float) -> float:
    """Seconds to wait, as `Retry-After` says it: seconds, or a date. 0 when it says nothing. Source: RFC 9110, 10.2.3."""
    try:
        return max(0.0, float(text)) if text else 0.0
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, TypeError):
        return 0.0


def shown(live: "LiveCall", error: neutral.UpstreamError) -> neutral.UpstreamError:
    """An error as a client may read it: without key and address of the channel."""
    view, provider = live.channel.view, live.channel.provider
    return scrub_error(error, key=view.key, base_url=view.base_url or provider.base_url)


def failed_with(live: "LiveCall", error: neutral.UpstreamError, *, learnt: bool = False) -> AttemptFailed:
    """The failed attempt behind an error that came inside a 200, or as the first event of a stream."""
    status = error.status if 400 <= error.status <= 599 else 502
    mapped = map_status(status, live.channel.status_mapping)
    return AttemptFailed(status, mapped, "", error=replace(shown(live, error), status=mapped), learnt=learnt)


def learn_from(live: "LiveCall", status: int, body: bytes) -> bool:
    """Does the failure teach a way in which the same channel may work? Each fact is learnt once."""
    fact = learn(live.sent, status, body)
    if not fact and status == 401 and live.channel.provider.credential_key(live.channel.view):
        fact = "drop_credential"  # the token was revoked before its time
    if not fact:
        return False
    if fact == "drop_credential":
        live.relay.preparer.forget(live.channel)
        first, live.signed_in_again = not live.signed_in_again, True
        return first
    known = live.relay.facts.get(live.channel.id, frozenset())
    if fact in known:
        return False
    live.relay.facts[live.channel.id] = known | {fact}
    return True
