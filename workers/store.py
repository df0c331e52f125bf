"""The SQL side of settlement: one transaction moves the cursors and applies a batch. What all databases share.

Each database has its own driver-level writer (`store_sqlite`, `store_postgres`, `store_mysql`): through the ORM the same
batch costs several times the CPU.
"""

# ruff: noqa: S608  # statements are made of constants

import time
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import func, insert, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from schema.tables import LedgerEntry, Log, SettleCursor, User
from workers.batch import HOURLY_KEY, HOURLY_SUMS, LEDGER_COLUMNS, REAPED, REST, Batch, Known, Reference
from workers.records import LOG_COLUMNS

APPLY_S_MAX = 20.0  # then the connection counts as half-open and is thrown away; a batch takes some tenths
LOOKUP_MAX = 400  # references per SELECT: SQLite takes 999 variables on old builds, two each


class CursorMoved(Exception):
    """Another settler applied these records first: read on from the stored positions."""


class Duplicate(Exception):
    """The ledger has one of these entries already: look all of them up and build the batch again."""


class Content(Struct, frozen=True):
    """What a store writes: money (ledger, balances, roll-ups), rows of `logs`, or both in one transaction."""

    money: bool = True
    logs: bool = True


class Statements:
    """The SQL texts of one dialect. `mark(n)` is its n-th placeholder, counted from 1."""

    def __init__(self, dialect: str) -> None:
        quote = "`" if dialect == "mysql" else '"'
        self._numbered = dialect == "postgresql"
        self._mark = "?" if dialect == "sqlite" else "%s"

        def name(text: str) -> str:
            return f"{quote}{text}{quote}"

        mark, self.name = self.mark, name
        self.move_cursor = (
            f"UPDATE mx_settle_cursors SET {name('position')} = {mark(1)}, moved_ms = {mark(2)}"
            f" WHERE {name('partition')} = {mark(3)} AND {name('position')} = {mark(4)}"
        )
        self.insert_ledger = self._insert("mx_ledger_entries", LEDGER_COLUMNS)
        self.insert_log = self._insert("logs", LOG_COLUMNS)
        self.update_user = (
            f"UPDATE users SET quota = quota - {mark(1)}, used_quota = used_quota + {mark(2)},"
            f" request_count = request_count + {mark(3)} WHERE id = {mark(4)}"
        )
        self.update_token = (
            f"UPDATE tokens SET remain_quota = remain_quota - {mark(1)}, used_quota = used_quota + {mark(2)},"
            f" accessed_time = {mark(3)} WHERE id = {mark(4)}"
        )
        self.update_channel = f"UPDATE channels SET used_quota = used_quota + {mark(1)} WHERE id = {mark(2)}"
        self.find_cell = f"SELECT min(id) FROM quota_data WHERE user_id = {mark(1)} AND model_name = {mark(2)} AND created_at = {mark(3)}"
        self.insert_cell = self._insert(
            "quota_data", ("user_id", "username", "model_name", "created_at", "token_used", "count", "quota")
        )
        count = name("count")
        self.update_cell = (
            f"UPDATE quota_data SET token_used = token_used + {mark(1)}, {count} = {count} + {mark(2)},"
            f" quota = quota + {mark(3)} WHERE id = {mark(4)}"
        )
        self.insert_hour = self._insert("mx_usage_hourly", (*HOURLY_KEY, *HOURLY_SUMS)) + self._on_conflict(dialect)

    def mark(self, number: int) -> str:
        return f"${number}" if self._numbered else self._mark

    def _insert(self, table: str, columns: Sequence[str]) -> str:
        names = ", ".join(map(self.name, columns))
        marks = ", ".join(self.mark(number) for number in range(1, len(columns) + 1))
        return f"INSERT INTO {table} ({names}) VALUES ({marks})"

    def _on_conflict(self, dialect: str) -> str:
        def total(column: str) -> str:
            old, new = (
                (self.name(column), f"VALUES({self.name(column)})")
                if dialect == "mysql"
                else (f"mx_usage_hourly.{self.name(column)}", f"excluded.{self.name(column)}")
            )
            if not column.endswith("_max"):
                return f"{self.name(column)} = {old} + {new}"
            larger = "max" if dialect == "sqlite" else "greatest"
            return f"{self.name(column)} = {larger}({old}, {new})"

        sums = ", ".join(map(total, HOURLY_SUMS))
        if dialect == "mysql":
            return f" ON DUPLICATE KEY UPDATE {sums}"
        return f" ON CONFLICT ({', '.join(map(self.name, HOURLY_KEY))}) DO UPDATE SET {sums}"


class Rows(Struct, frozen=True):
    """A batch as parameter rows, sorted by key so that two settlers never lock in opposite order."""

    cursors: list[tuple[Any, ...]]  # new, now, partition, old
    users: list[tuple[int, int, int, int]]  # quota, quota, requests, id
    tokens: list[tuple[int, int, int, int]]  # limited quota, used quota, s, id
    channels: list[tuple[int, int]]
    hours: list[tuple[Any, ...]]


