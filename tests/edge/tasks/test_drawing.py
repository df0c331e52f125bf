"""A drawing from submit to picture: money held, settled, given back exactly once; what clients and predecessors read."""

import asyncio

from sqlalchemy import insert, update

from schema.tables import AsyncTask, Channel, LedgerEntry, Midjourney, QuotaData, Token, UsageHourly
from tests.edge.tasks.conftest import BALANCE


async def test_a_drawing_is_charged_when_accepted_and_fetched_when_done(bed):
    answer = await bed.imagine("a cat --fast", state="mine", notifyHook="https://me.example.com")
    assert answer["status"] == 200 and answer["code"] == 1 and answer["result"]
    task_id = answer["result"]
    _, path, headers, body = bed.upstream.requests[-1]
    assert (path, headers["mj-api-secret"]) == ("/mj/submit/imagine", "mj-secret")
    assert body == {"prompt": "a cat --fast", "state": "mine"} and "authorization" not in headers
    assert await bed.moves() == [("settle", -50_000)]
    await bed.check_books(spent=50_000)
    [log] = await bed.logs(2)
    assert (log.quota, log.model_name, log.prompt_tokens, log.channel_id) == (50_000, "mj_imagine", 0, 1)
    assert '"model_price":0.1' in log.other and task_id in log.content
    assert [(row.count, row.quota) for row in await bed.rows(QuotaData)] == [(1, 50_000)]
    assert [(row.calls, row.quota) for row in await bed.rows(UsageHourly)] == [(1, 50_000)]
    first = (await bed.http.get(f"/mj/task/{task_id}/fetch")).json()
    assert (first["status"], first["progress"], first["prompt"]) == ("SUBMITTED", "0%", "a cat --fast")
    bed.upstream.move(task_id, status="IN_PROGRESS", progress="37%", imageUrl="https://cdn.example.com/half.png")
    assert (await bed.look()).changed == 1
    half = (await bed.http.get(f"/mj-fast/mj/task/{task_id}/fetch")).json()
    assert half["progress"] == "37%"
    assert half["imageUrl"].startswith(f"https://gateway.example.com/mj/image/{task_id}?rand=")
    bed.upstream.finish(task_id)
    await bed.look()
    done = (await bed.http.get(f"/mj/task/{task_id}/fetch")).json()
    assert (done["status"], done["progress"]) == ("SUCCESS", "100%") and done["buttons"][0]["label"] == "U1"
    assert done["imageUrl"] == f"https://gateway.example.com/mj/image/{task_id}"
    [shown] = await bed.rows(Midjourney)
    assert (shown.mj_id, shown.status, shown.progress, shown.quota) == (task_id, "SUCCESS", "100%", 50_000)
    assert (await bed.look()).asked == 0, "a finished task is not asked for again"
    await bed.check_books(spent=50_000)


async def test_the_group_auto_prices_a_drawing_by_the_first_group_that_draws(bed):
    async with bed.engine.begin() as db:
        await db.execute(update(Token).where(Token.id == 1).values(group="auto"))
    await bed.set_options(AutoGroups='["svip","vip","default"]', GroupRatio='{"default":1,"vip":2,"svip":9}',
                          UserUsableGroups='{"vip":"","default":""}')  # fmt: skip
    first = await bed.imagine()
    await bed.set_channel(1, group="svip,vip,default")
    second = await bed.imagine("a dog")
    assert [first["code"], second["code"]] == [1, 1], (first, second)
    assert [row.group for row in await bed.logs(2)] == ["default", "vip"]
    assert await bed.moves() == [("settle", -50_000), ("settle", -100_000)]
    await bed.set_channel(1, group="svip")
    refused = await bed.imagine("a bird")
    assert refused["status"] == 503 and "group auto" in str(refused)


async def test_a_failure_gives_everything_back_once(bed):
    async with bed.client(3) as http:  # a limited token
        task_id = (await http.post("/mj/submit/imagine", json={"prompt": "x"})).json()["result"]
    assert (await bed.token(3)).remain_quota == 70_000
    bed.upstream.fail(task_id)
    await asyncio.gather(*(bed.look() for _ in range(4)))
    assert await bed.moves() == [("settle", -50_000), ("refund", 50_000)]
    token = await bed.token(3)
    assert (token.remain_quota, token.used_quota) == (120_000, 0)  # D-14
    assert (await bed.user()).request_count == 1
    assert [(row.count, row.quota) for row in await bed.rows(QuotaData)] == [(1, 0)]
    [refund] = await bed.logs(4)
    assert refund.quota == 50_000 and task_id in refund.content and '"refund":true' in refund.other
    row = await bed.task()
    assert (row.status, row.billing_state, row.fail_reason) == ("FAILURE", "refunded", "banned by the provider")
    [shown] = await bed.rows(Midjourney)
    assert (shown.status, shown.progress, shown.fail_reason) == ("FAILURE", "100%", "banned by the provider")
    await bed.check_books(spent=0)


