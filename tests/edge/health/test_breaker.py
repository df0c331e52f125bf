"""The breaker's life: opened by failures in a row or by their share, tried again at growing intervals, closed by a success."""

import pytest

from edge.health.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Rules
from edge.health.recent import Recent

RULES = Rules(in_a_row=3, share=0.5, open_s=5, open_s_max=30)


def failed(breaker, times, now=0.0):
    for _ in range(times):
        breaker.failure(now, "server", RULES)


def test_failures_in_a_row_open_it_and_a_success_between_does_not():
    breaker = Breaker(0)
    failed(breaker, 2)
    breaker.success(0)
    failed(breaker, 2)
    assert breaker.state == CLOSED and breaker.blocked(0) == 0
    failed(breaker, 1)
    assert breaker.state == OPEN and breaker.blocked(0) == 2


def test_a_share_of_failures_opens_it():
    breaker = Breaker(0)
    rules = Rules(in_a_row=1000, share=0.5)
    for _ in range(5):
        breaker.failure(0, "server", rules)
        breaker.success(0)
    assert breaker.state == CLOSED
    breaker.failure(0, "server", rules)
    assert breaker.state == OPEN


def test_half_open_lets_one_call_try():
    breaker = Breaker(0)
    failed(breaker, 3)
    assert not breaker.advance(4.9) and breaker.advance(5.0)
    assert breaker.state == HALF_OPEN and breaker.blocked(5) == 0
    assert breaker.begin(5) and breaker.blocked(5) == 2, "a second call keeps away"
    assert breaker.success(6) and breaker.state == CLOSED and breaker.blocked(6) == 0


def test_each_failed_trial_doubles_the_pause_up_to_a_bound_within_a_minute():
    breaker, now, pauses = Breaker(0), 0.0, []
    failed(breaker, 3)
    for _ in range(6):
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker.advance(now)
        breaker.begin(now)
        breaker.failure(now, "server", RULES)
    assert pauses == [5, 10, 20, 30, 30, 30]


def test_a_trial_that_never_ends_makes_room_for_another():
    breaker = Breaker(0)
    failed(breaker, 3)
    breaker.advance(5)
    breaker.begin(5)
    assert breaker.next_change() == pytest.approx(15)
    assert breaker.advance(15) and breaker.blocked(15) == 0


def test_a_cool_down_ends_by_itself_and_is_bounded():
    breaker = Breaker(0)
    breaker.cool(0, 9999)
    assert breaker.blocked(299) == 1
    assert breaker.advance(300) and breaker.blocked(300) == 0
    assert breaker.forgettable(301)


def test_switched_off_it_never_opens():
    breaker = Breaker(0)
    for _ in range(50):
        breaker.failure(0, "server", Rules(enabled=False))
    assert breaker.state == CLOSED


def test_the_rule_of_recent_results_waits_for_a_full_window_and_begins_anew():
    recent = Recent(10, 0.8)
    for _ in range(9):
        assert recent.note(1, good=False) is None, "the window is not full"
    assert recent.note(1, good=False) == 0
    assert recent.note(1, good=False) is None, "emptied"
    for good in (True, True, True, False, True, True, True, True, True, False):
        assert recent.note(2, good=good) is None, "eight of ten are enough"
    assert recent.note(2, good=False) == 0.7
