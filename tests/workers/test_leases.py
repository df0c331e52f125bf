"""Partitions are shared out evenly, and those of a dead worker are taken over."""

import subprocess

from schema.ledger.keys import Keys
from tests.schema.ledger.books import PARTITIONS, Books
from workers.leases import Leases

KEYS = Keys(PARTITIONS)


def other(books: Books, host: str, pid: int = 1) -> Leases:
    leases = Leases(books.execute, KEYS, host)
    leases.node = f"{host}:worker:{pid}"
    return leases


async def test_one_worker_takes_all_and_shares_with_a_second(books: Books):
    first, second = other(books, "a"), other(books, "b")
    await first.round()
    assert first.owned == set(range(PARTITIONS))
    await second.round()
    assert second.owned == set()
    await first.round()
    await second.round()
    assert len(first.owned) == len(second.owned) == 2
    assert first.owned | second.owned == set(range(PARTITIONS))


async def test_released_partitions_are_free_at_once(books: Books):
    first, second = other(books, "a"), other(books, "b")
    await first.round()
    await first.release()
    await second.round()
    assert second.owned == set(range(PARTITIONS))


async def test_a_lease_that_ran_out_belongs_to_whoever_took_it(books: Books):
    first, second = other(books, "a"), other(books, "b")
    await first.round()
    await books.redis.delete(*(KEYS.lease(partition) for partition in range(PARTITIONS)), "mx:workers")
    await second.round()
    await first.round()
    assert not first.owned & second.owned


async def test_a_dead_process_of_this_machine_is_not_waited_for(books: Books):
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead, alive = other(books, "here", gone.pid), other(books, "here")
    await dead.round()
    await alive.round()
    assert alive.owned == set(range(PARTITIONS))


async def test_a_process_elsewhere_may_only_seem_dead(books: Books):
    gone = subprocess.Popen(["true"])
    gone.wait()
    far, here = other(books, "far", gone.pid), other(books, "here")
    await far.round()
    await here.round()
    assert here.owned == set()
