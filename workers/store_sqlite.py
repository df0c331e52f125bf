"""Settlement into SQLite: one thread, one connection, one function per batch; no hop per statement."""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from workers.batch import LEDGER_KIND, LEDGER_OWN, LEDGER_SHARED, Batch
from workers.records import LOG_OWN, LOG_ROUTE, LOG_SHARED
from workers.store import Content, CursorMoved, Duplicate, Statements, Store, make_rows

Row = tuple[Any, ...]

BUSY_TIMEOUT_MS = 10_000  # how long to wait for the console's write lock
LINE_ROWS = 80  # rows per INSERT where they have most values in common: with one row each, a third dearer
MANY = (40, 8)  # where they have less in common, or nothing: more do not pay, and old builds take 999 variables
CHECKPOINT_PAGES = 4_000  # 16 MB: most pages change several times before they are copied from the log into the file
LOOKUP_ROWS = 50  # users per SELECT: one statement, however many there are
_BALANCES = f"SELECT id, quota, setting FROM users WHERE id IN ({', '.join('?' * LOOKUP_ROWS)})"  # noqa: S608  # constants


def insert_rows(table: str, shared: Sequence[str], own: Sequence[str], count: int) -> str:
    """An INSERT of so many rows; what they share is bound once, before the values of each."""
    names = ", ".join([f'"{name}"' for name in (*shared, *own)])
    fixed, first = [f"?{number + 1}" for number in range(len(shared))], len(shared) + 1
    rows = [
        ", ".join([*fixed, *[f"?{first + row * len(own) + column}" for column in range(len(own))]])
        for row in range(count)
    ]
    return f"INSERT INTO {table} ({names}) VALUES " + ", ".join([f"({row})" for row in rows])  # noqa: S608  # constants


class Insert:
    """INSERTs into one table, many rows at once: those of a line where it has many, else those of lines that differ in the
    account alone, else any."""

    def __init__(self, table: str, common: Sequence[str], shared: Sequence[str], own: Sequence[str]) -> None:
        """
        Args:
            shared: columns that the rows of a line have in common.
            common: the first of these, which other accounts may have in common with it.
        """
        self._commons = len(common)
        self._line = insert_rows(table, shared, own, LINE_ROWS)
        self._lines = [(count, insert_rows(table, common, (*shared, *own)[len(common) :], count)) for count in MANY]
        self._rows = [(count, insert_rows(table, (), (*shared, *own), count)) for count in MANY]
        self._one = insert_rows(table, (), (*shared, *own), 1)

    def run(self, db: sqlite3.Connection, lines: Iterable[tuple[Row, list[Row]]], rows: list[Row]) -> None:
        """
        Args:
            lines: values that rows have in common, and those of their own.
            rows: whole ones.
        """
        alike: dict[Row, list[Row]] = {}  # common values -> the others
        rest, commons = list(rows), self._commons
        for shared, owns in lines:
            at = 0
            while len(owns) - at >= LINE_ROWS:
                db.execute(self._line, (*shared, *chain.from_iterable(owns[at : at + LINE_ROWS])))
                at += LINE_ROWS
            if at < len(owns):
                account = shared[commons:]
                alike.setdefault(shared[:commons], []).extend([account + own for own in owns[at:]])
        for common, others in alike.items():
            rest += [common + other for other in _insert(db, self._lines, common, others)]
        db.executemany(self._one, _insert(db, self._rows, (), rest))


def _insert(db: sqlite3.Connection, statements: list[tuple[int, str]], shared: Row, owns: list[Row]) -> list[Row]:
    """`statements`: for ever fewer rows. Returns those that are too few for any."""
    at = 0
    for count, sql in statements:
        while len(owns) - at >= count:
            db.execute(sql, (*shared, *chain.from_iterable(owns[at : at + count])))
            at += count
    return owns[at:]