def make_rows(batch: Batch) -> Rows:
    now_ms = time.time_ns() // 1_000_000
    return Rows(
        cursors=[(part.last, now_ms, part.partition, part.after) for part in batch.slices],
        users=[(quota, quota, calls, user_id) for user_id, (quota, calls) in sorted(batch.users.items())],
        tokens=[
            (limited, used, last_s, token_id) for token_id, (limited, used, last_s) in sorted(batch.tokens.items())
        ],
        channels=[(quota, channel_id) for channel_id, quota in sorted(batch.channels.items())],
        hours=[(*key, *[getattr(cell, name) for name in HOURLY_SUMS]) for key, cell in sorted(batch.hours.items())],
    )


class Cells:
    """Ids of the rows of `quota_data` that are being added to: the table has no unique key on adopted databases."""

    CELLS_MAX = 50_000
    FORGET_S = 60.0  # rows may be rebuilt by a command meanwhile

    def __init__(self) -> None:
        self.ids: dict[tuple[int, str, int], int] = {}
        self._since_s = time.monotonic()

    def remember(self, found: dict[tuple[int, str, int], int]) -> None:
        """Only after the commit: the rows of a transaction that was rolled back do not exist."""
        if len(self.ids) > self.CELLS_MAX or time.monotonic() - self._since_s > self.FORGET_S:
            self.ids, self._since_s = {}, time.monotonic()
        self.ids.update(found)


class Store:
    """Reads that settlement needs, in SQLAlchemy; `apply` is the dialect's own."""

    def __init__(self, engine: AsyncEngine, content: Content) -> None:
        self.engine = engine
        self.content = content
        self.cells = Cells()

    async def apply(self, batch: Batch) -> None:
        """One transaction. Raises CursorMoved, Duplicate, or what the driver raises; then nothing was written."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close what is not the engine's."""

    async def positions(self, partitions: Iterable[int]) -> dict[int, str]:
        """Stored positions; a partition that never settled starts at 0-0."""
        wanted = list(partitions)
        async with self.engine.connect() as db:
            rows = (
                await db.execute(
                    select(SettleCursor.partition, SettleCursor.position).where(SettleCursor.partition.in_(wanted))
                )
            ).all()
        found = {partition: str(position) for partition, position in rows}
        for partition in wanted:
            if partition not in found:
                try:
                    async with self.engine.begin() as db:
                        await db.execute(insert(SettleCursor).values(partition=partition, position="0-0", moved_ms=0))
                    found[partition] = "0-0"
                except IntegrityError:  # another worker was quicker
                    found.update(await self.positions([partition]))
        return found

    async def find_known(self, references: list[Reference]) -> dict[Reference, Known]:
        """Which of these the ledger has; a database of logs alone answers by its rows."""
        if not self.content.money:
            return await self._find_logged(references)
        known: dict[Reference, Known] = {}
        async with self.engine.connect() as db:
            for start in range(0, len(references), LOOKUP_MAX):
                part = references[start : start + LOOKUP_MAX]
                rows = await db.execute(
                    select(LedgerEntry.kind, LedgerEntry.reference, LedgerEntry.delta, LedgerEntry.reason).where(
                        tuple_(LedgerEntry.kind, LedgerEntry.reference).in_(part)
                    )
                )
                known.update({(row.kind, row.reference): Known(row.delta, row.reason) for row in rows})
        return known

    async def _find_logged(self, references: list[Reference]) -> dict[Reference, Known]:
        """By request id and sum: a row of less than the record's quota was a reaped checkpoint, and the rest is missing."""
        wanted = sorted({reference for _, reference in references})
        quota_of: dict[str, int] = {}
        async with self.engine.connect() as db:
            for start in range(0, len(wanted), LOOKUP_MAX):
                rows = await db.execute(
                    select(Log.request_id, func.sum(Log.quota))
                    .where(Log.request_id.in_(wanted[start : start + LOOKUP_MAX]))
                    .group_by(Log.request_id)
                )
                quota_of.update({str(request_id): int(quota or 0) for request_id, quota in rows})
        return {
            (kind, reference): Known(-quota_of[reference], REAPED)
            for kind, reference in references
            if reference in quota_of and kind != REST
        }

    async def balances(self, user_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Quota and settings of these users."""
        found: dict[int, tuple[int, str]] = {}
        async with self.engine.connect() as db:
            for start in range(0, len(user_ids), LOOKUP_MAX):
                rows = await db.execute(
                    select(User.id, User.quota, User.setting).where(User.id.in_(user_ids[start : start + LOOKUP_MAX]))
                )
                found.update({user_id: (quota or 0, setting or "") for user_id, quota, setting in rows})
        return found


def make_store(engine: AsyncEngine, content: Content) -> Store:
    """The writer for this database."""
    from workers.store_mysql import MySqlStore
    from workers.store_postgres import PostgresStore
    from workers.store_sqlite import SqliteStore

    kinds: dict[str, type[Store]] = {"sqlite": SqliteStore, "postgresql": PostgresStore}
    return kinds.get(engine.dialect.name, MySqlStore)(engine, content)
