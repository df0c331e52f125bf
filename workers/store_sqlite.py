"""Settlement into SQLite: one thread, one connection, one function per batch; no hop per statement."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from workers.batch import Batch
from workers.store import Content, CursorMoved, Duplicate, Statements, Store, make_rows

BUSY_TIMEOUT_MS = 10_000  # how long to wait for the console's write lock


class SqliteStore(Store):
    """Write-ahead log with synchronous=NORMAL: a power cut may undo the last transactions, cursor and effects together,
    and the stream keeps what is younger than a minute: it is applied again."""

    def __init__(self, engine: AsyncEngine, content: Content) -> None:
        super().__init__(engine, content)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="settle")
        self._db: sqlite3.Connection | None = None
        self._sql = Statements("sqlite")

    async def apply(self, batch: Batch) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._apply, batch)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(str(self.engine.url.database), isolation_level=None)
        for name, value in (
            ("busy_timeout", BUSY_TIMEOUT_MS),
            ("journal_mode", "WAL"),
            ("synchronous", "NORMAL"),
            ("cache_size", -32768),
            ("temp_store", "MEMORY"),
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
                db.executemany(sql.insert_ledger, batch.ledger)
                db.executemany(sql.update_user, rows.users)
                db.executemany(sql.update_token, rows.tokens)
                found = self._add_cells(db, batch)
                db.executemany(sql.insert_hour, rows.hours)
                db.executemany(sql.update_channel, rows.channels)
            if self.content.logs:
                db.executemany(sql.insert_log, batch.logs)
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
