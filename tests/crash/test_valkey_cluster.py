"""A Valkey Cluster of three primaries, of which one is killed and started again on its append-only file: the accounts of the
others go on, its own are told 503, and the books are exact."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.crc import key_slot

from schema.ledger.keys import Keys
from schema.redis_client import close_client, open_client
from schema.redis_cluster import SLOTS
from schema.redis_losses import EMPTIED, Found, read_losses, write_partitions
from tests.crash.load import BODY, under_load
from tests.crash.valkey_cluster import NODES, Cluster, run_cluster
from tests.system import PARTITIONS, System, open_system, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("valkey_cluster"),
    pytest.mark.timeout(200),
]
CLIENTS = 4  # one of each partition
MODELS = ("plain", "stream")
AWAY_S = 3.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def clustered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[System, Cluster]]:
    """The Valkey that every system has serves the jobs here; an edge and a worker."""
    folder = tmp_path_factory.mktemp("cluster")
    async with run_cluster(folder) as cluster:
        jobs = f"unix://{folder}/v/valkey.sock"
        environ = {"REDIS_CONN_STRING": cluster.url, "JOBS_REDIS_CONN_STRING": jobs}
        async with open_system(folder, environ=environ) as system:
            queue, system.redis = system.redis, open_client(cluster.url, jobs)
            await system.seed(users=CLIENTS)
            system.add_edge()
            system.add_worker()
            await system.ready()
            yield system, cluster
            await queue.aclose()
            queue, system.redis = system.redis, queue
            await close_client(queue)


async def test_a_client_sees_one_server(clustered: tuple[System, Cluster]):
    """Commands without a key, with several, over all nodes and in a pipeline."""
    redis, cluster = clustered[0].redis, clustered[1]
    names = [f"mx:test:{number}" for number in range(50)]
    async with redis.pipeline(transaction=False) as pipe:
        for number, name in enumerate(names):
            pipe.set(name, number)
        assert await pipe.execute() == [True] * 50
    assert {int(key_slot(name.encode())) * NODES // SLOTS for name in names} == {0, 1, 2}
    assert await redis.mget(names) == [str(number).encode() for number in range(50)]
    assert {name async for name in redis.scan_iter(match="mx:test:*", count=7)} == {name.encode() for name in names}
    for number, client in enumerate(cluster.clients):
        kept = {int(key_slot(key)) * NODES // SLOTS async for key in client.scan_iter(match="mx:test:*")}
        assert kept == {number}
    assert await redis.delete(*names) == 50
    assert await redis.ping() and len(await redis.time()) == 2


async def test_slots_that_moved_are_followed(clustered: tuple[System, Cluster]):
    """The slots of one partition go to another node while calls come: nobody is refused."""
    system, cluster = clustered
    before = set(await system.charged())
    user = 1
    slot, old = int(key_slot(Keys(PARTITIONS).balance(user).encode())), cluster.owner(user)
    new = (old + 1) % NODES
    ids = [(await client.execute_command(b"CLUSTER", b"MYID")).decode() for client in cluster.clients]
    async with under_load(system, CLIENTS, MODELS) as load:
        await load.more(CLIENTS * 3)
        await _move(cluster, slot, old, new, ids)
        await load.more(CLIENTS * 5)
        await _move(cluster, slot, new, old, ids)
        await load.more(CLIENTS * 5)
    assert (load.refused, load.broken) == ([], 0)
    await system.check_books(before | load.answered)
    assert await read_losses(system.engine) == [], "a slot that moves takes its memory with it"


async def _move(cluster: Cluster, slot: int, old: int, new: int, ids: list[str]) -> None:
    source, target = cluster.clients[old], cluster.clients[new]
    await target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[old])
    await source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[new])
    while keys := await source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        await source.execute_command("MIGRATE", "127.0.0.1", cluster.ports[new], "", 0, 2000, "KEYS", *keys)
    for client in (target, source, *cluster.clients):
        await client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[new])


async def test_a_node_is_killed_under_load_and_comes_back(clustered: tuple[System, Cluster]):
    system, cluster = clustered
    before = set(await system.charged())
    dead = cluster.owner(1)
    mine = [user for user in range(1, CLIENTS + 1) if cluster.owner(user) == dead]
    others = [user for user in range(1, CLIENTS + 1) if cluster.owner(user) != dead]
    assert others, "the accounts all live on one node"
    async with under_load(system, CLIENTS, MODELS) as load:
        await load.more(CLIENTS * 5)
        cluster.nodes[dead].kill()
        died_s = time.monotonic()
        await asyncio.sleep(0.5)
        for user in others:
            async with system.client(user=user) as http:
                answer = await http.post("/v1/chat/completions", json=BODY)
                assert answer.status_code == 200, answer.text
                load.answered.add(answer.headers["x-request-id"])
        async with system.client(user=mine[0]) as http:
            refused = await http.post("/v1/chat/completions", json=BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "temporarily_unavailable")
        await load.more(len(others) * 5)
        seen = {name for name, begun_s in load.begun_s.items() if begun_s > died_s}

        async def settled() -> bool:
            return bool(seen & set(await system.charged()))

        await until(settled, "the worker waits for a node that is away", within_s=20)
        await asyncio.sleep(max(0.0, AWAY_S - (time.monotonic() - died_s)))
        cluster.nodes[dead].start()
        await cluster.whole()

        async def served() -> bool:
            async with system.client(user=mine[0]) as http:
                answer = await http.post("/v1/chat/completions", json=BODY)
                if answer.status_code == 200:
                    load.answered.add(answer.headers["x-request-id"])
                return answer.status_code == 200

        await until(served, "the accounts of the node are not served after it came back", within_s=20)
        await load.more(CLIENTS * 3)
    assert set(load.refused) == {503}
    assert EMPTIED not in [found.action for found in await read_losses(system.engine)]
    await system.check_books(before | load.answered, others=True)
    extra = set(await system.charged()) - before - load.answered
    assert len(extra) <= load.broken + len(load.refused)


async def test_a_job_runs(clustered: tuple[System, Cluster]):
    """Queued at the jobs' server, done by the worker with the cluster."""
    system, _ = clustered
    job = await system.redis.jobs.enqueue_job("reap_holds")
    assert job is not None

    async def done() -> bool:
        return await job.status() in ("complete", "not_found")

    await until(done, "the job is not done")
    assert await system.redis.hget("mx:jobs", "reap_holds")


