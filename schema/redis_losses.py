"""What Redis was found to have lost: each time an entry of the audit, with the span and the bound of what the books may lack.

Workers write them (workers.redis_memory); `medusa reconcile` and the console show them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema.tables import AuditEntry

log = structlog.get_logger(__name__)

EMPTIED, REWOUND, RESTARTED = "redis.emptied", "redis.rewound", "redis.restarted"  # actions of the audit
SHOWN_MAX = 20  # losses, the newest
RESTARTS_MAX = 5  # restarts among them: there may be many
_SAID = {EMPTIED: "had lost its memory", REWOUND: "had lost its last writes", RESTARTED: "was restarted or replaced"}


class RedisLoss(Struct, frozen=True, kw_only=True):
    """Calls that ended from `since` to `noticed`, or were open then, may be missing in the books. ISO times, UTC, of Redis' clock.

    Only what no edge sent again is missing: an edge that lives sends the last five seconds, and ends its open calls as ever.
    """

    partitions: str  # 0-15 or 1,4
    since: str  # every call that ended before is in the books
    seen: str  # the last look at Redis with its memory whole
    noticed: str
    waiting: int  # records in the stream at one of the last looks that SQL did not have yet
    waiting_quota: int
    waiting_more: bool = False  # there were more than could be counted
    open: int  # holds then
    held: int  # their quota


class Found(Struct, frozen=True):
    """One of them, as the audit keeps it."""

    action: str
    loss: RedisLoss

    def __str__(self) -> str:
        loss = self.loss
        more = "more than " if loss.waiting_more else ""
        return (
            f"Redis {_SAID[self.action]}, noticed at {loss.noticed} (partitions {loss.partitions}): calls that ended from {loss.since} on may be"
            f" missing in the books. When last seen whole, at {loss.seen}, {more}{loss.waiting} records waited"
            f" ({more}{loss.waiting_quota} quota) and {loss.open} calls were open ({loss.held} quota held); what edges that"
            " lived on sent again is in the books"
        )


def write_time(at_ms: int) -> str:
    """2026-11-27T18:00:03.250Z."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_partitions(partitions: Sequence[int]) -> str:
    """Runs of numbers: 0-3,7."""
    runs: list[list[int]] = []
    for one in sorted(partitions):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


async def write_loss(db: AsyncConnection, action: str, loss: RedisLoss, at_ms: int) -> None:
    """In the transaction that notes the new state of the server."""
    detail = msgspec.json.encode(loss).decode()
    entry = {
        "at_ms": at_ms,
        "actor": "system",
        "action": action,
        "subject": "redis",
        "subject_id": loss.partitions[:191],
    }
    await db.execute(insert(AuditEntry).values(**entry, detail=detail))


async def read_losses(engine: AsyncEngine) -> list[Found]:
    """The newest first."""
    columns = (AuditEntry.id, AuditEntry.action, AuditEntry.detail)
    rows: list[Any] = []
    async with engine.connect() as db:
        for actions, count_max in (((EMPTIED, REWOUND), SHOWN_MAX), ((RESTARTED,), RESTARTS_MAX)):
            wanted = select(*columns).where(AuditEntry.subject == "redis", AuditEntry.action.in_(actions))
            rows += (await db.execute(wanted.order_by(AuditEntry.id.desc()).limit(count_max))).all()
    found = []
    for _, action, detail in sorted(rows, key=lambda row: -row[0]):
        try:
            found.append(Found(action, msgspec.json.decode(detail or "", type=RedisLoss)))
        except msgspec.MsgspecError as error:
            log.warning("loss_unreadable", action=action, error=str(error))
    return found
