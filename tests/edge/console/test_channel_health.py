"""The health pages' figures: from the edges' minutes, after they were merged into SQL, and together without counting twice."""

import asyncio
import time

import pytest
from sqlalchemy import insert

from edge.console.channel_figures import Figures, Found, even_span, spark
from edge.console.channel_health import bars, figures, usual
from edge.console.channel_verdicts import failed_since_success, state_of
from edge.console.health_stream import watch
from schema.health import (
    ERRORS,
    MINUTE,
    NODES,
    Cell,
    Gate,
    MinuteCell,
    NodeState,
    Sample,
    percentile,
    write_cell,
    write_cells,
    write_node,
    write_sample,
)  # fmt: skip
from schema.own_tables import ChannelBalance, ChannelHealth
from tests.edge.console.test_channel_tests import make
from workers.jobs.channel_figures import merge_until


def cell(ok=0, failed=0, ms_bucket=3, **more):
    made = Cell(ok=ok, failed=failed, **more)
    made.latency[ms_bucket] = made.first_byte[ms_bucket] = ok
    return made


async def put(redis, minute, node, *cells):
    await redis.hset(f"{MINUTE}{minute}", node, write_cells([MinuteCell(*one) for one in cells]))


@pytest.fixture
async def busy(console):
    """Channel 1 bad, channel 2 good, over the last ten whole minutes, on two edges; a minute that has just begun is in no window."""
    figures._cache.clear()
    usual._until = 0.0
    async with console.visitor() as http:
        await console.set_up(http)

        class Nowhere:
            address = "http://127.0.0.1:9"

        one = await make(http, Nowhere, name="one", models="m,n")
        two = await make(http, Nowhere, name="two")
        redis = console.services.redis
        minute = int(time.time()) // 60 - 1
        for back in range(10):
            await put(
                redis, minute - back, "a", (one, "m", cell(4, 2, errors={"server": 2}, quota=10)), (two, "m", cell(10))
            )
            await put(
                redis, minute - back, "b", (one, "n", cell(1, 0, excused=3)), (two, "m", cell(10, prompt_tokens=7))
            )
        yield console, http, one, two, minute


async def test_overview_detail_and_sums_agree(busy):
    console, http, one, two, _ = busy
    redis = console.services.redis
    gate = Gate(one, "m", 2, int(time.time() * 1000) + 5000, 0, "server")
    await redis.hset(NODES, "a", write_node(NodeState(int(time.time() * 1000), {one: 3}, [gate])))
    await redis.hset(NODES, "gone", write_node(NodeState(int(time.time() * 1000) - 60_000, {one: 50}, [])))
    page = (await http.get("/api/channel/health?window=3600")).json()["data"]
    by_id = {item["channel_id"]: item for item in page["items"]}
    bad, good = by_id[one], by_id[two]
    assert (bad["calls"], bad["failures"], bad["client_errors"]) == (70, 20, 30)
    assert (
        bad["state"] == "bad" and bad["breaker"] == "open" and bad["in_flight"] == 3 and bad["errors"] == {"server": 20}
    )
    assert bad["success_ratio"] == pytest.approx(50 / 70) and bad["quota"] == 100
    assert good["state"] == "good" and good["calls"] == 200 and good["rpm"] > 0 and good["tpm"] > 0
    assert sum(bad["sparkline"]["ok"]) == 50 and sum(bad["sparkline"]["failed"]) == 20
    assert 100 < good["latency_ms"]["p95"] <= 140
    assert page["totals"]["calls"] == 270 and page["totals"]["previous"]["calls"] == 0
    now = int(time.time())
    detail = (await http.get(f"/api/channel/{one}/health?from={now - 3600}&to={now}&step=60")).json()["data"]
    assert sum(bucket["calls"] for bucket in detail["buckets"]) == 70
    assert sum(bucket["calls"] for bucket in detail["week"]) == 70 and len(detail["week"]) == 168
    assert {m["model"]: m["calls"] for m in detail["models"]} == {"m": 60, "n": 10}
    assert {m["model"]: m["breaker"] for m in detail["models"]} == {"m": "open", "n": "closed"}
    assert detail["channel"]["calls"] == 70


