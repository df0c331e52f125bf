"""Settlement into MySQL and MariaDB: bulk INSERTs, and one UPDATE per row of the sums."""

import asyncio
from typing import Any

import pymysql.err  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.ext.asyncio import AsyncEngine

from workers.batch import Batch
from workers.store import APPLY_S_MAX, Content, CursorMoved, Duplicate, Statements, Store, make_rows

_DUPLICATE_KEY = 1062  # Source: MySQL server error reference, ER_DUP_ENTRY


class MySqlStore(Store):
    """Uses the driver's connection out of SQLAlchemy's pool."""

    def __init__(self, engine: AsyncEngine, content: Content) -> None:
        super().__init__(engine, content)
        self._sql = Statements("mysql")

    async def apply(self, batch: Batch) -> None:
        async with self.engine.connect() as pooled:
            db: Any = (await pooled.get_raw_connection()).driver_connection
            patience = asyncio.get_running_loop().call_later(APPLY_S_MAX, db.close)
            try:
                await db.begin()
                async with db.cursor() as cursor:
                    found = await self._write(cursor, batch)
                await db.commit()
            except pymysql.err.IntegrityError as error:
                await db.rollback()
                if error.args[0] == _DUPLICATE_KEY:
                    raise Duplicate from error
                raise
            except CursorMoved:
                await db.rollback()
                raise
            finally:
                patience.cancel()
        self.cells.remember(found)

    async def _write(self, cursor: Any, batch: Batch) -> dict[tuple[int, str, int], int]:
        sql, rows = self._sql, make_rows(batch)
        found: dict[tuple[int, str, int], int] = {}
        for row in rows.cursors:
            if await cursor.execute(sql.move_cursor, row) != 1:
                raise CursorMoved(row[2])
        if self.content.money:
            if ledger := batch.all_ledger():
                await cursor.executemany(sql.insert_ledger, ledger)
            for statement, parameters in (
                (sql.update_user, rows.users),
                (sql.update_token, rows.tokens),
            ):
                for row in parameters:
                    await cursor.execute(statement, row)
            found = await self._add_cells(cursor, batch)
            if rows.hours:
                await cursor.executemany(sql.insert_hour, rows.hours)
            for row in rows.channels:
                await cursor.execute(sql.update_channel, row)
        if self.content.logs and (logs := batch.all_logs()):
            await cursor.executemany(sql.insert_log, logs)
        return found

    async def _add_cells(self, cursor: Any, batch: Batch) -> dict[tuple[int, str, int], int]:
        found: dict[tuple[int, str, int], int] = {}
        for key, (username, tokens, count, quota) in sorted(batch.cells.items()):
            row_id = self.cells.ids.get(key)
            if row_id is None:
                await cursor.execute(self._sql.find_cell, key)
                row_id = (await cursor.fetchone())[0]
            if row_id is None:
                user_id, model, hour = key
                await cursor.execute(self._sql.insert_cell, (user_id, username, model, hour, tokens, count, quota))
                row_id = cursor.lastrowid
            else:
                await cursor.execute(self._sql.update_cell, (tokens, count, quota, row_id))
            found[key] = row_id
        return found