async def test_a_replica_takes_over(clustered: tuple[System, Cluster], tmp_path: Path):
    """Nobody starts anything again: the accounts of a dead primary are served by the replica that the cluster promotes."""
    system, cluster = clustered
    before = set(await system.charged())
    dead = cluster.owner(1)
    await cluster.add_replica(tmp_path, dead)
    async with under_load(system, CLIENTS, MODELS) as load:
        await load.more(CLIENTS * 5)
        cluster.nodes[dead].kill()

        async def served() -> bool:
            async with system.client(user=1) as http:
                answer = await http.post("/v1/chat/completions", json=BODY)
                if answer.status_code == 200:
                    load.answered.add(answer.headers["x-request-id"])
                return answer.status_code == 200

        await until(served, "the replica is not used", within_s=30)
        await load.more(CLIENTS * 3)
    assert set(load.refused) <= {503}
    system.redis.lost()  # the test's own client was idle meanwhile
    await system.check_books(before | load.answered, others=True)
    extra = set(await system.charged()) - before - load.answered
    assert len(extra) <= load.broken + len(load.refused)


async def test_a_node_is_emptied(clustered: tuple[System, Cluster]):
    """Only its partitions may lack calls, and they are named."""
    system, cluster = clustered
    user = next(
        user for user in range(1, CLIENTS + 1) if len(cluster.clients) > cluster.owner(user) != cluster.owner(1)
    )
    node = cluster.owner(user)
    told = len(await read_losses(system.engine))
    await cluster.clients[node].flushall()

    async def named() -> list[Found]:
        found = await read_losses(system.engine)
        return found[: len(found) - told]

    found = await until(named, "nobody says that the node was emptied", within_s=20)
    partitions = [number for number in range(PARTITIONS) if cluster.owner(number) == node]
    assert {one.action for one in found} == {EMPTIED}
    assert ",".join(sorted(one.loss.partitions for one in found)) in (
        write_partitions(partitions),
        ",".join(map(str, partitions)),
    )
