"""RedisPipe's face over a Redis Cluster: one RedisPipe for each primary, and a map of slots that follows the cluster.

A node that is away fails the commands of its slots at once with RedisAway, as a single server would, until it is back or
its replica was promoted; the other slots go on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import hiredis
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from schema.ledger.connection import Execute, FutureLine, Line
from schema.redis_cluster import (
    SLOTS,
    Address,
    Part,
    find_scanned,
    find_slot,
    is_cluster,
    join_cursor,
    read_cluster_url,
    read_slots,
    split_cursor,
)
from schema.redis_pipe import ANSWER_TIMEOUT_S, RedisAway, RedisPipe

log = structlog.get_logger(__name__)

REDIRECTS_MAX = 8  # of one command; a slot that moves answers TRYAGAIN for a moment
REDIRECT_S = 0.05
_NOT_YET = ("LOADING", "MASTERDOWN")  # answers of a server that is there and does not serve
LOOK_S = 0.3  # between two looks at the map while a node is away

Answer = asyncio.Future[Any]


class ClusterPipe:
    """`await pipe.execute(b"GET", key)`; a command with several keys must be of one slot."""

    def __init__(self, url: str) -> None:
        self._address = read_cluster_url(url)
        self._loop = asyncio.get_running_loop()
        self._nodes: dict[Address, RedisPipe] = {}
        self._slots: list[Address | None] = [None] * SLOTS
        self._stale = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = 0
        self._closed = False
        self.on_connect: Callable[[], Awaitable[None]] | None = None  # awaited after every connect of a node
        self.on_lost: Callable[[], None] | None = None  # called when a node was lost, before its commands fail

    @property
    def connected(self) -> bool:
        """All nodes are there."""
        return bool(self._nodes) and all(pipe.connected for pipe in self._nodes.values())

    async def connect(self) -> None:
        """Learn the map and connect to the nodes; one that is away is tried again in the background.

        Raises what RedisPipe.connect raises, when no node that the address names answers, or the nodes are no cluster.
        """
        await self._ask_seeds()
        self._keeper = self._loop.create_task(self._keep_map())

    async def close(self) -> None:
        self._closed = True
        for task in (self._keeper, *self._tasks):
            if task is not None:
                task.cancel()
        for pipe in list(self._nodes.values()):
            await pipe.close()

    # -- map -----------------------------------------------------------------------------------------------------------

    async def _ask_seeds(self) -> None:
        failure: Exception = RedisAway("no node of the cluster answers")
        for seed in self._address.seeds:
            pipe = RedisPipe(self._address.url(seed))
            try:
                await pipe.connect()
                found = read_slots(await pipe.execute(b"CLUSTER", b"SLOTS"), seed[0])
            except (OSError, TimeoutError, RedisAway, hiredis.HiredisError) as error:
                failure = error
                continue
            finally:
                await pipe.close()
            await self._adopt(found)
            return
        raise failure

    async def _adopt(self, slots: list[Address | None]) -> None:
        self._slots = slots
        wanted = set(slots) - {None}
        for address in self._nodes.keys() - wanted:
            pipe = self._nodes.pop(address)
            self._loop.call_later(
                ANSWER_TIMEOUT_S, self._spawn, pipe.close
            )  # what is in flight there is answered first
        new = [address for address in wanted if address is not None and address not in self._nodes]
        await asyncio.gather(*(self._open(address) for address in new))

    async def _open(self, address: Address) -> None:
        pipe = self._nodes[address] = RedisPipe(self._address.url(address), on_connect=self._node_connected)
        pipe.on_lost = self._node_lost
        try:
            await pipe.connect()
        except (OSError, TimeoutError, RedisAway, hiredis.HiredisError) as error:
            log.warning("node_away", node=f"{address[0]}:{address[1]}", reason=str(error)[:100])
            pipe.keep_trying()
            self._stale.set()

    async def _node_connected(self) -> None:
        if self.on_connect is not None:
            await self.on_connect()

    def _node_lost(self) -> None:
        self._stale.set()
        if self.on_lost is not None:
            self.on_lost()

    async def _keep_map(self) -> None:
        """After a redirection, and again and again while a node is away: it may have been replaced."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._look()
            except (OSError, TimeoutError, RedisAway, hiredis.HiredisError) as error:
                log.info("cluster_map_not_read", error=type(error).__name__)
            if not self.connected:
                self._stale.set()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        there = [(address, pipe) for address, pipe in self._nodes.items() if pipe.connected]
        if not there:
            await self._ask_seeds()
            return
        self._turn += 1
        (host, _), pipe = there[self._turn % len(there)]
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._adopt(read_slots(await pipe.execute(b"CLUSTER", b"SLOTS"), host))

    def _spawn(self, work: Callable[[], Awaitable[Any]]) -> "asyncio.Task[Any]":
        async def run() -> Any:
            return await work()

        task = self._loop.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- commands ------------------------------------------------------------------------------------------------------

    def execute(self, *command: Part) -> Answer:
        """Queue one command; the future holds its answer, or RedisAway, or hiredis.ReplyError."""
        slot = find_slot(command)
        if slot is None:
            return self._anywhere(command)
        answer: Answer = self._loop.create_future()
        self._send(answer, command, slot, self._slots[slot], REDIRECTS_MAX)
        return answer

    def _anywhere(self, command: tuple[Part, ...]) -> Answer:
        name = command[0].decode() if isinstance(command[0], bytes) else str(command[0])
        if name == "SCAN":
            return self._spawn(partial(self._scan, command))
        if name == "INFO":
            return self._spawn(partial(self._info, command))
        for pipe in self._nodes.values():
            if pipe.connected:
                return pipe.execute(*command)
        answer: Answer = self._loop.create_future()
        answer.set_exception(RedisAway("no node of the cluster is there"))
        return answer

    def _send(
        self, answer: Answer, command: tuple[Part, ...], slot: int, to: Address | None, left: int, asking: bool = False
    ) -> None:
        if answer.done():
            return
        pipe = self._nodes.get(to) if to is not None else None
        if pipe is None:
            self._stale.set()
            answer.set_exception(RedisAway("the node of this slot is not known"))
            return
        if asking:
            pipe.execute(b"ASKING").add_done_callback(_read)
        done = partial(self._answered, answer, command, slot, left)
        pipe.execute(*command).add_done_callback(done)

    def _answered(self, answer: Answer, command: tuple[Part, ...], slot: int, left: int, found: Answer) -> None:
        error = found.exception()
        if answer.done():
            return
        if error is None:
            answer.set_result(found.result())
            return
        word, _, rest = str(error).partition(" ") if isinstance(error, hiredis.ReplyError) else ("", "", "")
        if word == "CLUSTERDOWN":
            self._stale.set()
            error = RedisAway("the cluster does not serve this slot")
        if word not in ("MOVED", "ASK", "TRYAGAIN") or not left:
            answer.set_exception(RedisAway("the slot moves") if word in ("MOVED", "ASK", "TRYAGAIN") else error)
            return
        self._stale.set()
        to = self._slots[slot]
        if word != "TRYAGAIN":
            host, _, port = rest.split(" ")[1].rpartition(":")
            to = (host or (to[0] if to else ""), int(port))
            if word == "MOVED":
                self._slots[slot] = to
        ready = to in self._nodes and self._nodes[to].connected
        if to is not None and to not in self._nodes:
            self._spawn(partial(self._open, to))
        pause_s = 0.0 if ready and word != "TRYAGAIN" else REDIRECT_S
        self._loop.call_later(pause_s, self._send, answer, command, slot, to, left - 1, word == "ASK")

    async def _scan(self, command: tuple[Part, ...]) -> list[Any]:
        _, cursor, *rest = command
        slot = find_scanned(command)
        if slot is not None:
            home = self._nodes.get(self._slots[slot] or ("", 0))
            if home is None:
                raise RedisAway("the node of this slot is not known")
            found: list[Any] = await home.execute(*command)
            return found
        number, inner = split_cursor(cursor)
        nodes = sorted(self._nodes)
        if number >= len(nodes):
            return [b"0", []]
        inner_next, names = await self._nodes[nodes[number]].execute(b"SCAN", inner, *rest)
        return [str(join_cursor(number, inner_next, len(nodes))).encode(), names]

    async def _info(self, command: tuple[Part, ...]) -> bytes:
        """The run ids of all nodes as one: another one when any node was restarted or replaced. Raises RedisAway."""
        answers = await asyncio.gather(*(pipe.execute(*command) for pipe in self._nodes.values()))
        lines = [line for answer in answers for line in bytes(answer).splitlines()]
        return b"run_id:" + b",".join(sorted(line[7:] for line in lines if line.startswith(b"run_id:")))


def _read(found: Answer) -> None:
    """Whatever ASKING answers, the command behind it tells."""
    found.exception()


Pipe = RedisPipe | ClusterPipe


def open_pipe(url: str) -> Pipe:
    return ClusterPipe(url) if is_cluster(url) else RedisPipe(url)


def over_pipe(pipe: Pipe) -> Execute:
    """For those that also use redis-py: a server that is away, or starts up, is redis-py's ConnectionError to them."""

    async def execute(*command: Part) -> Any:
        try:
            return await pipe.execute(*command)
        except RedisAway as error:
            raise RedisConnectionError(str(error)) from error
        except hiredis.ReplyError as error:
            if str(error).startswith(_NOT_YET):
                raise RedisConnectionError(str(error)) from error
            raise

    return execute


def open_line(pipe: Pipe) -> Line:
    """A cluster answers by futures: a command may go to one node after another."""
    return FutureLine(pipe.execute, lambda: pipe.connected) if isinstance(pipe, ClusterPipe) else pipe
