"""The books of a Valkey Cluster of three primaries: backed up under load, put back into a fresh cluster and a fresh database.

Calls go on while the backup is taken and after it; then everything is lost. Every call that was answered before the backup
began is charged once, none that began after its end, and the books agree.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from schema.ledger.keys import Keys
from schema.redis_client import close_client, open_client
from schema.tables import Channel, User
from tests.crash.load import under_load
from tests.crash.valkey_cluster import Cluster, run_cluster
from tests.schema.ledger.books import records_of
from tests.services import find_binary, new_postgres
from tests.system import PARTITIONS, ROOT, System, open_system, until

pytestmark = [pytest.mark.xdist_group("valkey_cluster"), pytest.mark.timeout(240)]
CLIENTS = 4  # one of each partition
MODELS = ("plain", "stream")


@asynccontextmanager
async def gateway(folder: Path, dsn: str) -> AsyncIterator[tuple[System, Cluster]]:
    """A cluster without a key, a migrated database without a row; the Valkey that every system has serves the jobs."""
    folder.mkdir()
    async with run_cluster(folder) as cluster:
        jobs = f"unix://{folder}/v/valkey.sock"
        environ = {"REDIS_CONN_STRING": cluster.url, "JOBS_REDIS_CONN_STRING": jobs, "CRYPTO_SECRET": "c" * 32}
        async with open_system(folder, dsn, environ=environ) as system:
            queue, system.redis = system.redis, open_client(cluster.url, jobs)
            yield system, cluster
            await queue.aclose()
            queue, system.redis = system.redis, queue
            await close_client(queue)


async def medusa(system: System, *words: str) -> tuple[int, str]:
    """Status and output of a command, as an operator of this gateway gives it."""
    command = [sys.executable, "-m", "medusa.cli", *words]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=system.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return int(process.returncode or 0), output.decode()


async def test_there_and_back(tmp_path: Path, postgres_server: str):
    find_binary("pg_dump")
    file = tmp_path / "monday.backup"
    async with gateway(tmp_path / "a", new_postgres(postgres_server, "cluster_backup")) as (system, cluster):
        await system.seed(users=CLIENTS)
        assert {cluster.owner(user) for user in range(1, CLIENTS + 1)} == {0, 1, 2}, "no node is left out"
        system.add_edge()
        worker = system.add_worker()
        await system.ready()
        async with under_load(system, CLIENTS, MODELS) as load:
            await load.more(CLIENTS * 5)

            async def settled() -> bool:
                return bool(await system.charged())

            await until(settled, "nothing is settled")
            worker.kill()
            await load.more(CLIENTS * 5)  # these stand in the streams of all nodes alone
            sure = set(load.answered)
            status, output = await medusa(system, "backup", str(file))
            assert status == 0, output
            ended_s = time.monotonic()
            worker.start()
            await load.more(CLIENTS * 5)  # settled by the gateway that is lost in a moment
        assert (load.refused, load.broken) == ([], 0)
        await system.check_books(load.answered)
    possible = {name for name, begun_s in load.begun_s.items() if begun_s < ended_s}
    assert possible < load.answered

    async with gateway(tmp_path / "b", new_postgres(postgres_server, "cluster_restored")) as (system, cluster):
        stale = Keys(PARTITIONS).balance(1)
        await system.redis.set(stale, "of the gateway that stood here before")
        await system.redis.mset({"theirs": 1})
        await refused_while_a_node_is_away(system, cluster, file)
        status, output = await medusa(system, "restore", str(file), "--yes")
        assert status == 0, output
        assert not await system.redis.exists(stale)
        assert await system.redis.exists("theirs"), "what is not ours stays"

        unsettled = 0
        for number in range(PARTITIONS):
            entries = await system.redis.xrange(Keys(PARTITIONS).usage(number))
            unsettled += sum(len(records_of(fields)) for _, fields in entries)
        assert f"restored; {unsettled} usage records" in output
        assert unsettled >= CLIENTS * 5, "what stood in the streams is in them again"
        async with system.engine.begin() as db:  # the upstream of the first gateway is gone with it
            await db.execute(update(Channel).values(base_url=f"http://127.0.0.1:{system.upstream.port}"))
        system.add_edge()
        system.add_worker()
        await system.ready()
        async with under_load(system, CLIENTS, MODELS) as later:
            await later.more(CLIENTS * 5)
        assert (later.refused, later.broken) == ([], 0)
        await system.check_books(sure | later.answered, others=True)
        assert set(await system.charged()) <= possible | later.answered
        status, output = await medusa(system, "reconcile")
        assert (status, "the books add up" in output) == (0, True), output
        status, output = await medusa(system, "doctor")
        assert "redis: 3 primaries keep what they are given" in output


async def refused_while_a_node_is_away(system: System, cluster: Cluster, file: Path) -> None:
    """Neither a backup with a hole nor a database without its records: one sentence, and nothing is changed."""
    cluster.nodes[2].kill()
    fresh = file.with_name("tuesday.backup")
    for words in (("backup", str(fresh)), ("restore", str(file), "--yes")):
        status, output = await medusa(system, *words)
        assert status == 1
        assert output.startswith("medusa: Redis failed (")
        assert output.count("\n") == 1, output
    assert not fresh.exists()
    async with system.engine.connect() as db:
        assert (await db.execute(select(func.count()).select_from(User))).scalar_one() == 0
    status, output = await medusa(system, "doctor")
    assert status == 1
    assert f"FAIL  redis: 127.0.0.1:{cluster.ports[2]} does not answer: bring it back." in output
    cluster.nodes[2].start()
    await cluster.whole()