async def test_windows_and_models(busy):
    console, http, one, _, minute = busy
    now = (await http.get("/api/health")).json()["data"]
    five = now["windows"][1]
    assert five["calls"] >= 4 * 27 and five["failures"] * 270 == 20 * five["calls"]
    assert 100 < five["latency_ms"]["p50"] <= five["latency_ms"]["p99"] <= 140 and five["errors"].keys() == {"server"}
    assert now["windows"][2]["calls"] == 270 and now["windows"][2]["success_ratio"] == pytest.approx(250 / 270)
    models = (await http.get("/api/health/models?window=3600")).json()["data"]
    assert [(m["model"], m["calls"], m["channels"]) for m in models] == [("m", 260, 2), ("n", 10, 1)]
    assert models[0]["tokens"] == 70 and models[1]["client_errors"] == 30 and models[1]["success_ratio"] == 1
    await merge_until(console.services.engine, console.services.redis, (minute + 1) * 60)
    day = (await http.get("/api/health/models?window=86400")).json()["data"]
    assert [(m["model"], m["calls"], m["channels"]) for m in day] == [("m", 260, 2), ("n", 10, 1)]
    same = (await http.get(f"/api/health/channels/{one}")).json()["data"]
    assert same["channel"]["calls"] == 70
    assert len((await http.get("/api/health/channels?window=3600")).json()["data"]["items"]) == 2
    async with console.visitor() as stranger:
        assert (await stranger.get("/api/health")).status_code == 401


async def test_minutes_move_into_spans_exactly_once(busy):
    console, http, one, _, minute = busy
    services = console.services
    end = (minute - 2) * 60 + 59
    assert await merge_until(services.engine, services.redis, end) > 0
    assert await merge_until(services.engine, services.redis, end) == 0
    day = (await http.get("/api/channel/health?window=86400")).json()["data"]
    assert {item["channel_id"]: item["calls"] for item in day["items"]}[one] == 70, "merged ones and the newest minutes"
    await merge_until(services.engine, services.redis, (minute + 1) * 60)
    found = (await Figures().read(services, minute * 60 - 86_400, minute * 60 + 60, channel_id=one)).cells
    assert sum(held.calls for _, key, held in found if key[1] == "") == 70
    assert sum(held.calls for _, key, held in found if key[1] == "m") == 60
    week = (await Figures().read(services, minute * 60 - 7 * 86_400, minute * 60 + 60)).cells
    assert sum(held.calls for _, key, held in week if key[0] == one) == 70


async def test_errors_events_draining_and_days_left(busy):
    console, http, one, two, _ = busy
    services = console.services
    sample = Sample("auth", 401, "Incorrect key", "m", 100, 200, 3, ["r1"])
    await services.redis.hset(f"{ERRORS}{one}", "a|auth|401|Incorrect key|m", write_sample(sample))
    later = Sample("auth", 401, "Incorrect key", "m", 50, 300, 4, ["r2"])
    await services.redis.hset(f"{ERRORS}{one}", "b|auth|401|Incorrect key|m", write_sample(later))
    rows = (await http.get(f"/api/channel/{one}/errors")).json()["data"]
    assert [(r["count"], r["first_at"], r["last_at"], r["request_ids"]) for r in rows] == [(7, 50, 300, ["r1", "r2"])]
    assert (await http.post(f"/api/channel/{two}/drain")).json()["success"]
    page = (await http.get("/api/channel/health?window=300")).json()["data"]
    assert {item["channel_id"]: item["drained"] for item in page["items"]} == {one: False, two: True}
    assert (await http.post(f"/api/channel/{two}/undrain")).json()["success"]
    history = (await http.get(f"/api/channel/{two}/events")).json()["data"]
    assert [event["kind"] for event in history] == ["drain", "drain"] and history[0]["actor"].startswith("user:")
    assert not (await http.post("/api/channel/999/drain")).json()["success"]
    now_ms = int(time.time() * 1000)
    async with services.engine.begin() as db:
        for days, balance in ((4, 100.0), (2, 80.0), (0, 60.0)):
            at_ms = now_ms - days * 86_400_000
            await db.execute(
                insert(ChannelBalance).values(channel_id=one, at_ms=at_ms, balance=balance, currency="USD")
            )
    page = (await http.get("/api/channel/health?window=300")).json()["data"]
    assert {item["channel_id"]: item["days_left"] for item in page["items"]}[one] == pytest.approx(6, rel=0.01)


