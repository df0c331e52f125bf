"""Redis for everything that is not hot: a plain client, or one over a cluster, and the queue of jobs beside it.

A transaction of arq touches keys of many slots, so jobs live on a server of their own where Redis is a cluster
(JOBS_REDIS_CONN_STRING).
"""

import asyncio
import time
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from schema.redis_cluster import (
    SLOTS,
    Address,
    find_scanned,
    find_slot,
    is_cluster,
    join_cursor,
    read_cluster_url,
    read_slots,
    split_cursor,
)

REDIRECTS_MAX = 8  # of one command
REDIRECT_S = 0.05
LOOK_S = 0.5  # between two looks at the map while a node is away
_SPLIT = {"DEL": sum, "UNLINK": sum, "EXISTS": sum, "MGET": list}  # several keys of several slots


def open_client(url: str, jobs_url: str = "", **options: Any) -> Any:
    """A redis.asyncio client; connects when it is first used.

    Args:
        jobs_url: of the server with the queue of jobs; '': the same.
        options: of redis.asyncio.ConnectionPool.
    """
    client: Any = ClusterRedis(url, **options) if is_cluster(url) else ArqRedis(ConnectionPool.from_url(url, **options))
    if jobs_url:
        client.jobs = ArqRedis(ConnectionPool.from_url(jobs_url, **options))
    return client


async def close_client(client: Any) -> None:
    """With all its connections, those of the queue too."""
    jobs = getattr(client, "jobs", None)
    for one in (client, jobs):
        if one is not None:
            await one.aclose()
            await one.connection_pool.disconnect()


def queue_of(client: Any) -> Any:
    """Where jobs are queued: an ArqRedis."""
    jobs = getattr(client, "jobs", client)
    return jobs if hasattr(jobs, "enqueue_job") else ArqRedis(connection_pool=jobs.connection_pool)


async def servers_of(client: Any) -> list[Any]:
    """The servers behind a client, each as a plain one."""
    if not isinstance(client, ClusterRedis):
        return [client]
    await client.look()
    return client.nodes()