class SqliteStore(Store):
    """Write-ahead log with synchronous=NORMAL: a power cut may undo the last transactions, cursor and effects together,
    and the stream keeps what is younger than a minute: it is applied again."""

    def __init__(self, engine: AsyncEngine, content: Content) -> None:
        super().__init__(engine, content)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="settle")
        self._db: sqlite3.Connection | None = None
        self._sql = Statements("sqlite")
        self._insert_ledger = Insert("mx_ledger_entries", LEDGER_KIND, LEDGER_SHARED, LEDGER_OWN)
        self._insert_log = Insert("logs", LOG_ROUTE, LOG_SHARED, LOG_OWN)

    async def apply(self, batch: Batch) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._apply, batch)

    async def balances(self, user_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
        """On the settler's own connection: through the engine's the question costs as much as a hundred records."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._balances, user_ids)

    def _balances(self, user_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
        if self._db is None:
            self._db = self._open()
        found: dict[int, tuple[int, str]] = {}
        for start in range(0, len(user_ids), LOOKUP_ROWS):
            wanted = user_ids[start : start + LOOKUP_ROWS]
            rows = self._db.execute(_BALANCES, (*wanted, *[None] * (LOOKUP_ROWS - len(wanted))))
            found.update({user_id: (quota or 0, setting or "") for user_id, quota, setting in rows})
        return found

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(str(self.engine.url.database), isolation_level=None)
        for name, value in (
            ("busy_timeout", BUSY_TIMEOUT_MS),
            ("journal_mode", "WAL"),
            ("synchronous", "NORMAL"),
            ("cache_size", -32768),
            ("temp_store", "MEMORY"),
            ("wal_autocheckpoint", CHECKPOINT_PAGES),
        ):
            db.execute(f"PRAGMA {name} = {value}")
        return db

    def _apply(self, batch: Batch) -> None:
        if self._db is None:
            self._db = self._open()
        db, sql, rows = self._db, self._sql, make_rows(batch)
        db.execute("BEGIN IMMEDIATE")
        try:
            for row in rows.cursors:
                if db.execute(sql.move_cursor, row).rowcount != 1:
                    raise CursorMoved(row[2])
            found: dict[tuple[int, str, int], int] = {}
            if self.content.money:
                self._insert_ledger.run(db, [(line.ledger_shared, line.ledger) for line in batch.lines], batch.ledger)
                db.executemany(sql.update_user, rows.users)
                db.executemany(sql.update_token, rows.tokens)
                found = self._add_cells(db, batch)
                db.executemany(sql.insert_hour, rows.hours)
                db.executemany(sql.update_channel, rows.channels)
            if self.content.logs:
                self._insert_log.run(db, [(line.log_shared, line.logs) for line in batch.lines], batch.logs)
            db.execute("COMMIT")
        except BaseException as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if isinstance(error, sqlite3.IntegrityError):
                raise Duplicate from error
            raise
        self.cells.remember(found)

    def _add_cells(self, db: sqlite3.Connection, batch: Batch) -> dict[tuple[int, str, int], int]:
        updates: list[tuple[Any, ...]] = []
        found: dict[tuple[int, str, int], int] = {}
        for key, (username, tokens, count, quota) in batch.cells.items():
            row_id = self.cells.ids.get(key)
            if row_id is None:
                row_id = db.execute(self._sql.find_cell, key).fetchone()[0]
            if row_id is None:
                user_id, model, hour = key
                row = (user_id, username, model, hour, tokens, count, quota)
                found[key] = int(db.execute(self._sql.insert_cell, row).lastrowid or 0)
            else:
                found[key] = row_id
                updates.append((tokens, count, quota, row_id))
        db.executemany(self._sql.update_cell, updates)
        return found

    async def close(self) -> None:
        db = self._db
        if db is not None:
            self._db = None
            await asyncio.get_running_loop().run_in_executor(self._thread, db.close)
        self._thread.shutdown()