async def test_switching_by_hand_is_history_and_a_channel_of_many_keys_is_one(console):
    async with console.visitor() as http:
        await console.set_up(http)

        class Nowhere:
            address = "http://127.0.0.1:9"

        one = await make(http, Nowhere, key="a\nb\nc", setting='{"multi_key":"random"}')
        listed = (await http.get("/api/channel/")).json()["data"]
        assert len(listed) == 1, "one channel with three keys"
        bad = {"id": one, "setting": '{"multi_key":"sometimes"}'}
        assert (await http.put("/api/channel/", json=bad)).json()["code"] == "invalid_multi_key"
        for status in (2, 2, 1):
            assert (await http.put("/api/channel/", json={"id": one, "status": status})).json()["success"]
        history = (await http.get(f"/api/channel/{one}/events")).json()["data"]
        assert [(e["from_status"], e["to_status"]) for e in history] == [(2, 1), (1, 2)]
        assert history[1]["off_s"] is not None and history[0]["actor"].startswith("user:")


async def test_live_events_and_who_may_see_them(busy):
    console, *_ = busy
    events = watch(console.services)
    assert (await anext(events)).startswith(b"retry:")
    assert b"event: figures" in await asyncio.wait_for(anext(events), 10)
    await console.services.redis.hincrby("mx:ver", "channels", 1)
    assert b"event: channels" in await asyncio.wait_for(anext(events), 10)
    await events.aclose()
    async with console.visitor() as stranger:
        for path in ("/api/channel/health", "/api/channel/1/health", "/api/channel/1/errors", "/api/health/stream"):
            assert (await stranger.get(path)).status_code == 401


def test_percentiles():
    assert percentile([0] * 33, 0.5) is None
    histogram = [0] * 33
    histogram[2], histogram[10] = 90, 10
    assert 70 < percentile(histogram, 0.5) <= 100
    assert 900 < percentile(histogram, 0.95) <= 1200