async def test_what_the_upstream_declines_costs_nothing(bed):
    bed.upstream.plan = [24, 23, 4, (500, {"error": "x"}), (200, "no object"), "cut", (429, {"code": 30})]
    answers = [await bed.imagine() for _ in range(7)]
    assert [(one["status"], one.get("code")) for one in answers] == [
        (200, 24), (200, 23), (200, 4), (500, None), (400, 5), (400, 5), (429, 30)
    ]  # fmt: skip
    assert await bed.moves() == []
    rows = await bed.rows(AsyncTask)
    assert {(row.status, row.billing_state) for row in rows} == {("FAILURE", "released")} and len(rows) == 7
    assert rows[0].fail_reason == "code 24"
    assert [row.quota for row in await bed.rows(Midjourney)] == [0] * 7  # D-3
    await bed.check_books(spent=0)


async def test_codes_21_and_22_become_1_and_a_dialog_stays_21(bed):
    done = {"status": "SUCCESS", "imageUrl": "https://cdn.example.com/x.png", "progress": "100%"}
    bed.upstream.plan = [(200, {"code": 22, "description": "queued", "result": "q1", "properties": {"numberOfQueues": 3}}),
                         (200, {"code": 21, "description": "exists", "result": "e1", "properties": done})]  # fmt: skip
    assert [(await bed.imagine())["code"] for _ in range(2)] == [1, 1]
    row = await bed.task(AsyncTask.upstream_id == "e1")
    assert (row.status, row.progress, row.billing_state, row.next_poll_at) == ("SUCCESS", "100%", "settled", 0)
    bed.upstream.plan = [(200, {"code": 21, "description": "waiting", "result": "e2"})]
    press = {"taskId": "e1", "customId": "MJ::Inpaint::1::x::SOLO"}
    answer = (await bed.http.post("/mj/submit/action", json=press)).json()
    assert answer["code"] == 21
    assert await bed.moves() == [("settle", -50_000)] * 2
    bed.upstream.plan = [(200, {"code": 1, "description": "ok", "result": "e2"})]
    bed.upstream.tasks["e2"] = {
        "id": "e2",
        "status": "SUCCESS",
        "progress": "100%",
        "imageUrl": "https://cdn.example.com/y",
    }
    modal = await bed.http.post("/mj/submit/modal", json={"taskId": "e2", "maskBase64": "m", "prompt": "hat"})
    assert modal.json()["code"] == 1
    await bed.look()  # D-11: both rows of the id move in one round
    assert {row.status for row in await bed.rows(AsyncTask, AsyncTask.upstream_id == "e2")} == {"SUCCESS"}
    shown = (await bed.http.get("/mj/task/e2/fetch")).json()
    assert (shown["action"], shown["status"], shown["prompt"]) == ("MODAL", "SUCCESS", "hat")
    await bed.check_books(spent=150_000)


async def test_two_at_once_cannot_spend_the_same_balance(bed):  # D-12
    await bed.set_options(ModelPrice='{"mj_imagine":1.5}')  # 750 000 of a million
    bed.upstream.latency_s = 0.1
    answers = await asyncio.gather(*(bed.imagine() for _ in range(4)))
    assert sorted(one["status"] for one in answers) == [200, 400, 400, 400]
    assert {one["description"] for one in answers if one["status"] == 400} == {
        "the user's quota is too small for this task"
    }
    await bed.check_books(spent=750_000)
    async with bed.client(3) as http:  # the token's own limit counts as well
        await bed.set_options(ModelPrice='{"mj_imagine":0.25}')
        assert (await http.post("/mj/submit/imagine", json={"prompt": "x"})).status_code == 400


async def test_prices_follow_action_mode_and_group(bed):
    await bed.set_options(ModelPrice='{"mj_imagine":0.1,"mj_turbo_imagine":0.2}', GroupRatio='{"default":0.5}')
    assert (await bed.http.post("/mj-turbo/mj/submit/imagine", json={"prompt": "x"})).status_code == 200
    assert bed.upstream.requests[-1][1] == "/mj/submit/imagine"
    await bed.set_channel(1, setting='{"mj_mode_passthrough":true}')
    assert (await bed.http.post("/fast/mj/submit/imagine", json={"prompt": "x"})).status_code == 200
    assert bed.upstream.requests[-1][1] == "/mj-fast/mj/submit/imagine"
    assert (await bed.http.post("/mj/submit/describe", json={"base64": "x"})).status_code == 200  # no price: 0.1 USD
    assert await bed.moves() == [("settle", -50_000), ("settle", -25_000), ("settle", -25_000)]
    assert {row.mode for row in await bed.rows(AsyncTask)} == {"turbo", "fast", ""}


async def test_a_channel_that_lists_a_speed_serves_it(bed):
    async with bed.engine.begin() as db:
        await db.execute(
            insert(Channel).values(
                id=9, type=2, key="quick", status=1, weight=0, base_url=bed.upstream.address, models="mj_fast_imagine",
                group="default", priority=0, name="quick",
            )
        )  # fmt: skip
    await bed.reload()
    for path, key in (("/mj-fast/mj", "quick"), ("/mj-relax/mj", "mj-secret"), ("/mj", "mj-secret")):
        await bed.http.post(f"{path}/submit/imagine", json={"prompt": "x"})
        assert bed.upstream.requests[-1][2]["mj-api-secret"] == key, path


async def test_the_ledger_can_be_followed_from_a_task(bed):
    await bed.imagine()
    row = await bed.task()
    [entry] = await bed.rows(LedgerEntry, LedgerEntry.reference == row.task_key)
    assert (entry.kind, entry.user_id, entry.token_id, entry.delta) == ("settle", 1, 0, -50_000)
    assert (await bed.user()).quota == BALANCE - 50_000
