"""Redis that loses its memory or its last writes, with nobody there to send anything again: who says what the books may lack.

On a real Valkey: emptied, started again without its file, taken over by a replica that had stopped following; with a worker that
looks on and with one that comes back later; on every database. And nothing is said where nothing happened.
"""

import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import redis.asyncio
from sqlalchemy import update
from structlog.testing import capture_logs

from schema.database import make_engine
from schema.ledger.connection import over_redis_py
from schema.ledger.keys import BEAT, BORN, HOLDS, LOSSES, Keys
from schema.redis_losses import EMPTIED, RESTARTED, REWOUND, read_losses, write_partitions, write_time
from schema.tables import AuditEntry, Meta, SettleCursor
from tests.schema.ledger.books import PARTITIONS, Books, make_record, open_books
from tests.services import free_port, run_valkey
from tests.system import until
from tests.workers.settling import make_settler, settle_all
from workers import redis_memory
from workers.jobs.reap import reap_holds
from workers.redis_memory import ROW, RedisMemory

ALL = set(range(PARTITIONS))


def worker(books: Books, client=None) -> RedisMemory:
    """As a worker process that has just started."""
    client = client or books.redis
    return RedisMemory(books.engine, client, over_redis_py(client), Keys(PARTITIONS))


async def losses(books: Books):
    return await read_losses(books.engine)


async def use(books: Books):
    """One call in the books, one that waits for a worker, one that is open; the reaper has counted."""
    await books.add_user(1, 10_000)
    await books.hot.load(1)
    await books.hot.settle(make_record("booked"))
    await settle_all(make_settler(books))
    await books.hot.load(1)
    await books.hot.reserve(request_id="open", user_id=1, token_id=None, amount=900, deadline_ms=10**14)
    await books.hot.settle(make_record("waiting"))
    await reap_holds({"worker": SimpleNamespace(execute=books.execute, redis=books.redis, keys=Keys(PARTITIONS))})


async def test_nothing_is_said_where_nothing_happened(any_books: Books):
    """A fresh installation, calls, a worker that stops and another that starts, two that believe to have the lease."""
    first, second = worker(any_books), worker(any_books)
    await first.look(ALL)
    await use(any_books)
    for _ in range(3):
        await first.look(ALL, save=True)
        await second.look(ALL, save=True)
    await worker(any_books).look(ALL)
    assert await losses(any_books) == [] and await any_books.all(AuditEntry) == []
    assert await any_books.redis.hgetall(LOSSES) == {BORN.encode(): b"0"}


async def test_without_the_lease_nothing_is_done(books: Books):
    await worker(books).look({1, 2})
    assert await books.redis.exists(BEAT) == 0


@pytest.mark.parametrize("absent", [False, True], ids=["a worker looks on", "no worker ran"])
async def test_emptied(any_books: Books, absent: bool):
    """The call that waited is gone for good; who says so names the span, the record and the open call."""
    before = worker(any_books)
    await use(any_books)
    await before.look(ALL, save=True)
    await any_books.redis.flushall()
    after = worker(any_books) if absent else before
    with capture_logs() as lines:
        await after.look(ALL)
        await after.look(ALL, save=True)
        await worker(any_books).look(ALL)
    (found,) = await losses(any_books)
    assert found.action == EMPTIED and found.loss.partitions == f"0-{PARTITIONS - 1}"
    assert (found.loss.waiting, found.loss.waiting_quota, found.loss.waiting_more) == (1, 225, False)
    assert (found.loss.open, found.loss.held) == (1, 900)
    assert found.loss.since <= found.loss.seen <= found.loss.noticed
    assert [line["event"] for line in lines] == ["redis_lost"]
    (entry,) = await any_books.all(AuditEntry)
    assert (entry.actor, entry.actor_id, entry.subject, entry.subject_id) == ("system", 0, "redis", "0-3")
    assert json.loads(entry.detail)["since"] == found.loss.since
    assert await any_books.redis.hgetall(LOSSES) == {BORN.encode(): b"1"}
    assert "1 records waited (225 quota) and 1 calls were open (900 quota held)" in str(found)


async def test_two_workers_that_notice_at_once_write_one_entry(any_books: Books):
    first, second = worker(any_books), worker(any_books)
    await first.look(ALL)
    await second.look(ALL)
    await any_books.redis.flushall()
    await first.look(ALL)
    await second.look(ALL)
    await second.look(ALL)
    assert len(await losses(any_books)) == 1
    await any_books.redis.flushall()
    await first.look(ALL)
    await second.look(ALL)
    assert len(await losses(any_books)) == 2, "and it is told again when it happens again"


async def test_all_that_ended_before_the_span_is_in_the_books(books: Books):
    """The span begins at the oldest record that waited, or at the last look with nothing waiting."""
    looking = worker(books)
    await use(books)
    ((oldest, _),) = await books.redis.xrange("mx:{1}:usage", "(" + (await position(books)), "+")
    await looking.look(ALL, save=True)
    await books.redis.flushall()
    await looking.look(ALL)
    (found,) = await losses(books)
    assert found.loss.since == write_time(int(oldest.split(b"-")[0]))


async def position(books: Books) -> str:
    return next(row.position for row in await books.all(SettleCursor) if row.partition == 1)


@asynccontextmanager
async def served(folder, *options, port=None, place=None):
    with run_valkey(*options, port=port, folder=place) as address:
        client = redis.asyncio.from_url(address)
        try:
            yield address, client
        finally:
            await client.aclose()


