"""Months and days follow each other without a gap, over the turn of a year as well."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from schema.log_keeping.periods import ahead_until, period_of, periods


def at(*date):
    return int(datetime(*date, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("moment", "grain", "name", "begin", "end"),
    [
        (at(2025, 4, 11, 13), "month", "p2025_04", at(2025, 4, 1), at(2025, 5, 1)),
        (at(2025, 12, 31, 23, 59, 59), "month", "p2025_12", at(2025, 12, 1), at(2026, 1, 1)),
        (at(2024, 2, 29), "day", "p2024_02_29", at(2024, 2, 29), at(2024, 3, 1)),
        (0, "month", "p1970_01", 0, at(1970, 2, 1)),
    ],
)
def test_period_of(moment, grain, name, begin, end):
    one = period_of(moment, grain)
    assert (one.name, one.begin, one.end) == (name, begin, end)


@pytest.mark.parametrize("grain", ["month", "day"])
def test_no_gap(grain):
    start = at(2024, 11, 20)
    found = periods(start, at(2025, 4, 2), grain)
    assert found[0].begin <= start and found[-1].end >= at(2025, 4, 2)
    assert all(a.end == b.begin for a, b in pairwise(found))
    assert periods(5, 5, grain) == [] and ahead_until(0, grain) > 7 * 86_400
