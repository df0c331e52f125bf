"""Readings in any order, repeated or forged, end a task once and return its money once."""

from hypothesis import given
from hypothesis import strategies as st

from schema.tasks.platform import Reading
from schema.tasks.states import (
    DELAY_MS_MAX,
    MONEY_MOVES,
    TERMINAL,
    TaskState,
    advance,
    channel_delay_ms,
    expire,
    fail,
    poll_delay_ms,
)

OPENED = TaskState(status="SUBMITTED", progress=0, billing_state="settled", deadline_ms=1000, submit_ms=0)
readings = st.builds(
    Reading,
    upstream_id=st.just("x"),
    status=st.sampled_from([None, "SUBMITTED", "IN_PROGRESS", "SUCCESS", "FAILURE", "CANCELLED", "WEIRD"]),
    progress=st.none() | st.integers(0, 100),
    fail_reason=st.none() | st.just("no"),
)


def apply(task: TaskState, change) -> TaskState:
    after = MONEY_MOVES[change.money][1] if change.money else task.billing_state
    progress = task.progress if change.progress is None else change.progress
    return TaskState(status=change.status or task.status, progress=progress, billing_state=after,
                     deadline_ms=task.deadline_ms, submit_ms=task.submit_ms)  # fmt: skip


@given(st.lists(st.tuples(readings, st.integers(0, 2000)), max_size=30), st.sampled_from(["none", "held", "settled"]))
def test_money_returns_once_and_only_for_a_failure(events, billing_state):
    task = TaskState(status="SUBMITTED", progress=0, billing_state=billing_state, deadline_ms=1000, submit_ms=0)
    moves = []
    for reading, now_ms in events:
        change = advance(task, reading, now_ms)
        if change is None:
            continue
        after = apply(task, change)
        assert after.progress >= task.progress
        assert task.status not in TERMINAL or after.status == task.status
        moves += [change.money] if change.money else []
        task = after
    lost = task.status in TERMINAL and task.status != "SUCCESS"
    assert moves == ({"held": ["release"], "settled": ["refund"], "none": []}[billing_state] if lost else [])


def test_a_forged_reading_of_a_finished_task_changes_nothing():  # D-1
    done = TaskState(status="SUCCESS", progress=100, billing_state="settled", deadline_ms=10, submit_ms=0)
    assert advance(done, Reading(upstream_id="x", status="FAILURE", progress=0, fail_reason="no"), 10**15) is None
    assert fail(done, "channel gone", 5) is None and expire(done, 10**15) is None


def test_success_after_expiry_is_kept_and_not_charged_again():
    late = TaskState(status="EXPIRED", progress=100, billing_state="refunded", deadline_ms=10, submit_ms=0)
    change = advance(late, Reading(upstream_id="x", status="SUCCESS", image_url="u"), 20)
    assert change.late_success and change.money == "" and change.status is None


def test_a_task_that_the_upstream_forgot_is_refunded_by_its_deadline():  # D-8, D-10
    assert expire(OPENED, 999) is None
    assert (expire(OPENED, 1000).status, expire(OPENED, 1000).money) == ("EXPIRED", "refund")
    assert fail(OPENED, "channel deleted", 1).money == "refund"


def test_hundred_percent_belongs_to_the_end():
    assert advance(OPENED, Reading(upstream_id="x", status="IN_PROGRESS", progress=100), 1).progress == 99


def test_delays_grow_and_are_bounded():
    assert poll_delay_ms(0, 0.5) == 3000 and poll_delay_ms(99, 0.999) <= DELAY_MS_MAX * 1.2
    assert channel_delay_ms(1, 1.0) == 5000 and channel_delay_ms(50, 1.0) == 300_000