@pytest.mark.parametrize(
    ("left", "file", "said"),
    [
        pytest.param("in quiet", "kept", [], id="nothing was open when the worker stopped, and it knows everything"),
        pytest.param("with calls", "kept", [RESTARTED], id="a call was open: its last writes may be missing"),
        pytest.param("killed", "kept", [RESTARTED], id="the worker did not stop, as when the machine dies"),
        pytest.param("in quiet", "lost", [EMPTIED], id="its file is lost"),
    ],
)
async def test_a_server_that_starts_again(tmp_path, left: str, file: str, said: list[str]):
    place, port = tmp_path / "valkey", free_port()
    place.mkdir()
    options = ("--appendonly", "yes")
    with run_valkey(*options, port=port, folder=place) as address:
        async with open_books(tmp_path, address) as books:
            await use(books)
            if left == "in quiet":
                await books.hot.release("open", 1)
            await settle_all(make_settler(books))
            await worker(books).look(ALL, last=left != "killed")
            await books.redis.shutdown()
    if file == "lost":
        for one in (place / "appendonlydir").iterdir():
            one.unlink()
    with run_valkey(*options, port=port, folder=place) as address:
        books = await again(tmp_path, address)
        await worker(books).look(ALL)
        await worker(books).look(ALL)
        assert [found.action for found in await losses(books)] == said
        assert int(await books.redis.hget(LOSSES, BORN)) == said.count(EMPTIED), "a restart alone rings no alarm"
        await books.redis.aclose()
        await books.engine.dispose()


async def again(folder, address) -> Books:
    """The same books with another server."""
    return Books(make_engine("", sqlite_path=str(folder / "books.db")), redis.asyncio.from_url(address))


@pytest.mark.parametrize("behind", [True, False], ids=["it had stopped following", "it had everything"])
async def test_a_replica_takes_over(books: Books, behind: bool):
    """What was settled between the replica's last sign of life and the last acknowledged one may be missing, and no more."""
    port = books.redis.connection_pool.connection_kwargs["port"]
    with run_valkey("--replicaof", f"127.0.0.1 {port}") as address:
        replica = redis.asyncio.from_url(address)

        async def follows():
            return (await replica.info("replication")).get("master_link_status") == "up"

        looking = worker(books)
        await use(books)
        await looking.look(ALL, save=True)
        await until(follows, "the replica does not follow")
        await books.redis.wait(1, 5000)
        kept_ms = int(await replica.hget(BEAT, "at"))
        await replica.execute_command("REPLICAOF", "NO", "ONE")
        if behind:
            await looking.look(ALL, save=True)
            await books.hot.settle(make_record("lost"))
        promoted = worker(books, replica)
        await promoted.look(ALL)
        await promoted.look(ALL)
        found = await losses(books)
        await replica.aclose()
    assert [one.action for one in found] == [REWOUND if behind else RESTARTED]
    if behind:
        assert found[0].loss.since == write_time(kept_ms), "what waited then was still there"
        assert (found[0].loss.open, found[0].loss.waiting) == (1, 1)


async def test_sql_is_away_when_it_happens(books: Books, monkeypatch: pytest.MonkeyPatch):
    """What was noticed is kept until it is written, however often Redis is looked at meanwhile."""
    looking = worker(books)
    await looking.look(ALL)
    for _ in range(9):
        await looking.look(ALL)
    await books.redis.hset(BEAT, mapping={"n": 2})
    engine = looking._engine
    looking._engine = SimpleNamespace(
        dialect=engine.dialect, connect=engine.connect, begin=lambda: (_ for _ in ()).throw(OSError("away"))
    )
    for _ in range(20):
        with pytest.raises(OSError, match="away"):
            await looking.look(ALL)
    looking._engine = engine
    await looking.look(ALL)
    assert [one.action for one in await losses(books)] == [REWOUND]
    await looking.look(ALL, save=True)
    assert len(await losses(books)) == 1


async def test_a_row_of_another_version_is_no_loss(books: Books):
    looking = worker(books)
    await looking.look(ALL)
    async with books.engine.begin() as db:
        await db.execute(update(Meta).where(Meta.key == ROW + BORN).values(value='{"other": 1}'))
    await worker(books).look(ALL)
    assert await losses(books) == []
    (row,) = [row for row in await books.all(Meta) if row.key == ROW + BORN]
    assert json.loads(row.value)["mark"] == (await books.redis.get(BORN)).decode(), "and it is known again"


async def test_many_records_that_wait_are_counted_up_to_a_limit(books: Books, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_memory, "PAGE", 10)
    monkeypatch.setattr(redis_memory, "WAITING_MAX", 30)
    await books.add_user(1, 100_000)
    for number in range(35):
        await books.hot.settle(make_record(f"w{number}"))
    looking = worker(books)
    await looking.look(ALL)
    await books.redis.flushall()
    await looking.look(ALL)
    (found,) = await losses(books)
    assert (found.loss.waiting, found.loss.waiting_more) == (30, True)
    assert "more than 30 records waited" in str(found)
    assert await books.redis.exists(HOLDS) == 0


def test_partitions_are_written_as_runs():
    assert [write_partitions(one) for one in ([], [3], [0, 1, 2], [7, 1, 2, 4])] == ["", "3", "0-2", "1-2,4,7"]
