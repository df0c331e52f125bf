"""What a channel's figures say of it: good, degraded, bad, idle or off."""

from collections.abc import Iterable

from schema.health import Cell

IDLE_CALLS, BAD, DEGRADED = 5, 0.9, 0.98  # calls below which nothing is said; shares of success
FAILED_IN_A_ROW = 5  # then a channel is bad, however good it was before
SLOW_FACTOR, SLOW_CALLS = 2, 20  # p95 above so many times its usual one, with at least so many answers


def state_of(status: int, cell: Cell, *, failed_in_a_row: int = 0, p95_ms: int | None, usual_p95_ms: int | None) -> str:
    """`cell`: of the whole window."""
    if status != 1:
        return "off"
    if cell.calls < IDLE_CALLS:
        return "idle"
    share = cell.ok / cell.calls
    if share < BAD or failed_in_a_row >= FAILED_IN_A_ROW:
        return "bad"
    return "degraded" if share < DEGRADED or is_slower(cell, p95_ms, usual_p95_ms) else "good"


def is_slower(cell: Cell, p95_ms: int | None, usual_p95_ms: int | None) -> bool:
    """Is the p95 of these answers far above what is usual? Never said of a few answers."""
    if p95_ms is None or usual_p95_ms is None or cell.ok < SLOW_CALLS:
        return False
    return p95_ms > SLOW_FACTOR * usual_p95_ms


def failed_since_success(cells: Iterable[tuple[int, Cell]]) -> int:
    """Failures after the last success, for certain: those of spans that began later. `cells`: with the begin of each, Unix s."""
    held = list(cells)
    last_ok_s = max((cell.last_ok_s for _, cell in held), default=0)
    return sum(cell.failed for at, cell in held if at > last_ok_s)
