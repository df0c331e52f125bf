"""Health leaves and enters this process through Redis: each second who is closed to calls, every few seconds the figures.

No call waits for any of it; while Redis is away every edge judges by what it sees itself.
"""

import asyncio
import os
import secrets
import socket
import time

import hiredis
import structlog

from edge.health.board import Board, Key
from edge.health.breaker import CLOSED, HALF_OPEN, OPEN
from edge.health.samples import Samples
from edge.health.tally import Tally
from schema.cluster_pipe import Pipe
from schema.health import (
    ERRORS_KEPT_S,
    MINUTE,
    MINUTE_KEPT_S,
    NODE_S_MAX,
    NODES,
    Gate,
    MinuteCell,
    NodeState,
    read_node,
    write_cells,
    write_node,
)
from schema.redis_pipe import RedisAway
from schema.ticks import next_tick
from schema.version import VERSION

log = structlog.get_logger(__name__)

ROUND_S = 1.0
FIGURES_S = 5  # rounds between two writes of the running minute's figures
GATES_MAX = 10_000  # told to the others


class Sharing:
    """One per process; `run` until cancelled, then `publish` once more."""

    def __init__(self, board: Board, samples: Samples, pipe: Pipe, host: str = "") -> None:
        self._board, self._samples, self._pipe = board, samples, pipe
        self.node = f"{host or socket.gethostname()}:edge:{os.getpid()}:{secrets.token_hex(3)}"  # never the same twice
        self._started_s = int(time.time())
        self._minute = self._started_s // 60
        self.settings_version = 0  # of the settings in effect, for the list of nodes
        self._rounds = 0

    async def run(self) -> None:
        while True:
            await next_tick(ROUND_S)
            try:
                await self.round()
            except (RedisAway, hiredis.HiredisError) as error:
                log.info("health_not_shared", error=type(error).__name__)

    async def round(self) -> None:
        """Tell and learn. Raises RedisAway."""
        board, now_s = self._board, time.time()
        minute = int(now_s) // 60
        self._rounds += 1
        if minute != self._minute:
            cells, board.cells = board.cells, {}
            ended, self._minute = self._minute, minute
            await self._write_minute(ended, cells)
        elif self._rounds % FIGURES_S == 0:
            await self._write_minute(minute, board.cells)
            await self._samples.write(self._pipe, self.node)
            self._samples.forget(int(now_s) - ERRORS_KEPT_S)
        told = self._pipe.execute("HSET", NODES, self.node, write_node(self._state(now_s)))
        _, found = await asyncio.gather(told, self._pipe.execute("HGETALL", NODES))
        await self._learn(found, now_s)

    async def _write_minute(self, minute: int, cells: dict[Key, Tally]) -> None:
        if not cells:
            return
        name = f"{MINUTE}{minute}"
        now_s = int(time.time())
        data = write_cells([MinuteCell(channel, model, held.cell(now_s)) for (channel, model), held in cells.items()])
        written = self._pipe.execute("HSET", name, self.node, data)
        await self._pipe.execute("EXPIRE", name, MINUTE_KEPT_S)
        await written

    def _state(self, now_s: float) -> NodeState:
        board = self._board
        steady = time.monotonic()
        gates: list[Gate] = []
        for (channel, model), breaker in board.breakers.items():
            cooling = breaker.cool_until > steady
            if (breaker.state == CLOSED and not cooling) or (breaker.remote and not cooling):
                continue
            if len(gates) >= GATES_MAX:
                break
            until_ms = int((now_s + breaker.until - steady) * 1000) if breaker.state == OPEN else 0
            cool_ms = int((now_s + breaker.cool_until - steady) * 1000) if cooling else 0
            gates.append(Gate(channel, model, breaker.state, until_ms, cool_ms, breaker.reason))
        in_flight = {c: n for c, n in board.in_flight.items() if n}
        return NodeState(int(now_s * 1000), in_flight, gates, self._started_s, VERSION, self.settings_version)

    async def _learn(self, found: list[bytes], now_s: float) -> None:
        """`found`: names and states in turn."""
        board, steady = self._board, time.monotonic()
        alive = 0
        present: set[Key] = set()
        for name, data in zip(found[::2], found[1::2], strict=True):
            state = read_node(data)
            if state.at_ms < (now_s - NODE_S_MAX) * 1000:
                await self._pipe.execute("HDEL", NODES, name)
                continue
            alive += 1
            if name.decode() == self.node:
                continue
            for gate in state.gates:
                key = (gate.channel_id, gate.model)
                if gate.state == HALF_OPEN:
                    present.add(key)
                    continue
                if gate.state == OPEN:
                    present.add(key)
                until = steady + gate.until_ms / 1000 - now_s if gate.until_ms else 0.0
                cool = steady + gate.cool_until_ms / 1000 - now_s if gate.cool_until_ms else 0.0
                board.adopt(key, until, cool, gate.reason, steady)
        board.edges = max(1, alive)
        board.drop_remote(present)

    async def publish(self) -> None:
        """The last figures of a process that ends."""
        try:
            await self._write_minute(self._minute, self._board.cells)
            await self._pipe.execute("HDEL", NODES, self.node)
        except (RedisAway, hiredis.HiredisError) as error:
            log.info("health_not_shared", error=type(error).__name__)