@pytest.mark.parametrize("into_the_minute", [0, 1, 40, 59])
def test_sparkline_holds_one_minute_in_each_bar(into_the_minute):
    """A window of an hour touches 61 minutes; the oldest is none of the sixty bars."""
    now_s = 1_764_200_000 // 60 * 60 + into_the_minute
    minutes = [(at, (1, ""), cell(3, 1)) for at in range((now_s - 3600) // 60 * 60, now_s + 1, 60)]
    assert len(minutes) == 61
    assert spark(minutes, now_s, 60, 60) == ([3] * 60, [1] * 60)


@pytest.mark.parametrize(
    ("window_s", "step_s", "expected"),
    [
        pytest.param(300, 60, (60, 5), id="five minutes: a bar a minute"),
        pytest.param(3600, 60, (60, 60), id="an hour"),
        pytest.param(86_400, 600, (1800, 48), id="a day: three tens of minutes a bar"),
        pytest.param(7 * 86_400, 3600, (10_800, 56), id="a week: three hours a bar"),
        pytest.param(7 * 86_400, 86_400, (86_400, 7), id="a week of many channels: a day a bar"),
    ],
)
def test_every_bar_of_a_sparkline_holds_equally_many_cells(window_s, step_s, expected):
    span_s, count = expected
    assert even_span(-(-window_s // 60), step_s) == span_s
    now_s = 1_764_200_000 // 86_400 * 86_400 + 86_400 - 1  # the last span is whole
    cells = [(at, (1, ""), cell(1)) for at in range((now_s - 2 * window_s) // step_s * step_s, now_s + 1, step_s)]
    found = bars(Found(cells, step_s), now_s, window_s)
    assert found.ok == [span_s // step_s] * count and found.failed == [0] * count


FAST, SLOW = 3, 9  # buckets of latency: about 140 and 900 ms


@pytest.mark.parametrize(
    ("status", "total", "run", "p95_ms", "usual_ms", "expected"),
    [
        pytest.param(2, cell(100), 0, 100, 100, "off", id="switched off"),
        pytest.param(1, cell(4), 0, 100, 100, "idle", id="too few calls to say"),
        pytest.param(1, cell(80, 20), 0, 100, 100, "bad", id="a fifth fails"),
        pytest.param(1, cell(1000, 5), 5, 100, 100, "bad", id="good on the whole, but the last five failed"),
        pytest.param(1, cell(1000, 4), 4, 100, 100, "good", id="four in a row are not five"),
        pytest.param(1, cell(95, 5), 0, 100, 100, "degraded", id="a twentieth fails"),
        pytest.param(1, cell(100), 0, 201, 100, "degraded", id="slower than twice the usual"),
        pytest.param(1, cell(100), 0, 200, 100, "good", id="twice the usual is not slower than that"),
        pytest.param(1, cell(19), 0, 900, 100, "good", id="slow, but too few answers to say"),
        pytest.param(1, cell(100), 0, 900, None, "good", id="nothing usual is known"),
    ],
)
def test_state(status, total, run, p95_ms, usual_ms, expected):
    assert state_of(status, total, failed_in_a_row=run, p95_ms=p95_ms, usual_p95_ms=usual_ms) == expected


def test_failures_in_a_row_are_those_after_the_last_success():
    minutes = [(0, cell(9, 1, last_ok_s=50)), (60, cell(3, 4, last_ok_s=70)), (120, cell(0, 2)), (180, cell(0, 3))]
    assert failed_since_success(minutes) == 5
    assert failed_since_success([*minutes, (240, cell(1, 0, last_ok_s=241))]) == 0


async def test_a_channel_slower_than_its_own_week_is_marked(busy):
    console, http, one, two, minute = busy
    today = minute * 60 // 86_400 * 86_400
    async with console.services.engine.begin() as db:
        for day, bucket in (
            (1, FAST),
            (2, FAST),
            (3, SLOW),
            (8, SLOW),
        ):  # one slow day is not what is usual; eight days ago is long ago
            data = write_cell(cell(30, ms_bucket=bucket))
            await db.execute(
                insert(ChannelHealth).values(step=86_400, at=today - day * 86_400, channel_id=two, model="", cell=data)
            )
    page = (await http.get("/api/channel/health?window=3600")).json()["data"]
    before = next(item for item in page["items"] if item["channel_id"] == two)
    assert 100 < before["usual_p95_ms"] <= 140 and not before["slower"] and before["state"] == "good"
    figures._cache.clear()
    await put(console.services.redis, minute, "slow", (two, "m", cell(300, ms_bucket=SLOW)))
    page = (await http.get("/api/channel/health?window=3600")).json()["data"]
    after = {item["channel_id"]: item for item in page["items"]}
    assert after[two]["slower"] and after[two]["state"] == "degraded"
    assert after[one]["usual_p95_ms"] is None and not after[one]["slower"]
    assert page["totals"]["rpm"] >= after[two]["rpm"] > 0 and page["totals"]["tpm"] > 0


async def test_models_tell_on_which_channels_they_fail(busy):
    console, http, one, two, _ = busy
    await console.services.redis.hset(
        NODES, "a", write_node(NodeState(int(time.time() * 1000), {}, [Gate(one, "m", 2, 0, 0, "server")]))
    )
    models = (await http.get("/api/health/models?window=3600")).json()["data"]
    m = models[0]
    assert m["state"] == "degraded" or m["state"] == "bad"
    assert [(on["channel_id"], on["name"], on["calls"], on["failures"], on["breaker"]) for on in m["on_channels"]] == [
        (one, "one", 60, 20, "open"),
        (two, "two", 200, 0, "closed"),
    ]
    assert sum(m["sparkline"]["ok"]) == 240 and sum(m["sparkline"]["failed"]) == 20 and m["rpm"] > 0


async def test_the_week_and_the_history_of_all_channels(busy):
    console, http, one, two, minute = busy
    await merge_until(console.services.engine, console.services.redis, (minute + 1) * 60)
    rows = (await http.get(f"/api/health/week?ids={one},{two}")).json()["data"]
    assert [(r["channel_id"], len(r["calls"]), sum(r["calls"]), sum(r["failures"])) for r in rows] == [
        (one, 168, 70, 20),
        (two, 168, 200, 0),
    ]
    assert (await http.get("/api/health/week?ids=1,x")).json()["code"] == "invalid_ids"
    many = ",".join(map(str, range(51)))
    assert (await http.get(f"/api/health/week?ids={many}")).json()["code"] == "too_many_ids"
    for channel, status in ((one, 2), (two, 2), (one, 1)):
        assert (await http.put("/api/channel/", json={"id": channel, "status": status})).json()["success"]
    found = (await http.get("/api/health/events")).json()["data"]
    assert [(e["channel_id"], e["name"], e["to_status"]) for e in found] == [
        (one, "one", 1),
        (two, "two", 2),
        (one, "one", 2),
    ]
    assert [e["off_s"] is None for e in found] == [True, True, False], "two is still off"
    async with console.visitor() as stranger:
        for path in ("/api/health/week?ids=1", "/api/health/events"):
            assert (await stranger.get(path)).status_code == 401
