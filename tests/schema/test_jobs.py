"""When a job runs next, told from a plan that may be a minute old."""

import pytest

from schema.jobs import JobPlan


@pytest.mark.parametrize(
    ("plan", "now_ms", "expected"),
    [
        (JobPlan("a", every_s=5, next_ms=10_000), 9_000, 10_000),
        (JobPlan("a", every_s=5, next_ms=10_000), 10_000, 10_000),
        (JobPlan("a", every_s=5, next_ms=10_000), 10_001, 15_000),
        (JobPlan("a", every_s=5, next_ms=10_000), 47_000, 50_000),
        (JobPlan("a", daily="03:30", next_ms=10_000), 11_000, 86_410_000),
        (JobPlan("a"), 11_000, 0),
    ],
)
def test_next_start_is_never_past(plan: JobPlan, now_ms: int, expected: int) -> None:
    assert plan.next_after(now_ms) == expected
