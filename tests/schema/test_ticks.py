"""Timers of one period fall on the same moments, whenever they were set, and never twice on one."""

import pytest

from schema.ticks import EARLY, until_tick


@pytest.mark.parametrize("period_s", [0.25, 0.5, 1.0, 2.0])
def test_every_timer_falls_on_a_multiple(period_s: float) -> None:
    for step in range(1_000):
        now_s = 86_400 + step * period_s / 333
        waited_s = until_tick(period_s, now_s)
        assert EARLY * period_s <= waited_s <= (1 + EARLY) * period_s
        assert (now_s + waited_s) / period_s == pytest.approx(round((now_s + waited_s) / period_s), abs=1e-6)


def test_a_timer_that_fired_a_little_early_waits_a_whole_period() -> None:
    assert until_tick(1.0, 9.999) == pytest.approx(1.001)
    assert until_tick(1.0, 10.0) == 1.0
