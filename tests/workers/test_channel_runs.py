"""Runs over all channels by the workers: one at a time, statuses by the rules, probes that bring a channel back."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, select

from schema.config import read_config
from schema.database import make_engine
from schema.migrate import migrate
from schema.options import read_options
from schema.own_tables import ChannelEvent
from schema.tables import Ability, Channel
from schema.upstreams.runs import RUN_LOCK, RUNS
from workers.jobs import channels

CHAT = json.dumps({
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}).encode()  # fmt: skip
DEAD = b'{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}'


class Stage:
    """A worker's context, an upstream that knows channels by their keys, and the rows."""

    def __init__(self, worker, upstream_address, answers):
        self.worker, self.address, self.answers = worker, upstream_address, answers
        self.ctx = {"worker": worker}
        self.queued = []

    def set_options(self, **rows):
        self.worker.options.current = read_options(rows)

    async def add(self, number, *, status=1, **more):
        row = {"id": number, "type": 1, "key": f"key{number}", "status": status, "name": f"c{number}", "group": "default",
               "models": "m", "base_url": self.address, "auto_ban": 1, "provider": "openai", **more}  # fmt: skip
        async with self.worker.engine.begin() as db:
            await db.execute(insert(Channel).values(**row))
            await db.execute(insert(Ability).values(group="default", model="m", channel_id=number, enabled=status == 1))

    async def statuses(self):
        async with self.worker.engine.connect() as db:
            return dict((await db.execute(select(Channel.id, Channel.status))).tuples().all())


@pytest.fixture
async def stage(tmp_path, valkey_server):
    answers = {}

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
        status, body = answers.get(head.split("bearer ")[1].split("\r\n")[0], (200, CHAT))
        writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                     % (status, len(body), body))  # fmt: skip
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    engine = make_engine("", sqlite_path=str(tmp_path / "one.db"))
    await migrate(engine)
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    queued = []

    async def enqueue(*arguments):
        queued.append(arguments)

    redis.enqueue_job = enqueue
    options = SimpleNamespace(current=read_options({}))

    async def refresh():
        return options.current

    options.refresh = refresh
    config = read_config({"SESSION_SECRET": "s" * 32})
    worker = SimpleNamespace(config=config, engine=engine, log_engine=engine, redis=redis, options=options, node="w")
    one = Stage(worker, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", answers)
    one.queued = queued
    yield one
    server.close()
    await redis.aclose()
    await engine.dispose()


async def test_a_run_switches_by_the_rules_and_tells_its_progress(stage):
    stage.answers |= {"key2": (401, DEAD), "key3": (500, b"{}"), "key4": (401, DEAD)}
    for number in (1, 2, 3):
        await stage.add(number)
    await stage.add(4, auto_ban=0)
    await stage.add(5, status=2)
    await stage.add(6, status=3)
    stage.set_options(AutomaticDisableChannelEnabled="true", AutomaticEnableChannelEnabled="true")
    await stage.worker.redis.set(RUN_LOCK, "r1")
    await channels.test_channels(stage.ctx, "r1", "all", False)
    assert await stage.statuses() == {1: 1, 2: 3, 3: 1, 4: 1, 5: 2, 6: 1}, "5 was switched off by a person"
    assert await stage.worker.redis.get(RUN_LOCK) is None, "the next run may begin"
    progress = json.loads(await stage.worker.redis.get(RUNS + "r1"))
    assert (progress["total"], progress["done"], progress["passed"]) == (5, 5, 2)
    assert (progress["disabled"], progress["enabled"]) == (1, 1) and progress["finished_s"] > 0


async def test_with_the_option_off_nothing_is_switched(stage):
    stage.answers |= {"key1": (401, DEAD)}
    await stage.add(1)
    await stage.add(2, status=3)
    await channels.test_channels(stage.ctx, "r1", "all", False)
    assert await stage.statuses() == {1: 1, 2: 3}


async def test_a_channel_with_a_dead_key_must_pass_twice_to_come_back(stage):
    await stage.add(1, status=3, other_info=json.dumps({"status_time": int(time.time()) - 61, "status_reason": "x"}))
    async with stage.worker.engine.begin() as db:
        event = {"channel_id": 1, "at_ms": 1, "kind": "status", "actor": "rule:3", "from_status": 1, "to_status": 3}
        await db.execute(insert(ChannelEvent).values(**event))
    stage.set_options(AutomaticEnableChannelEnabled="true")
    assert await channels.probe_switched_off(stage.worker) == 1
    assert await stage.statuses() == {1: 3}, "once may be the last breath"
    assert await channels.probe_switched_off(stage.worker) == 0, "not before the next mark"
    async with stage.worker.engine.begin() as db:
        info = json.dumps({"status_time": int(time.time()) - 3 * 3600})
        await db.execute(Channel.__table__.update().values(other_info=info))
        await db.execute(ChannelEvent.__table__.update().values(at_ms=int(time.time() - 2 * 3600) * 1000))
    assert await channels.probe_switched_off(stage.worker) == 1
    assert await stage.statuses() == {1: 1}


async def test_the_schedule_enqueues_once_for_many_workers(stage):
    stage.set_options(ChannelTestIntervalMinutes="1")
    async with stage.worker.engine.begin() as db:
        await db.exec_driver_sql("INSERT INTO options VALUES ('ChannelTestIntervalMinutes', '1')")
    await channels.start_due(stage.ctx)
    assert stage.queued == [], "the first run comes one interval after the setting"
    await stage.worker.redis.set("mx:channels:next:tests", f"{time.time() - 1} 1.0")
    await asyncio.gather(channels.start_due(stage.ctx), channels.start_due(stage.ctx))
    assert [one[0] for one in stage.queued] == ["test_channels"]
