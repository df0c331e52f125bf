"""How a task moves: terminal states are final, progress never falls, and money follows the state exactly once. Pure."""

from msgspec import Struct

from schema.tasks.platform import Reading

SUCCESS, FAILURE, CANCELLED, EXPIRED = "SUCCESS", "FAILURE", "CANCELLED", "EXPIRED"
TERMINAL = frozenset({SUCCESS, FAILURE, CANCELLED, EXPIRED})
OPEN = frozenset({"SUBMITTING", "NOT_START", "SUBMITTED", "QUEUED", "MODAL", "IN_PROGRESS", "UNKNOWN"})
SUBMITTING_MS_MAX = 120_000  # a call that neither settled nor released by then lost its edge
_FIRST_DELAYS_MS = (3_000, 5_000, 10_000, 15_000, 20_000, 30_000, 45_000)
DELAY_MS_MAX = 60_000
BREAKER_MS_MAX = 300_000

# from state -> the only moves of money there are; the ledger key (task, kind) is unique
MONEY_MOVES = {"hold": ("none", "held"), "settle": ("held", "settled"), "release": ("held", "released"),
               "refund": ("settled", "refunded")}  # fmt: skip


class TaskState(Struct, frozen=True, kw_only=True):
    """The part of a stored task that decides. Times in ms."""

    status: str
    progress: int
    billing_state: str
    deadline_ms: int
    submit_ms: int
    start_ms: int = 0
    finish_ms: int = 0
    fail_reason: str = ""
    image_url: str = ""


class Change(Struct, frozen=True, kw_only=True):
    """What one transaction writes: the columns that change, and at most one movement of money."""

    status: str | None = None
    progress: int | None = None
    fail_reason: str | None = None
    image_url: str | None = None
    start_ms: int | None = None
    finish_ms: int | None = None
    store_result: bool = False
    late_success: bool = False
    money: str = ""  # release, refund or ""


def money_back(billing_state: str) -> str:
    """The move that returns what a failed task holds or was charged; "" when there is nothing to return."""
    return {"held": "release", "settled": "refund"}.get(billing_state, "")


def advance(task: TaskState, reading: Reading, now_ms: int) -> Change | None:
    """What a reading of the upstream changes; None for nothing. Any order and any repetition of readings is fine."""
    said = reading.status
    failed = said in (FAILURE, CANCELLED) or (bool(reading.fail_reason) and said != SUCCESS)
    if task.status in TERMINAL:
        if task.status == EXPIRED and said == SUCCESS:
            return Change(late_success=True, store_result=True, image_url=reading.image_url)
        return None
    if now_ms >= task.deadline_ms and said != SUCCESS:
        return expire(task, now_ms)
    if failed:
        reason = reading.fail_reason or "the provider reports a failure"
        return fail(task, reason, now_ms, status=CANCELLED if said == CANCELLED else FAILURE)
    started = reading.start_ms if reading.start_ms and not task.start_ms else None
    if said == SUCCESS:
        return Change(
            status=SUCCESS, progress=100, image_url=reading.image_url, start_ms=started,
            finish_ms=reading.finish_ms or now_ms, store_result=True,
        )  # fmt: skip
    status = said if said in OPEN and said not in ("SUBMITTING", task.status) else None
    told = min(reading.progress or 0, 99)  # 100 % belongs to the end
    progress = told if told > task.progress else None
    image = reading.image_url if reading.image_url and reading.image_url != task.image_url else None
    if status is None and progress is None and image is None and started is None:
        return None
    return Change(status=status, progress=progress, image_url=image, start_ms=started, store_result=True)


def fail(task: TaskState, reason: str, now_ms: int, *, status: str = FAILURE) -> Change | None:
    """End an open task with its money back: the provider failed it, forgot it, or its channel is gone."""
    if task.status in TERMINAL:
        return None
    return Change(
        status=status, progress=100, fail_reason=reason, finish_ms=now_ms, money=money_back(task.billing_state)
    )


def expire(task: TaskState, now_ms: int) -> Change | None:
    """End an open task whose deadline has passed, whatever the upstream says or does not say."""
    if task.status in TERMINAL or now_ms < task.deadline_ms:
        return None
    return fail(task, "the task did not finish in time", now_ms, status=EXPIRED)


def poll_delay_ms(poll_count: int, jitter: float) -> int:
    """Until the next look at a task that was looked at `poll_count` times; `jitter` in [0, 1) spreads it by ±20 %."""
    base = _FIRST_DELAYS_MS[poll_count] if poll_count < len(_FIRST_DELAYS_MS) else DELAY_MS_MAX
    return int(base * (0.8 + 0.4 * jitter))


def channel_delay_ms(failures: int, jitter: float) -> int:
    """Back-off of a channel whose polls failed `failures` times in a row (from 1)."""
    return int(min(BREAKER_MS_MAX, 5_000 * 2 ** min(failures - 1, 10)) * (0.8 + 0.2 * jitter))
