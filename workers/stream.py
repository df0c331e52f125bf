"""Reading the usage streams of many partitions in one round trip, as raw answers: decoding into dicts would cost more than settling."""

from collections.abc import Mapping
from typing import Any

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate, over_redis_py
from schema.ledger.keys import Keys
from workers.batch import Slice
from workers.records import read_entry

KEEP_MS = 60_000  # applied entries stay so long: a load that read SQL before must still find them


class UsageStreams:
    """One reader of the streams. Positions are its caller's business."""

    def __init__(self, redis: Any, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._execute: Execute = over_redis_py(redis)

    async def read(self, positions: Mapping[int, str], count: int) -> list[Slice]:
        """Up to `count` entries of each partition behind its position; partitions with nothing new are left out."""
        commands = [
            (b"XRANGE", self._keys.usage(partition), f"({position}", b"+", b"COUNT", str(count))
            for partition, position in positions.items()
        ]
        slices = []
        for (partition, position), answer in zip(positions.items(), await self._pipeline(commands), strict=True):
            if isinstance(answer, Exception):
                raise answer
            if answer:
                entries = [read_entry(partition, entry_id, fields) for entry_id, fields in answer]
                slices.append(Slice(partition, position, entries[-1].position, entries))
        return slices

    async def _pipeline(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        connection = await self._redis.connection_pool.get_connection("XRANGE")
        try:
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed)
            return [await connection.read_response() for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)  # unread answers must not meet the next caller
            raise
        finally:
            await self._redis.connection_pool.release(connection)

    async def wait(self, positions: Mapping[int, str], timeout_ms: int) -> bool:
        """Return when there is something behind one of the positions, False after `timeout_ms`."""
        names = [self._keys.usage(partition) for partition in positions]
        command = (b"XREAD", b"COUNT", b"1", b"BLOCK", str(timeout_ms), b"STREAMS", *names, *positions.values())
        (answer,) = await self._pipeline([command])
        return bool(answer)

    async def advance(self, positions: Mapping[int, str]) -> int:
        """Make sure that new entries get ids behind the stored positions, whatever happened to server and clock.

        Returns how many entries had come too early and were written again.
        """
        moved = 0
        for partition, position in positions.items():
            if position != "0-0":
                moved += max(
                    0, await evaluate(self._execute, scripts.ADVANCE, (self._keys.usage(partition),), (position,))
                )
        return moved

    async def trim(self, positions: Mapping[int, str]) -> None:
        """Drop what was applied more than KEEP_MS ago."""
        seconds, _ = await self._execute(b"TIME")
        for partition, position in positions.items():
            oldest_ms = min(int(position.split("-")[0]), int(seconds) * 1000 - KEEP_MS)
            if oldest_ms > 0:
                await self._execute(b"XTRIM", self._keys.usage(partition), b"MINID", b"~", str(oldest_ms))
