"""A user and his books for tests: SQLite with the real tables, a real Valkey, and records as the edge writes them."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis.asyncio
from sqlalchemy import insert, select

from schema.database import Engine, make_engine
from schema.ledger.connection import Execute, over_redis_py
from schema.ledger.hot import HotLedger
from schema.ledger.truth import make_truth_reader
from schema.migrate import migrate
from schema.quota import Quota
from schema.tables import Channel, LedgerEntry, Token, User
from schema.usage import VERSION, PriceRecord, TokenUsage, UsageRecord, read_record, records_in

PARTITIONS = 4
PRICE = PriceRecord(
    per_call=False,
    model_ratio=Decimal("0.075"),
    completion_ratio=Decimal(4),
    group_ratio=Decimal(1),
    model_price=Decimal(-1),
    cache_ratio=Decimal("0.5"),
    cache_write_ratio=Decimal("1.25"),
    audio_ratio=Decimal(20),
    audio_completion_ratio=Decimal(2),
    image_ratio=Decimal(1),
    quota_per_unit=Decimal(500_000),
)
NOW_MS = 1_744_380_123_456
_numbers = itertools.count(1)


def make_record(
    request_id: str = "", *, quota: int = 225, user_id: int = 1, token_id: int = 0, **more: Any
) -> UsageRecord:
    """A call of gpt-4o-mini with 1000 prompt and 500 completion tokens: 225 quota."""
    return UsageRecord(
        **{
            "version": VERSION,
            "request_id": request_id or f"req-{next(_numbers)}",
            "user_id": user_id,
            "username": f"user{user_id}",
            "token_id": token_id,
            "token_name": f"token{token_id}" if token_id else "",
            "token_limited": bool(token_id),
            "channel_id": 7,
            "model": "gpt-4o-mini",
            "upstream_model": "gpt-4o-mini",
            "group": "default",
            "dialect": "openai",
            "mode": "chat",
            "stream": False,
            "status": 200,
            "started_ms": NOW_MS - 1500,
            "ended_ms": NOW_MS,
            "first_byte_ms": 400,
            "usage": TokenUsage(input_text=1000, output_text=500),
            "price": PRICE,
            "quota": Quota(quota),
            "use_channel": [7],
        }
        | more
    )


def records_of(fields: dict[bytes, bytes]) -> list[UsageRecord]:
    """Of one entry of a usage stream, as redis-py gives it."""
    return [read_record(written) for written in records_in(list(itertools.chain.from_iterable(fields.items())))]


class Books:
    """What a test holds in its hands."""

    def __init__(self, engine: Engine, client: Any) -> None:
        self.engine = engine
        self.redis = client
        self.execute: Execute = over_redis_py(client)
        self.hot = self.new_hot()

    def new_hot(self) -> HotLedger:
        """Another edge."""
        return HotLedger(self.execute, partitions=PARTITIONS, read_truth=make_truth_reader(self.engine, PARTITIONS))

    async def add_user(self, user_id: int, quota: int, **tokens: int) -> None:
        """`tokens`: `t5=100` is the limited token 5 with 100 left. Opening entries are written as an adoption does."""
        async with self.engine.begin() as db:
            await db.execute(
                insert(User).values(id=user_id, username=f"user{user_id}", quota=quota, aff_code=f"a{user_id}")
            )
            rows = [
                {"id": int(name[1:]), "user_id": user_id, "key": f"k{name}".ljust(48, "x"), "remain_quota": left,
                 "unlimited_quota": False}
                for name, left in tokens.items()
            ]  # fmt: skip
            if rows:
                await db.execute(insert(Token), rows)
            opening = [
                {"kind": "opening", "reference": f"user:{user_id}", "user_id": user_id, "delta": quota, "at_ms": NOW_MS}
            ]
            await db.execute(insert(LedgerEntry), opening)
            for row in rows:
                await db.execute(
                    insert(LedgerEntry).values(
                        kind="opening", reference=f"token:{row['id']}", balance="token", user_id=user_id,
                        token_id=row["id"], delta=0, token_delta=row["remain_quota"], at_ms=NOW_MS,
                    )
                )  # fmt: skip

    async def add_channel(self, channel_id: int = 7) -> None:
        async with self.engine.begin() as db:
            await db.execute(insert(Channel).values(id=channel_id, key="k", name=f"channel{channel_id}"))

    async def one(self, model: Any, row_id: int) -> Any:
        async with self.engine.connect() as db:
            return (await db.execute(select(model.__table__).where(model.id == row_id))).one()

    async def all(self, model: Any) -> list[Any]:
        async with self.engine.connect() as db:
            return list((await db.execute(select(model.__table__))).all())


@asynccontextmanager
async def open_books(folder: Path, valkey: str, dsn: str = "") -> AsyncIterator[Books]:
    """Fresh tables and an empty Valkey. `dsn`: '' is SQLite in `folder`."""
    engine = make_engine(dsn, sqlite_path=str(folder / "books.db"))
    client = redis.asyncio.from_url(valkey)
    await client.flushall()
    try:
        await migrate(engine)
        yield Books(engine, client)
    finally:
        await client.aclose()
        await engine.dispose()
