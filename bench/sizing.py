"""What a call takes to keep: memory and append-only file of Valkey, room in the database.

python -m bench.sizing [--calls 50000] [--dsn postgresql://…]

Holds are reserved and settled by the ledger itself, against a Valkey with the settings of the embedded one, and drained by a
worker's settler. Without --dsn into SQLite. Totals behind the dashboard depend on how widely calls are scattered over accounts,
keys, models and channels: `bench.pages` has the widest.
"""

import argparse
import asyncio
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import redis.asyncio
from sqlalchemy import insert, text

from bench.settlement import make_record
from medusa.valkey import find_socket, valkey_command, wait_for_valkey
from schema.database import Engine, make_engine
from schema.ledger.connection import over_redis_py
from schema.ledger.hot import HotLedger, Reserved
from schema.ledger.truth import make_truth_reader
from schema.migrate import migrate
from schema.tables import Channel, Token, User
from workers.batch import LogPolicy
from workers.settle import COUNT_MAX, Settler
from workers.store import Content, make_store
from workers.stream import UsageStreams

PARTITIONS = 8
USERS = 200
AT_ONCE = 500  # holds asked for before the first is settled
MONEY = 10**12
TABLES = ("logs", "mx_ledger_entries", "mx_usage_hourly", "quota_data")


async def find_memory(client: Any) -> tuple[int, int]:
    """Bytes of memory, buffers of connections left out, and of the append-only file."""
    await client.execute_command("WAITAOF", 1, 0, 5_000)
    info = await client.info()
    return int(info["used_memory_dataset"]), int(info["aof_current_size"])


async def find_room(engine: Engine, file: Path) -> dict[str, int]:
    """Bytes by table with its indexes; of SQLite the file."""
    async with engine.connect() as db:
        if engine.dialect.name == "sqlite":
            await db.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            return {"file": file.stat().st_size}
        return {
            name: int((await db.execute(text("SELECT pg_total_relation_size(:name)"), {"name": name})).scalar_one())
            for name in TABLES
        }


async def measure(client: Any, engine: Engine, file: Path, calls: int) -> dict[str, float]:
    """Bytes of one call: `memory` until a minute after it was booked, `hold` while it is open, `appended` to Valkey's file
    until that is rewritten; in the database by table, of SQLite as `file`."""
    accounts = range(1, USERS + 1)
    async with engine.begin() as db:
        named = [{"id": n, "username": f"user{n}", "quota": MONEY, "aff_code": f"a{n}"} for n in accounts]
        await db.execute(insert(User), named)
        keys = [{"id": n, "user_id": n, "key": f"{n:048d}", "remain_quota": MONEY} for n in accounts]
        await db.execute(insert(Token), keys)
        await db.execute(insert(Channel), [{"id": n, "key": "k", "name": f"c{n}"} for n in range(1, 6)])
    ledger = HotLedger(over_redis_py(client), partitions=PARTITIONS, read_truth=make_truth_reader(engine, PARTITIONS))
    await asyncio.gather(*(ledger.load(n, n) for n in accounts))
    await hold_and_settle(ledger, AT_ONCE, settle=True)
    before, file_before = await find_memory(client)
    await hold_and_settle(ledger, calls, settle=True)
    after, file_after = await find_memory(client)
    found = {"memory": (after - before) / calls, "appended": (file_after - file_before) / calls}
    await hold_and_settle(ledger, calls, settle=False)
    found["hold"] = ((await find_memory(client))[0] - after) / calls
    room = await find_room(engine, file)
    store = make_store(engine, Content())
    streams = UsageStreams(client, over_redis_py(client), ledger.keys)
    settler = Settler(streams, store, partitions=lambda: set(range(PARTITIONS)), policy=LogPolicy)
    while settler.progress.records < calls + AT_ONCE:
        await settler._find_positions()
        await settler.apply(await settler._streams.read(settler.positions, min(COUNT_MAX, 4000 // PARTITIONS)))
    settled = settler.progress.records
    found |= {name: (size - room[name]) / settled for name, size in (await find_room(engine, file)).items()}
    await store.close()
    return found


async def hold_and_settle(ledger: HotLedger, calls: int, *, settle: bool) -> None:
    for start in range(0, calls, AT_ONCE):
        records = [make_record(number, USERS) for number in range(start, min(start + AT_ONCE, calls))]
        deadline_ms = ledger.deadline_ms(600)
        held = await asyncio.gather(
            *(
                ledger.reserve(
                    request_id=one.request_id, user_id=one.user_id, token_id=one.token_id, amount=one.quota,
                    deadline_ms=deadline_ms,
                )
                for one in records
            )
        )  # fmt: skip
        assert all(isinstance(one, Reserved) for one in held), held[:3]
        if settle:
            await asyncio.gather(*(ledger.settle(one) for one in records))


async def run(folder: Path, dsn: str, calls: int) -> dict[str, float]:
    """With a Valkey of its own."""
    socket = find_socket(str(folder))
    server = subprocess.Popen(
        [*valkey_command(str(folder), socket), "--logfile", str(folder / "valkey.log")], env=dict(os.environ)
    )
    client = redis.asyncio.Redis(unix_socket_path=str(socket))
    file = folder / "books.db"
    engine = make_engine(dsn, sqlite_path=str(file))
    try:
        await wait_for_valkey(socket)
        await migrate(engine)
        return await measure(client, engine, file, calls)
    finally:
        await engine.dispose()
        await client.aclose()
        server.terminate()
        server.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--dsn", default="", help="an empty PostgreSQL database; empty: SQLite in a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for name, size in asyncio.run(run(Path(folder), options.dsn, options.calls)).items():
            print(f"{name}: {size:.0f} bytes a call")


if __name__ == "__main__":
    main()
