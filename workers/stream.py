"""Reading the usage streams of many partitions in one round trip, as raw answers: decoding into dicts would cost more than settling."""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from redis.exceptions import MovedError, RedisError

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import Keys
from schema.redis_client import ClusterRedis
from schema.redis_cluster import find_slot
from workers.batch import Slice
from workers.records import Entry, read_entry

AWAY_S = 3.0  # partitions of a cluster's node that failed are left alone so long
POLL_S = 0.05  # how often the nodes of a cluster are asked for news
KEEP_MS = 60_000  # applied entries stay so long: a load that read SQL before must still find them


class UsageStreams:
    """One reader of the streams. Positions are its caller's business."""

    def __init__(self, redis: Any, execute: Execute, keys: Keys) -> None:
        """`redis`: for reading, which may block a connection."""
        self._redis, self._execute = redis, execute
        self._keys = keys
        self._away: dict[int, float] = {}

    async def read(self, positions: Mapping[int, str], count: int, *, records_max: int = sys.maxsize) -> list[Slice]:
        """Up to `count` entries of each partition behind its position; partitions with nothing new are left out.

        Args:
            records_max: shared alike by the partitions that have something new. An entry is never taken apart, and each
                partition goes on by one at least.
        """
        found = await self._read(positions, count)
        share = records_max // len(found) if found else 0
        slices = []
        for partition, answer in found:
            entries: list[Entry] = []
            records = 0
            for entry_id, fields in answer:
                entry = read_entry(partition, entry_id, fields)
                records += len(entry.records)
                if records > share and entries:
                    break
                entries.append(entry)
            more = len(answer) == count or len(entries) < len(answer)
            slices.append(Slice(partition, positions[partition], entries[-1].position.decode(), entries, more))
        return slices

    async def _read(self, positions: Mapping[int, str], count: int) -> list[tuple[int, list[Any]]]:
        """Partitions that have something new, and their raw entries. One server answers one command for all of them."""
        if not isinstance(self._redis, ClusterRedis):
            partitions = {self._keys.usage(partition).encode(): partition for partition in positions}
            command = (b"XREAD", b"COUNT", str(count), b"STREAMS", *partitions, *positions.values())
            (answer,) = await self._pipeline([command])
            if isinstance(answer, Exception):
                raise answer
            # a map where the address says protocol=3
            pairs = answer.items() if isinstance(answer, dict) else answer or ()
            return [(partitions[name], entries) for name, entries in pairs]
        commands = [
            (b"XRANGE", self._keys.usage(partition), f"({position}", b"+", b"COUNT", str(count))
            for partition, position in positions.items()
        ]
        found = []
        for partition, answer in zip(positions, await self._pipeline(commands), strict=True):
            if isinstance(answer, Exception):
                raise answer
            if answer:
                found.append((partition, answer))
        return found

    async def _pipeline(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if not isinstance(self._redis, ClusterRedis):
            return await self._send(self._redis, commands)
        answers: list[Any] = [None] * len(commands)
        groups: dict[int, tuple[Any, list[int]]] = {}
        for number, command in enumerate(commands):
            node = await self._redis.node_of(find_slot(command) or 0)
            groups.setdefault(id(node), (node, []))[1].append(number)

        async def ask(node: Any, numbers: list[int]) -> None:
            with self._watching([self._partition_of(commands[number]) for number in numbers]):
                found = await self._send(node, [commands[number] for number in numbers])
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer

        await asyncio.gather(*(ask(node, numbers) for node, numbers in groups.values()))
        return answers

    def _partition_of(self, command: tuple[Any, ...]) -> int:
        name = command[1] if command[0] == b"XRANGE" else command[command.index(b"STREAMS") + 1]
        return int(name.partition("{")[2].partition("}")[0])

    def away(self) -> set[int]:
        """Partitions whose node of a cluster failed a moment ago: the others go on without them. Empty with one server."""
        if not self._away:
            return set()
        now_s = time.monotonic()
        self._away = {partition: until_s for partition, until_s in self._away.items() if until_s > now_s}
        return set(self._away)

    @contextmanager
    def _watching(self, partitions: list[int]) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            if isinstance(self._redis, ClusterRedis):
                self._redis.lost()
                if not isinstance(error, MovedError):
                    self._away |= dict.fromkeys(partitions, time.monotonic() + AWAY_S)
            raise

    @staticmethod
    async def _send(client: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
        connection = await client.connection_pool.get_connection("XRANGE")
        try:
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed)
            return [await connection.read_response() for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)  # unread answers must not meet the next caller
            raise
        finally:
            await client.connection_pool.release(connection)

    async def wait(self, positions: Mapping[int, str], timeout_ms: int) -> bool:
        """Return when there is something behind one of the positions, False after `timeout_ms`."""
        if isinstance(self._redis, ClusterRedis):
            return await self._poll(positions, timeout_ms)
        names = [self._keys.usage(partition) for partition in positions]
        command = (b"XREAD", b"COUNT", b"1", b"BLOCK", str(timeout_ms), b"STREAMS", *names, *positions.values())
        (answer,) = await self._pipeline([command])
        return bool(answer)

    async def _poll(self, positions: Mapping[int, str], timeout_ms: int) -> bool:
        """A blocking read goes to one node and cannot be called off cheaply when another has news."""
        commands = [
            (b"XREAD", b"COUNT", b"1", b"STREAMS", self._keys.usage(partition), position)
            for partition, position in positions.items()
        ]
        until_s = time.monotonic() + timeout_ms / 1000
        while not any(await self._pipeline(commands)):
            if time.monotonic() >= until_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def advance(self, positions: Mapping[int, str]) -> int:
        """Make sure that new entries get ids behind the stored positions, whatever happened to server and clock.

        Returns how many entries had come too early and were written again.
        """
        begun = [(partition, position) for partition, position in positions.items() if position != "0-0"]
        return sum(await asyncio.gather(*(self._advance(partition, position) for partition, position in begun)))

    async def _advance(self, partition: int, position: str) -> int:
        with self._watching([partition]):
            rewritten = await evaluate(self._execute, scripts.ADVANCE, (self._keys.usage(partition),), (position,))
        return max(0, int(rewritten))

    async def trim(self, positions: Mapping[int, str]) -> None:
        """Drop what was applied more than KEEP_MS ago."""
        seconds, _ = await self._execute(b"TIME")
        latest_ms = int(seconds) * 1000 - KEEP_MS
        oldest = {partition: min(int(position.split("-")[0]), latest_ms) for partition, position in positions.items()}
        await asyncio.gather(*(self._trim(partition, ms) for partition, ms in oldest.items() if ms > 0))

    async def _trim(self, partition: int, oldest_ms: int) -> None:
        with self._watching([partition]):
            await self._execute(b"XTRIM", self._keys.usage(partition), b"MINID", b"~", str(oldest_ms))
