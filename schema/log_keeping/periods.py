"""Spans of the log's partitions: whole UTC months or days. Pure; times in Unix s."""

from datetime import UTC, datetime

from msgspec import Struct

GRAINS = ("month", "day")
AHEAD_S = 92 * 86_400  # partitions are made so far ahead, so that workers may be away for long
AHEAD_DAYS_S = 14 * 86_400


class Period(Struct, frozen=True):
    """[begin, end)."""

    name: str  # p2025_04, or p2025_04_11
    begin: int
    end: int


def period_of(at_s: int, grain: str) -> Period:
    """The one that holds a moment."""
    when = datetime.fromtimestamp(at_s, UTC)
    if grain == "day":
        begin = at_s - at_s % 86_400
        return Period(f"p{when:%Y_%m_%d}", begin, begin + 86_400)
    first = when.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return Period(f"p{when:%Y_%m}", int(first.timestamp()), int(after.timestamp()))


def periods(begin_s: int, end_s: int, grain: str) -> list[Period]:
    """Those that touch [begin_s, end_s), in order."""
    found: list[Period] = []
    at = begin_s
    while at < end_s:
        one = period_of(at, grain)
        found.append(one)
        at = one.end
    return found


def ahead_until(now_s: int, grain: str) -> int:
    return now_s + (AHEAD_DAYS_S if grain == "day" else AHEAD_S)
