"""Settlement into PostgreSQL: COPY for the rows, one statement per table for the sums."""

# ruff: noqa: S608  # statements are made of constants

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.ext.asyncio import AsyncEngine

from workers.batch import HOURLY_KEY, HOURLY_SUMS, LEDGER_COLUMNS, Batch
from workers.records import LOG_COLUMNS
from workers.store import APPLY_S_MAX, Content, CursorMoved, Duplicate, Rows, Statements, Store, make_rows

_USERS = (
    "UPDATE users SET quota = quota - d.q, used_quota = used_quota + d.q, request_count = request_count + d.n"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS d(id, q, n) WHERE users.id = d.id"
)
_TOKENS = (
    "UPDATE tokens SET remain_quota = remain_quota - d.l, used_quota = used_quota + d.q, accessed_time = d.s"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS d(id, l, q, s) WHERE tokens.id = d.id"
)
_CELL_IDS = (
    "SELECT d.n, (SELECT min(id) FROM quota_data q"
    " WHERE q.user_id = d.u AND q.model_name = d.m AND q.created_at = d.h)"
    " FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY AS d(u, m, h, n)"
)
_NEW_CELLS = (
    "INSERT INTO quota_data (user_id, username, model_name, created_at, token_used, count, quota)"
    " SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])"
    " RETURNING id, user_id, model_name, created_at"
)
_CELLS = (
    "UPDATE quota_data SET token_used = token_used + d.t, count = count + d.c, quota = quota_data.quota + d.q"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS d(id, t, c, q) WHERE quota_data.id = d.id"
)


class PostgresStore(Store):
    """Uses the driver's connection out of SQLAlchemy's pool; the transaction is the driver's own."""

    def __init__(self, engine: AsyncEngine, content: Content) -> None:
        super().__init__(engine, content)
        self._sql = Statements("postgresql")
        arrays = ", ".join(
            f"${number}::{'text' if name in ('model', 'group') else 'bigint'}[]"
            for number, name in enumerate((*HOURLY_KEY, *HOURLY_SUMS), 1)
        )
        marks = ", ".join(f"${number}" for number in range(1, len(HOURLY_KEY) + len(HOURLY_SUMS) + 1))
        self._hours = self._sql.insert_hour.replace(f"VALUES ({marks})", f"SELECT * FROM unnest({arrays})")

    async def apply(self, batch: Batch) -> None:
        rows = make_rows(batch)
        async with self.engine.connect() as pooled:
            db: Any = (await pooled.get_raw_connection()).driver_connection
            found: dict[tuple[int, str, int], int] = {}
            patience = asyncio.get_running_loop().call_later(
                APPLY_S_MAX, db.terminate
            )  # a cancelled command would wait
            try:
                async with db.transaction():
                    for row in rows.cursors:
                        if await db.execute(self._sql.move_cursor, *row) != "UPDATE 1":
                            raise CursorMoved(row[2])
                    if self.content.money:
                        found = await self._write_money(db, batch, rows)
                    if self.content.logs and (logs := batch.all_logs()):
                        await db.copy_records_to_table("logs", records=logs, columns=LOG_COLUMNS)
            except asyncpg.UniqueViolationError as error:
                raise Duplicate from error
            finally:
                patience.cancel()
        self.cells.remember(found)

    async def _write_money(self, db: Any, batch: Batch, rows: Rows) -> dict[tuple[int, str, int], int]:
        found: dict[tuple[int, str, int], int] = {}
        if ledger := batch.all_ledger():
            await db.copy_records_to_table("mx_ledger_entries", records=ledger, columns=LEDGER_COLUMNS)
            quotas, _, calls, ids = zip(*rows.users, strict=True)
            await db.execute(_USERS, ids, quotas, calls)
        if rows.tokens:
            limited, used, last_s, ids = zip(*rows.tokens, strict=True)
            await db.execute(_TOKENS, ids, limited, used, last_s)
        if batch.cells:
            found = await self._add_cells(db, batch)
        if rows.hours:
            await db.execute(self._hours, *zip(*rows.hours, strict=True))
        for row in rows.channels:  # shared by all partitions, so last and in order
            await db.execute(self._sql.update_channel, *row)
        return found

    async def _add_cells(self, db: Any, batch: Batch) -> dict[tuple[int, str, int], int]:
        found = {key: self.cells.ids[key] for key in batch.cells if key in self.cells.ids}
        missing = [key for key in batch.cells if key not in found]
        if missing:
            for number, row_id in await db.fetch(_CELL_IDS, *zip(*missing, strict=True)):
                if row_id is not None:
                    found[missing[number - 1]] = row_id
        known = sorted((row_id, *batch.cells[key][1:]) for key, row_id in found.items())
        if known:
            await db.execute(_CELLS, *zip(*known, strict=True))
        new = [
            (key[0], batch.cells[key][0], key[1], key[2], *batch.cells[key][1:]) for key in missing if key not in found
        ]
        if new:
            for row_id, user_id, model, hour in await db.fetch(_NEW_CELLS, *zip(*new, strict=True)):
                found[(user_id, model, hour)] = row_id
        return found
