"""One of four channels is healthy: no caller notices. A recovered channel serves again. Dead keys are switched off for good."""

import asyncio
import json
import time
from collections import Counter

import httpx
import pytest
from sqlalchemy import insert, select, update

from schema.ledger import signals
from schema.own_tables import ChannelEvent
from schema.tables import Ability, Channel, User
from tests.system import ANSWER, open_system, until

FAILURE = b'{"error":{"message":"sorry","type":"server_error","code":"x"}}'
ADMIN_TOKEN = "a" * 32
DEAD = b'{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}'


class Upstreams:
    """What each key gets: 200, 500, 401 ...; `cut`: the connection ends without an answer."""

    def __init__(self):
        self.by_key, self.calls = {}, Counter()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                await reader.readexactly(length)
                key = head.split("authorization: bearer ")[1].split("\r\n")[0]
                self.calls[key] += 1
                wanted = self.by_key.get(key, 200)
                if wanted == "cut":
                    return
                data = {200: ANSWER, 401: DEAD}.get(wanted, FAILURE)
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                             % (wanted, len(data), data))  # fmt: skip
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
async def gateway(tmp_path):
    """A system with four channels of equal weight, all to one upstream that knows them by their keys."""
    upstreams = Upstreams()
    async with open_system(tmp_path) as system:
        server = await asyncio.start_server(upstreams.serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await system.seed(
            RetryTimes="3", BreakerOpenSeconds="0.5", BreakerOpenSecondsMax="1", AutomaticDisableChannelEnabled="true"
        )
        async with system.engine.begin() as db:
            root = {"username": "root", "password": "", "role": 10, "status": 1, "quota": 0, "aff_code": "r"}
            await db.execute(insert(User).values(id=99, access_token=ADMIN_TOKEN, **root))
            await db.execute(update(Channel).values(key="key1", base_url=address, models="plain"))
            for number in (2, 3, 4):
                await db.execute(insert(Channel).values(
                    id=number, type=1, key=f"key{number}", status=1, name=f"c{number}", weight=0, base_url=address,
                    models="plain", group="default", priority=0, provider="openai", auto_ban=1))  # fmt: skip
                row = {"group": "default", "model": "plain", "channel_id": number, "enabled": True}
                await db.execute(insert(Ability).values(**row))
        system.add_edge()
        await system.ready()
        yield system, upstreams
        server.close()


async def calls(system, count, at_once=10):
    """Statuses of `count` calls."""
    room = asyncio.Semaphore(at_once)
    body = {"model": "plain", "messages": [{"role": "user", "content": "hi"}]}
    async with system.client(limits=httpx.Limits(max_connections=at_once)) as http:

        async def one():
            async with room:
                return (await http.post("/v1/chat/completions", json=body)).status_code

        return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def status_of(system, channel):
    async with system.engine.connect() as db:
        return (await db.execute(select(Channel.status, Channel.other_info).where(Channel.id == channel))).one()


async def administrators_see(system, upstreams):
    """The overview through the real edge: the good one is good, the ill ones have failures; live events flow."""
    headers = {"authorization": ADMIN_TOKEN}
    async with httpx.AsyncClient(base_url=system.address(), headers=headers, timeout=30, trust_env=False) as http:
        page = (await http.get("/api/channel/health?window=300")).json()["data"]
        by_id = {item["channel_id"]: item for item in page["items"]}
        if sum(item["calls"] - item["failures"] for item in by_id.values()) < 200:
            return False  # figures leave the edge every few seconds
        assert by_id[4]["failures"] == 0 and by_id[4]["calls"] == 200 and by_id[4]["latency_ms"]["p95"] > 0
        assert all(by_id[number]["failures"] > 0 for number in (1, 2, 3))
        assert by_id[1]["errors"].keys() == {"server"} and by_id[2]["errors"].keys() == {"connect"}
        errors = (await http.get("/api/channel/1/errors")).json()["data"]
        if not errors:
            return False  # they come with another message
        assert errors[0]["status"] == 500 and errors[0]["message"] == "sorry" and errors[0]["request_ids"]
        async with http.stream("GET", "/api/health/stream") as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            async for line in events.aiter_lines():
                if line == "event: figures":
                    return True
    return False


async def test_with_one_of_four_healthy_all_of_200_calls_succeed_and_the_ill_ones_come_back(gateway):
    system, upstreams = gateway
    upstreams.by_key |= {"key1": 500, "key2": "cut", "key3": 503}
    assert await calls(system, 200) == {200: 200}
    assert sum(upstreams.calls[f"key{n}"] for n in (1, 2, 3)) < 150, "breakers keep most calls away from the ill ones"
    await until(lambda: administrators_see(system, upstreams), "the health page shows it", within_s=30)
    upstreams.by_key.clear()
    upstreams.calls.clear()

    async def all_serve():
        assert set(await calls(system, 20)) == {200}
        return all(upstreams.calls[f"key{n}"] > 3 for n in (1, 2, 3, 4))

    begun = time.monotonic()
    await until(all_serve, f"a recovered channel serves again: {upstreams.calls}", within_s=30)
    print(
        f"\n200 of 200 calls with one of four channels healthy; all four serve again after {time.monotonic() - begun:.1f} s"
    )


async def test_a_dead_key_switches_its_channel_off_with_evidence_and_one_stray_error_does_not(gateway):
    system, upstreams = gateway
    upstreams.by_key["key2"] = 401

    async def one_error():
        assert set(await calls(system, 1)) == {200}  # one at a time: of four at once three may meet the dead key
        return upstreams.calls["key2"]

    await until(one_error, "the channel is tried")
    upstreams.by_key["key2"] = 200
    assert (await status_of(system, 2)).status == 1
    upstreams.by_key["key3"] = 401

    async def switched_off():
        assert set(await calls(system, 8)) == {200}
        return (await status_of(system, 3)).status == 3

    await until(switched_off, "three refusals switch it off")
    info = json.loads((await status_of(system, 3)).other_info)
    assert "Incorrect API key" in info["status_reason"] and info["status_time"] > 0
    async with system.engine.connect() as db:
        events = (await db.execute(select(ChannelEvent).where(ChannelEvent.channel_id == 3))).all()
        disabled = (await db.execute(select(Ability.enabled).where(Ability.channel_id == 3))).scalars().all()
    assert len(events) == 1 and events[0].actor == "rule:3" and events[0].status_code == 401 and events[0].request_id
    assert disabled == [False]
    assert await system.redis.exists("arq:queue") == 0, "no root account, no notice"

    async def left_alone():
        upstreams.calls.clear()
        assert set(await calls(system, 20)) == {200}
        return upstreams.calls["key3"] == 0

    await until(left_alone, "no call goes there any more", within_s=5)


async def test_the_dead_key_of_a_multi_key_channel_is_retired_and_the_channel_serves_on(gateway):
    system, upstreams = gateway
    upstreams.by_key |= {"key-a": 401}
    async with system.engine.begin() as db:
        await db.execute(update(Channel).where(Channel.id != 1).values(status=2))
        setting = {"key": "key-a\nkey-b", "setting": '{"multi_key":"round_robin"}', "auto_ban": 1}
        await db.execute(update(Channel).where(Channel.id == 1).values(**setting))
    await signals.changed(system.redis, "channels")

    async def retired():
        await calls(system, 4, at_once=2)
        return "retired_keys" in ((await status_of(system, 1)).other_info or "")

    await until(retired, "the dead key is retired")
    assert (await status_of(system, 1)).status == 1

    async def only_the_good_one():
        upstreams.calls.clear()
        assert set(await calls(system, 10)) == {200}
        return upstreams.calls == {"key-b": 10}

    await until(only_the_good_one, "the other key serves", within_s=10)