class ClusterRedis(Redis):
    """redis-py's commands over a cluster: one plain client for each primary. Commands of a dead node raise ConnectionError."""

    def __init__(self, url: str, **options: Any) -> None:
        self._address, self._options = read_cluster_url(url), options
        seed = self._address.url(self._address.seeds[0])
        super().__init__(connection_pool=ConnectionPool.from_url(seed))  # its face wants one; never used
        self._clients: dict[Address, Redis] = {}
        self._slots: list[Address | None] = [None] * SLOTS
        self._looked_s = 0.0
        self._stale = True
        self._looking = asyncio.Lock()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        for client in self._clients.values():
            await client.aclose()

    # -- map -----------------------------------------------------------------------------------------------------------

    def nodes(self) -> list[Any]:
        """Plain clients of the primaries, in a steady order."""
        return [self._at(address) for address in sorted({one for one in self._slots if one is not None})]

    def unserved(self) -> int:
        """How many slots have no node, by the map as it was read last."""
        return self._slots.count(None)

    async def look(self) -> None:
        """Read the map again if it may be out of date. Raises ConnectionError when no node answers."""
        if not self._stale or time.monotonic() - self._looked_s < LOOK_S:
            return
        async with self._looking:
            if self._stale and time.monotonic() - self._looked_s >= LOOK_S:
                await self._look()

    async def _look(self) -> None:
        problem: Exception = RedisConnectionError("no node of the cluster answers")
        known = {address for address in self._slots if address is not None}
        for address in [*known, *(seed for seed in self._address.seeds if seed not in known)]:
            try:
                answer = await self._ask_map(address)
            except (RedisError, OSError) as error:
                problem = error
                continue
            self._slots = read_slots(answer, address[0])
            self._stale, self._looked_s = False, time.monotonic()
            return
        raise problem

    async def _ask_map(self, address: Address) -> Any:
        node: Any = self._at(address)
        return await node.execute_command(b"CLUSTER", b"SLOTS")  # in bytes: answered raw

    def _at(self, address: Address) -> Redis:
        if address not in self._clients:
            self._clients[address] = Redis.from_url(self._address.url(address), **self._options)
        return self._clients[address]

    async def node_of(self, slot: int) -> Any:
        """The plain client of the primary that has the slot. Raises ConnectionError."""
        await self.look()
        address = self._slots[slot]
        if address is None:
            self._stale = True
            raise RedisConnectionError("the node of this slot is not known")
        return self._at(address)

    def lost(self) -> None:
        """A node failed: the map is looked at again before the next command."""
        self._stale = True

    # -- commands ------------------------------------------------------------------------------------------------------

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """Raises ConnectionError also for a slot that nobody serves."""
        name = command[0].decode() if isinstance(command[0], bytes) else str(command[0])
        slot = find_slot(command)
        if name in _SPLIT and len(command) > 2:
            answers = await asyncio.gather(*(self.execute_command(name, key) for key in command[1:]))
            return [one[0] for one in answers] if name == "MGET" else sum(answers)
        if slot is None:
            return await (self._scan(command, options) if name == "SCAN" else self._anywhere(command, options))
        for _ in range(REDIRECTS_MAX):
            try:
                node = await self.node_of(slot)
                return await node.execute_command(*command, **options)
            except AskError as ask:
                return await self._ask(self._at((ask.host, ask.port)), command, options)
            except MovedError as moved:
                self._slots[moved.slot_id] = (moved.host, moved.port)
                self.lost()
            except TryAgainError:
                await asyncio.sleep(REDIRECT_S)
            except ClusterDownError as down:
                self.lost()
                raise RedisConnectionError("the cluster does not serve this slot") from down
            except ResponseError:
                raise
            except (RedisError, OSError):
                self.lost()
                raise
        raise RedisConnectionError("the slot moves")

    async def _ask(self, node: Redis, command: tuple[Any, ...], options: dict[str, Any]) -> Any:
        async with node.pipeline(transaction=False) as pipe:
            pipe.execute_command("ASKING")
            pipe.execute_command(*command, **options)
            return (await pipe.execute())[1]

    async def _anywhere(self, command: tuple[Any, ...], options: dict[str, Any]) -> Any:
        await self.look()
        problem: Exception = RedisConnectionError("no node of the cluster is there")
        for node in self.nodes():
            try:
                return await node.execute_command(*command, **options)
            except ResponseError:
                raise
            except (RedisError, OSError) as error:
                self.lost()
                problem = error
        raise problem

    async def _scan(self, command: tuple[Any, ...], options: dict[str, Any]) -> Any:
        name, cursor, *rest = command
        slot = find_scanned(command)
        if slot is not None:
            return await (await self.node_of(slot)).execute_command(*command, **options)
        await self.look()
        number, inner = split_cursor(cursor)
        nodes = self.nodes()
        if number >= len(nodes):
            return [0, []]
        following, keys = await nodes[number].execute_command(name, inner, *rest, **options)
        joined = join_cursor(number, following, len(nodes))
        return [str(joined).encode() if isinstance(following, bytes) else joined, keys]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "_Batch":
        """Split by node. A transaction must be of one slot."""
        return _Batch(self, transaction)

    async def run_batch(self, stack: list[Any], *, transaction: bool) -> list[Any]:
        """Answers and errors, in the order of the stack."""
        answers: list[Any] = [None] * len(stack)
        groups: dict[int, list[int]] = {}
        clients: dict[int, Any] = {}
        await self.look()
        slots = [find_slot(command) for command, _ in stack]
        home = next((slot for slot in slots if slot is not None), 0)  # what has no key goes where others go
        for number, slot in enumerate(slots):
            node = await self.node_of(home if slot is None else slot)
            clients[id(node)] = node
            groups.setdefault(id(node), []).append(number)
        assert not transaction or len(groups) == 1, "a transaction over several nodes"

        async def run(node: Any, numbers: list[int]) -> None:
            async with node.pipeline(transaction=transaction) as pipe:
                for number in numbers:
                    command, options = stack[number]
                    pipe.execute_command(*command, **options)
                for number, answer in zip(numbers, await pipe.execute(raise_on_error=False), strict=True):
                    answers[number] = answer

        try:
            await asyncio.gather(*(run(clients[key], numbers) for key, numbers in groups.items()))
        except (RedisError, OSError):
            self.lost()
            raise
        for number, answer in enumerate(answers):
            if isinstance(answer, MovedError | AskError | TryAgainError):
                self.lost()
                command, options = stack[number]
                answers[number] = await self.execute_command(*command, **options)
        return answers


class _Batch(Pipeline):
    """Collects commands as redis-py's pipeline does; the cluster sends them."""

    def __init__(self, cluster: ClusterRedis, transaction: bool) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction, None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        stack = [(command, options) for command, options in self.command_stack]
        self.command_stack = []
        answers = await self._cluster.run_batch(stack, transaction=self.is_transaction)
        failed = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if failed is not None and raise_on_error:
            raise failed
        return answers
