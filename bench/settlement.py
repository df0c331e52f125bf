"""Settlement alone: fill the usage stream, drain it into a database, print records/s and CPU per record.

python -m bench.settlement [--records 50000] [--users 200] [--together 1] [--dsn postgresql://…]
"""

import argparse
import asyncio
import gc
import os
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import redis.asyncio
from sqlalchemy import func, insert, select

from schema.database import make_engine
from schema.ledger.connection import over_redis_py
from schema.ledger.keys import Keys
from schema.migrate import migrate
from schema.quota import Quota
from schema.tables import Channel, LedgerEntry, Token, User
from schema.usage import VERSION, PriceRecord, TokenUsage, UsageRecord, pack_records, write_record
from tests.services import run_valkey
from workers.batch import LogPolicy
from workers.main import GC_THRESHOLDS
from workers.settle import BATCH_MAX, COUNT_MAX, Settler
from workers.store import Content, make_store
from workers.stream import UsageStreams

PARTITIONS = 8
MODELS = ("gpt-4o-mini", "gpt-4o", "claude-3-5-sonnet-20241022")


class Speed(NamedTuple):
    """Of one worker with nothing else to do; CPU of the worker alone."""

    per_s: float
    cpu_us: float


def make_record(number: int, users: int, together: int = 1) -> UsageRecord:
    """A call by one of the users through one of five channels; `together` calls in a row are alike."""
    turn = number // together
    user_id = turn % users + 1
    now_ms = time.time_ns() // 1_000_000
    price = PriceRecord(
        False, Decimal("0.075"), Decimal(4), Decimal(1), Decimal(-1), Decimal("0.5"), Decimal("1.25"), Decimal(20),
        Decimal(2), Decimal(1), Decimal(500_000),
    )  # fmt: skip
    return UsageRecord(
        version=VERSION, request_id=f"{now_ms:x}-{number:012x}-{os.urandom(6).hex()}", user_id=user_id, username=f"user{user_id}",
        token_id=user_id, token_name=f"token {user_id}", token_limited=True, channel_id=turn % 5 + 1,
        model=MODELS[turn % 3], upstream_model=MODELS[turn % 3], group="default", dialect="openai", mode="chat",
        stream=turn % 2 == 0, status=200, started_ms=now_ms - 1200, ended_ms=now_ms, first_byte_ms=310,
        usage=TokenUsage(input_text=1000, output_text=500), price=price, quota=Quota(225), use_channel=[turn % 5 + 1],
    )  # fmt: skip


async def fill(client: Any, records: int, users: int, together: int) -> None:
    """`together`: records of an entry, as edges write them when so many calls of an account end in one turn."""
    keys = Keys(PARTITIONS)
    for start in range(0, records, 1000):
        async with client.pipeline(transaction=False) as pipe:
            for first in range(start, min(start + 1000, records), together):
                behind = min(first + together, start + 1000, records)
                made = [make_record(number, users, together) for number in range(first, behind)]
                written = [write_record(record) for record in made]
                content = {"r": written[0]} if len(written) == 1 else {"p": pack_records(written)}
                one, quota = made[0], sum([record.quota for record in made])
                fields: dict[Any, Any] = {"u": one.user_id, "t": one.token_id, "q": quota, **content}
                pipe.xadd(keys.usage(keys.partition(one.user_id)), fields)
            await pipe.execute()


async def measure(url: str, dsn: str, folder: Path, records: int, users: int, together: int = 1) -> list[Speed]:
    """One figure for large and one for small batches."""
    speeds: list[Speed] = []
    engine = make_engine(dsn, sqlite_path=str(folder / "bench.db"))
    await migrate(engine)
    async with engine.begin() as db:
        await db.execute(
            insert(User),
            [{"id": n, "username": f"user{n}", "quota": 10**12, "aff_code": f"a{n}"} for n in range(1, users + 1)],
        )
        await db.execute(
            insert(Token),
            [{"id": n, "user_id": n, "key": f"{n:048d}", "remain_quota": 10**12} for n in range(1, users + 1)],
        )
        await db.execute(insert(Channel), [{"id": n, "key": "k", "name": f"c{n}"} for n in range(1, 6)])
    client = redis.asyncio.from_url(url)
    await client.flushall()
    keys = Keys(PARTITIONS)
    store = make_store(engine, Content())
    settler = Settler(
        UsageStreams(client, over_redis_py(client), keys),
        store,
        partitions=lambda: set(range(PARTITIONS)),
        policy=LogPolicy,
    )
    for label, count, size in (("large batches", records, COUNT_MAX), ("batches of 500", records // 5, 63)):
        await fill(client, count, users, together)
        settler.progress.records = settler.progress.batches = 0
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        while settler.progress.records < count:
            await settler._find_positions()
            entries = min(size, BATCH_MAX // PARTITIONS)
            await settler.apply(
                await settler._streams.read(settler.positions, entries, records_max=entries * PARTITIONS)
            )
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        speeds.append(Speed(count / wall_s, cpu_s / count * 1e6))
        print(
            f"{engine.dialect.name}, {label}: {count / wall_s:,.0f} records/s, {cpu_s / count * 1e6:.1f} µs CPU of the worker"
            f" per record, {count / settler.progress.batches:.0f} records per transaction"
        )
    async with engine.connect() as db:
        charged = (await db.execute(select(func.sum(LedgerEntry.delta)))).scalar_one()
    assert charged == -225 * (records + records // 5), charged
    await store.close()
    await client.aclose()
    await engine.dispose()
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--together", type=int, default=1, help="records of one account that share an entry")
    parser.add_argument("--dsn", default="", help="database; empty: SQLite in a temporary folder")
    options = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)  # as a worker's
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, run_valkey() as url:
        asyncio.run(measure(url, options.dsn, Path(folder), options.records, options.users, options.together))


if __name__ == "__main__":
    main()
