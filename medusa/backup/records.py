"""Usage records that stand in Redis and not yet in the database: copied while the database is copied, put back behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from schema.ledger.keys import PARTITIONS, PREFIX, Keys
from schema.tables import SettleCursor
from schema.usage import count_records

READ_COUNT = 250  # entries asked for at once; each holds up to a hundred records
TICK_S = 1.0  # the workers keep what they applied for a minute: none is missed
DELETE_COUNT = 1_000
START = "0-0"


class Entry(Struct, frozen=True, array_like=True):
    """One entry of a usage stream, as it stood there."""

    partition: int
    id: str
    fields: list[bytes]


def order(position: str) -> tuple[int, int]:
    """Stream ids in the order of time."""
    ms, _, number = position.partition("-")
    return int(ms), int(number or 0)


async def read_positions(engines: list[AsyncEngine], partitions: int) -> dict[int, str]:
    """Up to where every one of these databases has applied the streams. Raises DBAPIError, also where our tables are missing."""
    positions: dict[int, str] = {}
    for engine in engines:
        async with engine.connect() as db:
            rows = (await db.execute(select(SettleCursor.partition, SettleCursor.position))).all()
        found: dict[int, str] = {row.partition: row.position for row in rows}
        for partition in range(partitions):
            own = found.get(partition, START)
            positions[partition] = min(positions.get(partition, own), own, key=order)
    return positions


class Copier:
    """Follows the streams into a file, from given positions on."""

    def __init__(self, redis: Any, file: Path, positions: Mapping[int, str]) -> None:
        self._redis, self._positions, self._keys = redis, dict(positions), Keys(len(positions))
        self._out = file.open("wb")
        self.records = 0

    async def catch_up(self) -> None:
        """Copy all that is there now."""
        for partition in self._positions:
            while await self._copy(partition) == READ_COUNT:
                pass
        self._out.flush()

    async def follow(self) -> None:
        """Until cancelled: nothing may be trimmed before it is copied, however long the database takes."""
        while True:
            await self.catch_up()
            await asyncio.sleep(TICK_S)

    async def _copy(self, partition: int) -> int:
        after = self._positions[partition]
        answer = await self._redis.execute_command(
            "XRANGE", self._keys.usage(partition), f"({after}", "+", "COUNT", READ_COUNT
        )
        for entry_id, fields in answer:
            flat = list(fields) if isinstance(fields, list) else [part for pair in fields.items() for part in pair]
            entry = Entry(partition, entry_id.decode(), flat)
            self._out.write(msgspec.json.encode(entry) + b"\n")
            self._positions[partition] = entry.id
            self.records += count_records(flat)
        return len(answer)

    def close(self) -> None:
        self._out.close()


async def put_back(redis: Any, file: Path, positions: Mapping[int, str]) -> int:
    """Empty our part of Redis and write the entries behind the positions. Returns how many records they hold."""
    keys, decode, count = Keys(len(positions)), msgspec.json.Decoder(Entry).decode, 0
    async for batch in _our_keys(redis):
        await redis.unlink(*batch)
    await redis.set(PARTITIONS, len(positions))
    with file.open("rb") as lines:
        for line in lines:
            entry = decode(line)
            if order(entry.id) <= order(positions[entry.partition]):
                continue
            await redis.execute_command("XADD", keys.usage(entry.partition), entry.id, *entry.fields)
            count += count_records(entry.fields)
    return count


async def _our_keys(redis: Any) -> AsyncIterator[list[bytes]]:
    batch: list[bytes] = []
    async for key in redis.scan_iter(match=f"{PREFIX}*", count=DELETE_COUNT):
        batch.append(key)
        if len(batch) == DELETE_COUNT:
            yield batch
            batch = []
    if batch:
        yield batch
