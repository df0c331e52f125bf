"""Hedged calls: the first channel to answer serves, the other is cut; one hold, one charge, whatever happens to either."""

import asyncio
import json
import time
from collections import Counter

import pytest
from sqlalchemy import insert, select, update

from edge.relay.hedge import Budget
from schema.tables import Ability, Channel, Log, OptionRow
from tests.system import ANSWER, CHUNK, LAST, PRICE, open_system, until

SORRY = b'{"error":{"message":"sorry","type":"server_error","code":"x"}}'
BODY = {"messages": [{"role": "user", "content": "hi"}]}


class Two:
    """Two accounts of one provider: seconds of silence and status by key, and how often a connection was cut on it."""

    def __init__(self):
        self.silence, self.status, self.calls, self.cut = {}, {}, Counter(), Counter()

    async def serve(self, reader, writer):
        key = ""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                body = await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
                key = head.split("authorization: bearer ")[1].split("\r\n")[0]
                self.calls[key] += 1
                gone = asyncio.create_task(reader.read(1))
                done, _ = await asyncio.wait({gone}, timeout=self.silence.get(key, 0))
                if done:
                    self.cut[key] += 1
                    return
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
                self._answer(writer, key, b'"stream":true' in body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _answer(self, writer, key, stream):
        status = self.status.get(key, 200)
        if stream and status == 200:
            data = CHUNK * 3 + LAST
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
            return
        data = ANSWER if status == 200 else SORRY
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(data), data)
        )


@pytest.fixture
async def gateway(tmp_path):
    two = Two()
    async with open_system(tmp_path) as system:
        server = await asyncio.start_server(two.serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await system.seed(HedgeAfterMs="150", HedgeModels="pla*,stream", HedgePercent="100", BreakerEnabled="false")
        async with system.engine.begin() as db:
            await db.execute(update(Channel).values(key="one", base_url=address, priority=9))
            row = {
                "type": 1,
                "key": "two",
                "status": 1,
                "name": "c2",
                "weight": 0,
                "base_url": address,
                "models": "plain,stream,slow",
            }
            await db.execute(insert(Channel).values(id=2, group="default", priority=0, provider="openai", **row))
            for model in ("plain", "stream", "slow"):
                await db.execute(insert(Ability).values(group="default", model=model, channel_id=2, enabled=True))
        system.add_edge()
        system.add_worker()
        await system.ready()
        yield system, two
        server.close()


async def rows(system):
    async with system.engine.connect() as db:
        found = await db.execute(select(Log.request_id, Log.channel_id, Log.quota, Log.other).where(Log.type == 2))
        return {row.request_id: (row.channel_id, row.quota, json.loads(row.other)["admin_info"]) for row in found}


async def test_a_hedged_call_is_served_by_the_first_to_answer_and_charged_once(gateway):
    system, two = gateway
    answered = {}  # request id -> channel that must have served

    async def call(http, model="plain", stream=False, served=1, within_s=10.0, status=200):
        began = time.monotonic()
        answer = await http.post("/v1/chat/completions", json={"model": model, "stream": stream, **BODY})
        assert answer.status_code == status, answer.text
        assert time.monotonic() - began < within_s
        if status == 200:
            assert ("[DONE]" in answer.text) == stream
            answered[answer.headers["x-request-id"]] = served
        return answer

    async with system.client() as http:
        await call(http)
        assert two.calls == {"one": 1}, "a quick channel is not hedged"

        two.silence["one"] = 20.0
        await call(http, served=2)
        await call(http, "stream", stream=True, served=2)
        await until(lambda: _reached(two.cut, {"one": 2}), "the losers' connections were not cut", within_s=5)

        two.silence |= {"one": 0.5, "two": 20.0}
        await call(http, served=1)
        await until(lambda: _reached(two.cut, {"one": 2, "two": 1}), "the loser was not cut", within_s=5)

        two.silence, two.status = {"one": 0.5}, {"two": 500}
        await call(http, served=1)
        two.silence, two.status = {"one": 0.5, "two": 1.0}, {"one": 500}
        await call(http, served=2)
        two.silence, two.status = {"one": 0.4, "two": 0.1}, {"one": 500, "two": 503}
        failed = await call(http, status=500)
        assert failed.json()["error"]["message"].startswith("sorry"), "the first channel's reason"

        two.silence, two.status = {"one": 0.4}, {}
        before = two.calls["two"]
        await call(http, "slow", served=1)
        assert two.calls["two"] == before, "another model is not hedged"

        two.silence = {"one": 20.0, "two": 20.0}
        cut = Counter(two.cut)
        leaving = asyncio.create_task(http.post("/v1/chat/completions", json={"model": "plain", **BODY}))
        await asyncio.sleep(0.6)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await until(
            lambda: _reached(two.cut - cut, {"one": 1, "two": 1}), "both end when the client leaves", within_s=8
        )

    await system.check_books(set(answered))
    found = await rows(system)
    assert {request_id: row[0] for request_id, row in found.items()} == answered
    assert {row[1] for row in found.values()} == {PRICE}
    notes = [row[2].get("hedge") for row in found.values()]
    won = [note for note in notes if note and note["winner"] == 2]
    assert len(won) == 3 and all(note["after_ms"] == 150 for note in won)
    assert [note["loser"] for note in won if "loser" in note] == [1, 1], "the one that failed was not cut"
    assert all(note["lost_quota"] >= 1 for note in notes if note and "loser" in note)
    assert sorted(tuple(row[2]["use_channel"]) for row in found.values() if row[2].get("hedge")) == [("1", "2")] * 5

    await few_calls_are_hedged_where_all_are_slow(system, two)


async def few_calls_are_hedged_where_all_are_slow(system, two):
    async with system.engine.begin() as db:
        await db.execute(update(OptionRow).where(OptionRow.key == "HedgePercent").values(value="1"))
    await system.redis.hincrby("mx:ver", "options", 1)
    await asyncio.sleep(2.5)
    two.silence, two.calls = {"one": 0.4}, Counter()
    async with system.client() as http:
        done = await asyncio.gather(
            *(http.post("/v1/chat/completions", json={"model": "plain", **BODY}) for _ in range(30))
        )
    assert {answer.status_code for answer in done} == {200}
    assert two.calls["one"] == 30 and two.calls["two"] <= 11, "what was saved up, and no more"


async def _reached(found, wanted):
    return dict(found) == wanted


def test_the_budget_is_a_share_with_a_bound():
    budget = Budget()
    assert budget.spend() and not budget.spend()
    hedged = 0
    for _ in range(1000):
        budget.earn(10)
        hedged += budget.spend()
    assert 95 <= hedged <= 101
    for _ in range(1000):
        budget.earn(10)
    assert sum(budget.spend() for _ in range(100)) == 10
