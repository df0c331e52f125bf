"""Redis for commands: the one of REDIS_CONN_STRING, that of a running gateway, or an embedded one started for a moment."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.exceptions import RedisError

from medusa.cannot_start import CannotStart
from medusa.child import Child
from medusa.preflight import check_redis, lock_folder
from medusa.valkey import find_socket, valkey_command, wait_for_valkey
from schema.config import Config
from schema.ledger.keys import WORKERS
from schema.redis_client import ClusterRedis, close_client, open_client, servers_of

GRACE_S = 60.0  # it syncs its append-only file


@asynccontextmanager
async def open_redis(config: Config, *, alone: bool = False) -> AsyncIterator[Any]:
    """A client. `alone`: raise CannotStart while a gateway runs, and keep another from starting.

    Raises CannotStart also for a cluster of which a node is away, and when Redis fails while the client is in use: what is
    read from it is either whole or nothing.
    """
    try:
        async with _open(config, alone) as redis:
            yield redis
    except RedisError as error:
        raise CannotStart(f"Redis failed ({str(error).rstrip('.')}); bring it back and repeat.") from None


@asynccontextmanager
async def _open(config: Config, alone: bool) -> AsyncIterator[Any]:
    if config.redis_url:
        await check_redis(config.redis_url, patience_s=10)
        async with _client(config.redis_url) as redis:
            await _check_whole(redis)
            if alone and await redis.zcount(WORKERS, int(time.time() * 1000), "+inf"):
                raise CannotStart("Workers are running on this Redis: stop every edge and worker first.")
            yield redis
        return
    socket = find_socket(config.data_dir)
    try:
        lock = lock_folder(config.data_dir)
    except CannotStart:
        if alone:
            raise
        await wait_for_valkey(socket, patience_s=10)
        async with _client(f"unix://{socket}") as redis:
            yield redis
        return
    socket.unlink(missing_ok=True)  # the lock says that nobody listens there
    child = Child("valkey", valkey_command(config.data_dir, socket), dict(os.environ), grace_s=GRACE_S)
    try:
        await child.start()
        await wait_for_valkey(socket)
        async with _client(f"unix://{socket}") as redis:
            yield redis
    finally:
        await asyncio.shield(child.stop())
        lock.close()


async def _check_whole(redis: Any) -> None:
    """Every slot of a cluster has a node that answers. Raises RedisError and CannotStart."""
    for server in await servers_of(redis):
        await server.ping()
    if isinstance(redis, ClusterRedis) and (missing := redis.unserved()):
        raise CannotStart(f"{missing} slots of the cluster have no node; bring it back and repeat.")


@asynccontextmanager
async def find_running(config: Config) -> AsyncIterator[Any | None]:
    """A client of the Redis that runs; None when nothing answers. Starts nothing."""
    async with _client(config.redis_url or f"unix://{find_socket(config.data_dir)}") as redis:
        try:
            await redis.ping()
        except (RedisError, OSError):
            yield None
            return
        yield redis


@asynccontextmanager
async def _client(address: str) -> AsyncIterator[Any]:
    redis = open_client(address, socket_connect_timeout=5)
    try:
        yield redis
    finally:
        await close_client(redis)
