"""May a failed attempt be followed by another one? Values in, a decision out; the caller sleeps, picks and logs.

Source: relay rules, "retry".
"""

from msgspec import Struct

_FINAL = frozenset({400, 408, 504, 524})  # the same answer everywhere, or work that may still be running
SAME_CHANNEL_RETRY_AFTER_S_MAX = 2.0  # a longer wait is the client's business
PAUSE_MS_FIRST, PAUSE_MS_MAX = 200, 2000


class RetryPolicy(Struct, frozen=True):
    attempts_max: int  # 1 + RetryTimes
    deadline_ms: int  # Unix ms after which no new attempt begins


class Failure(Struct, frozen=True):
    """What an attempt met. `status` 0: no answer at all (connect, time-out before the first byte)."""

    status: int  # as the upstream gave it
    mapped_status: int  # after the channel's status_code_mapping
    dead_account: bool = False  # the error says that key or credit of the channel is gone
    retry_after_s: float = 0.0


class Retry(Struct, frozen=True):
    same_channel: bool = False
    delay_ms: int = 0


class GiveUp(Struct, frozen=True):
    reason: str


def after_failure(
    failure: Failure,
    *,
    attempt: int,
    relayed_bytes: int,
    pinned: bool,
    others_left: bool,
    now_ms: int,
    policy: RetryPolicy,
) -> Retry | GiveUp:
    """`attempt` counts from 1. `others_left`: an untried channel exists."""
    if relayed_bytes > 0:
        return GiveUp("the client has seen bytes")  # a second answer would be spliced onto the first
    if attempt >= policy.attempts_max:
        return GiveUp("attempts used up")
    if now_ms >= policy.deadline_ms:
        return GiveUp("time used up")
    if pinned:
        return GiveUp("the key pins the channel")
    if not failure.dead_account:
        if failure.mapped_status in _FINAL or (failure.status in _FINAL and failure.status == failure.mapped_status):
            return GiveUp("another channel would not help")
        if 200 <= failure.mapped_status < 300 and failure.status == failure.mapped_status:
            return GiveUp("answered")
    if others_left:
        return Retry()
    if failure.status in (429, 503) and failure.retry_after_s > SAME_CHANNEL_RETRY_AFTER_S_MAX:
        return GiveUp("the only channel asks to wait")
    pause = int(failure.retry_after_s * 1000) or min(PAUSE_MS_FIRST << (attempt - 1), PAUSE_MS_MAX)
    return Retry(same_channel=True, delay_ms=pause)


def map_status(status: int, mapping: dict[str, str]) -> int:
    """The status after the channel's mapping: exact, then `4xx` forms, then `*`; values that are no status are ignored."""
    if not mapping:
        return status
    text = str(status)
    to = mapping.get(text) or mapping.get(text[0] + "xx") or mapping.get("*")
    return int(to) if to and to.isdigit() and 100 <= int(to) <= 599 else status
