"""A settler for tests, run by hand."""

from arq.connections import ArqRedis

from schema.ledger.keys import Keys
from tests.schema.ledger.books import PARTITIONS, Books
from workers.after import AfterBatch
from workers.batch import LogPolicy
from workers.reconcile import Drift, reconcile
from workers.settle import Settler
from workers.store import Content, make_store
from workers.stream import UsageStreams


def make_settler(books: Books, *, policy: LogPolicy | None = None, content: Content | None = None, **more) -> Settler:
    store = make_store(books.engine, content or Content())
    after = AfterBatch(
        store, ArqRedis(books.redis.connection_pool), partitions=PARTITIONS, default_threshold=lambda: 1000
    )
    return Settler(
        UsageStreams(books.redis, books.execute, Keys(PARTITIONS)),
        store,
        after=after,
        partitions=lambda: set(range(PARTITIONS)),
        policy=lambda: policy or LogPolicy(),
        **more,
    )


async def settle_all(settler: Settler) -> int:
    """Apply everything that is in the streams. Returns how many records counted."""
    records = 0
    await settler._find_positions()
    while slices := await settler._streams.read(settler.positions, 500):
        records += (await settler.apply(slices)).records
    return records


async def find_drifts(books: Books) -> list[Drift]:
    return (await reconcile(books.engine, books.execute, PARTITIONS)).drifts
