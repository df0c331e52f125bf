"""Notices of switched-off channels: to root, and one summary instead of a flood."""

import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis
from sqlalchemy import insert

from schema.database import make_engine
from schema.migrate import migrate
from schema.tables import User
from schema.upstreams.status import FLOOD_MAX, notify


@pytest.fixture
async def queue(tmp_path, valkey_server):
    engine = make_engine("", sqlite_path=str(tmp_path / "one.db"))
    await migrate(engine)
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    yield engine, redis
    await redis.aclose()
    await engine.dispose()


async def test_nobody_to_tell(queue):
    engine, redis = queue
    await notify(engine, redis, "channel_update_1_3", name="c")
    assert not await redis.exists("arq:queue")


async def test_many_at_once_become_one_summary(queue):
    engine, redis = queue
    async with engine.begin() as db:
        root = {"username": "root", "password": "", "role": 100, "status": 1, "quota": 0, "aff_code": "r"}
        await db.execute(insert(User).values(id=7, **root))
    for number in range(FLOOD_MAX + 20):
        await notify(engine, redis, f"channel_update_{number}_3", name="c", id=number, reason="no")
    jobs = await ArqRedis(connection_pool=redis.connection_pool).queued_jobs()
    kinds = sorted(job.args[1] for job in jobs)
    assert {job.function for job in jobs} == {"notify"} and {job.args[0] for job in jobs} == {7}
    assert kinds == sorted([*(f"channel_update_{n}_3" for n in range(FLOOD_MAX)), "channel_update_many"])
