"""A user is told once, when his balance crosses the threshold."""

import pytest
from arq.jobs import Job
from sqlalchemy import update

from schema.tables import User
from tests.schema.ledger.books import Books, make_record
from tests.workers.settling import make_settler, settle_all


async def queued(books: Books) -> list[bytes]:
    return await books.redis.zrange("arq:queue", 0, -1)


@pytest.mark.parametrize(
    ("start", "setting", "told"),
    [
        pytest.param(1300, "", 0, id="stays above"),
        pytest.param(1200, "", 1, id="crosses the default of 1000"),
        pytest.param(900, "", 0, id="was below already"),
        pytest.param(1200, '{"quota_warning_threshold":500}', 0, id="own threshold is lower"),
        pytest.param(600, '{"quota_warning_threshold":500}', 1, id="crosses his own"),
        pytest.param(1200, "not json", 1, id="unreadable settings count as none"),
    ],
)
async def test_crossing(books: Books, start: int, setting: str, told: int):
    await books.add_user(1, start)
    async with books.engine.begin() as db:
        await db.execute(update(User).where(User.id == 1).values(setting=setting))
    await books.hot.settle(make_record("a", quota=225))
    await settle_all(make_settler(books))
    assert len(await queued(books)) == told


async def test_told_with_the_new_balance_and_not_again_within_the_hour(books: Books):
    await books.add_user(1, 1200)
    for name in ("a", "b"):
        await books.hot.settle(make_record(name, quota=225))
        await settle_all(make_settler(books))
    (job_id,) = await queued(books)
    from arq.connections import ArqRedis

    info = await Job(job_id.decode(), ArqRedis(books.redis.connection_pool)).info()
    assert info.function == "notify"
    assert info.args == (1, "quota_exceed", {"quota": 975, "threshold": 1000})
