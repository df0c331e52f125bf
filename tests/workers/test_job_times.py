"""When scheduled jobs run: shifted slots, the same on every worker, none left out."""

import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from arq.cron import next_cron
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from workers.jobs import find_jobs
from workers.jobs.job import SHIFT, Job, _schedule, next_run, next_slot, renew_plans, shift_of, to_cron

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
INTERVALS = [2, 5, 60, 600, 3600, 6 * 3600]


async def _nothing(ctx: dict[str, object]) -> None: ...


def _job(every_s: int = 0, name: str = "sweep", daily: tuple[int, int] | None = None) -> Job:
    return Job(name=name, run=_nothing, timeout_s=10, every_s=every_s, daily=daily)


def _runs(job: Job, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    for _ in range(count):
        after = next_run(job, after)
        found.append(after)
    return found


@pytest.mark.parametrize("every_s", INTERVALS)
def test_each_slot_runs_once_and_about_an_interval_after_the_one_before(every_s: int) -> None:
    runs = _runs(_job(every_s), NOON, 60)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(runs)]
    assert all(0.9 * every_s - 0.002 <= gap <= 1.1 * every_s + 0.002 for gap in gaps), (min(gaps), max(gaps))
    assert max(gaps) - min(gaps) > 0.08 * every_s  # it does vary
    assert runs[-1] - NOON < timedelta(seconds=every_s * (60 + 1))


@pytest.mark.parametrize("every_s", INTERVALS)
def test_a_worker_that_joins_at_any_moment_agrees(every_s: int) -> None:
    job = _job(every_s)
    runs = _runs(job, NOON, 40)
    for step in range(1, 60):
        moment = NOON + timedelta(seconds=every_s * 30 * step / 60)
        assert next_run(job, moment) == min(run for run in runs if run > moment), moment
    far = timezone(timedelta(hours=6))  # the grid of hours is the same there for all intervals above
    assert next_run(job, NOON.astimezone(far)) == runs[0]


def test_jobs_are_shifted_apart_and_a_time_of_day_is_kept() -> None:
    shifts = {shift_of(_job(600, name), NOON) for name in ("reconcile", "expire_orders", "usage_totals")}
    assert len(shifts) == 3
    assert all(abs(shift.total_seconds()) <= SHIFT * 600 for shift in shifts)
    assert next_run(_job(daily=(3, 30)), NOON) == NOON.replace(hour=3, minute=30) + timedelta(days=1)


def test_arq_enqueues_at_the_shifted_time() -> None:
    for job in find_jobs():
        scheduled = to_cron(job)
        assert (scheduled is None) == (not job.every_s and job.daily is None)
        if scheduled is not None:
            scheduled.calculate_next(NOON)
            assert scheduled.next_run == next_run(job, NOON)
            assert scheduled.name == f"cron:{job.name}" and scheduled.unique
            assert scheduled.job_id is None  # then arq names the run by job and time


def test_the_shown_next_run_moves_on_once_it_has_begun() -> None:
    jobs = [_job(60), _job(3600, "hourly"), _job(name="asked_for")]
    now_ms = int(time.time() * 1000)
    first = renew_plans(jobs, {}, now_ms)
    assert now_ms < first["sweep"].next_ms <= now_ms + 64_000 and first["asked_for"].next_ms == 0
    assert renew_plans(jobs, first, now_ms) == first
    begun = first | {"sweep": replace(first["sweep"], next_ms=now_ms - 1)}
    assert renew_plans(jobs, begun, now_ms)["sweep"].next_ms > now_ms


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 3, 2), timezones=st.sampled_from([UTC, timezone(timedelta(hours=5.5))])),
    st.sampled_from([_job(every_s) for every_s in (1, 30, 1800, *INTERVALS)] + [_job(daily=(0, 0)), _job(daily=(3, 30))]),
)  # fmt: skip
def test_slots_are_those_of_arq(after: datetime, job: Job) -> None:
    assert next_slot(job, after) == next_cron(after, **_schedule(job))
