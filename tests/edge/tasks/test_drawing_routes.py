"""Every route of Midjourney: what goes upstream, what is refused and in which words, who may see what."""

import asyncio

import pytest
from sqlalchemy import insert, update

from edge.tasks.callbacks import proof_of
from edge.tasks.routes import TaskPlace, find_task_place
from schema.tables import AsyncTask, ChannelEvent, Midjourney, Token
from tests.edge.tasks.conftest import KEY


@pytest.mark.parametrize(("method", "path", "operation", "mode"), [
    ("POST", "/mj/submit/imagine", "submit", ""), ("POST", "/mj-fast/mj/submit/blend", "submit", "fast"),
    ("POST", "/any/mj/insight-face/swap", "submit", ""), ("POST", "/turbo/mj/submit/modal", "submit", "turbo"),
    ("GET", "/relax/mj/task/1/fetch", "fetch", "relax"), ("GET", "/mj/task/1/image-seed", "seed", ""),
    ("POST", "/mj/task/list-by-condition", "list", ""), ("GET", "/mj/image/a%2Fb", "image", ""),
    ("POST", "/mj/notify", "notify", ""), ("POST", "/mj/notify/1/ab", "callback", ""), ("GET", "/mj/submit/imagine", "", ""),
])  # fmt: skip
def test_routes(method, path, operation, mode):
    place = find_task_place(method, path)
    assert isinstance(place, TaskPlace)
    assert (place.platform, place.operation, place.mode) == ("mj", operation, mode)


@pytest.mark.parametrize(
    "path", ["/api/mj/self", "/midjourney", "/v1/mj/submit/imagine", "/mj/submit/other", "/a/b/mj/notify"]
)
def test_other_paths_are_not_ours(path):
    assert find_task_place("POST", path) is None


async def test_actions_go_to_the_channel_of_their_origin_and_cost_their_own_price(bed):
    origin = (await bed.imagine("a cat"))["result"]
    refused = await bed.http.post("/mj/submit/change", json={"taskId": origin, "action": "UPSCALE", "index": 1})
    assert (refused.status_code, refused.json()["description"]) == (400, "task_status_not_success")
    bed.upstream.finish(origin)
    await bed.look()
    calls = [
        ("/mj/submit/change", {"taskId": origin, "action": "UPSCALE", "index": 1}, "UPSCALE"),
        ("/mj/submit/simple-change", {"content": f"{origin} v2"}, "VARIATION"),  # D-7
        ("/mj/submit/action", {"taskId": origin, "customId": "MJ::JOB::reroll::0::x::SOLO"}, "REROLL"),
        ("/mj/submit/action", {"taskId": origin, "customId": "MJ::Outpaint::50::1::x::SOLO"}, "ZOOM"),
        ("/mj/submit/change", {"taskId": origin, "action": "REROLL"}, "REROLL"),  # D-21: without an index
        ("/mj/submit/modal", {"taskId": origin, "maskBase64": "x"}, "MODAL"),
    ]
    for path, body, action in calls:
        answer = await bed.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert bed.upstream.requests[-1][1] == path and bed.upstream.requests[-1][3] == body
        row = await bed.task()
        assert (row.action, row.parent_id, row.prompt) == (action, 1, "a cat")
    assert [delta for _, delta in await bed.moves()] == [-50_000, -25_000, *[-50_000] * 5]
    async with bed.client(2) as other:  # nobody continues another user's task
        stolen = await other.post("/mj/submit/change", json={"taskId": origin, "action": "UPSCALE", "index": 1})
        assert stolen.json()["description"] == "task_not_found"
        missing = await other.post("/mj/submit/change", json={"action": "UPSCALE", "index": 1})
        assert missing.json()["description"] == "task_not_found"
    await bed.set_channel(1, status=2)
    off = await bed.http.post("/mj/submit/modal", json={"taskId": origin})
    assert "get_channel_info_failed" in off.json()["description"]
    await bed.check_books(spent=325_000)


async def test_the_other_submits(bed):
    for path, body in [
        ("submit/blend", {"base64Array": ["data:a", "data:b"]}), ("submit/describe", {"base64": "data:image/png;base64,x"}),
        ("submit/shorten", {"prompt": "long"}), ("insight-face/swap", {"sourceBase64": "a", "targetBase64": "b"}),
    ]:  # fmt: skip
        assert (await bed.http.post(f"/mj/{path}", json=body)).status_code == 200, path
        assert bed.upstream.requests[-1][3] == body
    bed.upstream.plan = [(200, {"code": 1, "description": "ok", "result": ["https://cdn/1.png"]})]
    upload = await bed.http.post("/mj/submit/upload-discord-images", json={"base64Array": ["x"]})
    assert upload.json()["result"] == ["https://cdn/1.png"]
    row = await bed.task()
    assert (row.status, row.action, row.billing_state) == ("SUCCESS", "UPLOAD", "settled")
    bed.upstream.plan = [21]  # a swap is only taken with code 1
    swap = await bed.http.post("/mj/insight-face/swap", json={"sourceBase64": "a", "targetBase64": "b"})
    assert swap.json()["code"] == 21 and (await bed.task()).billing_state == "released"
    assert "base64,x" not in "".join(str(row.request) for row in await bed.rows(AsyncTask))


async def test_keys_come_in_either_header_and_errors_of_the_door_in_openai_form(bed):
    async with bed.client(1) as http:
        http.headers["authorization"] = "Bearer midjourney-proxy"
        http.headers["mj-api-secret"] = f"sk-{KEY}2"
        assert (await http.post("/mj/submit/imagine", json={"prompt": "x"})).status_code == 200
        assert (await bed.task()).user_id == 2
        http.headers["mj-api-secret"] = "sk-wrong"
        refused = await http.post("/mj/submit/imagine", json={"prompt": "x"})
        assert refused.status_code == 401 and refused.json()["error"]["type"] == "new_api_error"
    await bed.set_channel(1, models="mj_upscale")
    none = await bed.http.post("/mj/submit/imagine", json={"prompt": "x"})
    assert (none.status_code, none.json()["error"]["code"]) == (503, "no_channel")
    bad = await bed.http.post("/mj/submit/imagine", content=b"[1]")
    assert bad.status_code == 400 and bad.json()["code"] == 4
    assert (await bed.http.get("/mj/submit/imagine")).status_code == 405
    assert (await bed.http.get("/mj/nothing")).status_code == 404


async def test_results_are_for_their_owner_even_when_the_token_is_used_up(bed):  # D-15
    async with bed.client(3) as http:
        task_id = (await http.post("/mj/submit/imagine", json={"prompt": "x"})).json()["result"]
        async with bed.engine.begin() as db:
            spent = update(Token).where(Token.id == 3)
            await db.execute(spent.values(status=4, remain_quota=0, model_limits_enabled=True, model_limits="gpt-4o"))
        bed.edge.relay.callers._held.clear()
        assert (await http.get(f"/mj/task/{task_id}/fetch")).json()["id"] == task_id
        listed = await http.post("/mj/task/list-by-condition", json={"ids": [task_id, "unknown"]})
        assert [one["id"] for one in listed.json()] == [task_id]
        assert (await http.post("/mj/task/list-by-condition", json={"ids": []})).json() == []
        assert (await http.get(f"/mj/task/{task_id}/image-seed")).json()["result"] == "4711"
        assert bed.upstream.requests[-1][:2] == ("GET", f"/mj/task/{task_id}/image-seed")
        assert (await http.post("/mj/submit/imagine", json={"prompt": "x"})).status_code == 401
    async with bed.client(2) as other:
        for path in (f"/mj/task/{task_id}/fetch", f"/mj/task/{task_id}/image-seed"):
            refused = await other.get(path)
            assert (refused.status_code, refused.json()["description"]) == (400, "task_no_found")
        assert (await other.post("/mj/task/list-by-condition", json={"ids": [task_id]})).json() == []


async def test_pictures_are_fetched_for_everybody_from_stored_and_checked_addresses_only(bed):  # D-2, D-22
    task_id = (await bed.imagine())["result"]
    async with bed.client(1) as http:
        del http.headers["authorization"]
        assert (await http.get(f"/mj/image/{task_id}")).json() == {"error": "midjourney_task_not_found"}
        bed.upstream.finish(task_id)
        await bed.look()
        picture = await http.get(f"/mj/image/{task_id}")  # on the host that the operator typed
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
        assert picture.headers["cache-control"] == "public, max-age=86400" and picture.content.startswith(b"\x89PNG")
        assert "sandbox" in picture.headers["content-security-policy"]
        for bad in (
            f"{bed.upstream.address}/pictures/x.html", "http://127.0.0.1:1/x.png", "http://169.254.169.254/latest",
            "file:///etc/passwd", "http://[::1]:8080/x.png", "http://10.0.0.1/x.png",
        ):  # fmt: skip
            async with bed.engine.begin() as db:
                await db.execute(update(AsyncTask).values(image_url=bad))
            answer = await http.get(f"/mj/image/{task_id}")
            assert (answer.status_code, answer.json()) == (500, {"error": "http_get_image_failed"}), bad
        await bed.set_options(MjImageSigned="true")
        assert (await http.get(f"/mj/image/{task_id}")).status_code == 403
        async with bed.engine.begin() as db:
            await db.execute(update(AsyncTask).values(image_url=f"{bed.upstream.address}/pictures/a.png"))
        link = (await bed.http.get(f"/mj/task/{task_id}/fetch")).json()["imageUrl"]
        assert (await http.get(link.replace("https://gateway.example.com", ""))).status_code == 200
        assert (await http.get(link.replace("https://gateway.example.com", "") + "0")).status_code == 403


async def test_tasks_of_a_predecessor_are_found_shown_and_continued(bed):
    async with bed.engine.begin() as db:
        await db.execute(
            insert(Midjourney).values(
                user_id=1, mj_id="old1", action="IMAGINE", prompt="before", status="SUCCESS", progress="100%", channel_id=1,
                submit_time=1000, image_url=f"{bed.upstream.address}/pictures/o.png", buttons='[{"label":"U1"}]', quota=50_000,
            )
        )  # fmt: skip
    shown = (await bed.http.get("/mj/task/old1/fetch")).json()
    assert (shown["prompt"], shown["buttons"], shown["status"]) == ("before", [{"label": "U1"}], "SUCCESS")
    assert (await bed.http.get("/mj/image/old1")).status_code == 200
    change = await bed.http.post("/mj/submit/change", json={"taskId": "old1", "action": "UPSCALE", "index": 2})
    assert change.status_code == 200 and (await bed.task()).prompt == "before"


async def test_an_account_that_is_gone_switches_the_channel_off_by_rule(bed):  # D-19
    await bed.set_options(AutomaticDisableChannelEnabled="true", AutoDisableKeepLast="false")
    bed.upstream.plan = [3]
    assert (await bed.imagine())["code"] == 3
    from schema.tables import Channel

    [channel] = await bed.rows(Channel, Channel.id == 1)
    assert channel.status == 3
    [event] = await bed.rows(ChannelEvent)
    assert (event.actor, event.to_status) == ("rule:no_account", 3)
    await bed.set_channel(1, status=1)
    await bed.set_options(AutoDisablePolicy="original")
    bed.upstream.plan = [
        (401, {"error": {"message": "bad key", "type": "invalid_request_error", "code": "invalid_api_key"}})
    ]
    await bed.imagine()
    for _ in range(100):
        [channel] = await bed.rows(Channel, Channel.id == 1)
        if channel.status == 3:
            break
        await asyncio.sleep(0.02)
    assert channel.status == 3


async def test_callbacks_only_hurry_the_next_look(bed):  # D-1, D-2
    await bed.set_options(MjNotifyEnabled="true")
    task_id = (await bed.imagine(notifyHook="https://client.example.com/hook"))["result"]
    row = await bed.task()
    hook = bed.upstream.requests[-1][3]["notifyHook"]
    assert hook == f"https://gateway.example.com/mj/notify/{row.task_key}/{proof_of(bed.edge.config, row.task_key)}"
    path = hook.removeprefix("https://gateway.example.com")
    lies = {"id": task_id, "status": "FAILURE", "progress": "0%", "submitTime": 1, "imageUrl": "http://169.254.169.254/",
            "failReason": "x"}  # fmt: skip
    async with bed.client(2) as http:
        forged = await http.post(path[:-1] + ("0" if path[-1] != "0" else "1"), json=lies)
        assert forged.status_code == 403
        foreign = await http.post("/mj/notify", json=lies)  # another user's token
        assert foreign.json()["description"] == "midjourney_task_not_found"
    assert (await bed.task()).next_poll_at == row.next_poll_at
    del bed.http.headers["authorization"]
    assert (await bed.http.post(path, json=lies)).status_code == 200
    hurried = await bed.task()
    assert hurried.next_poll_at < row.next_poll_at
    assert (hurried.status, hurried.image_url, hurried.version) == ("SUBMITTED", None, row.version)
    bed.upstream.fail(task_id)
    await bed.look()
    for _ in range(100):  # any number of times, in any order, after the refund
        await bed.http.post(path, json={**lies, "status": "SUCCESS", "progress": "0%"})
    await bed.look()
    assert await bed.moves() == [("settle", -50_000), ("refund", 50_000)]
    await bed.check_books(spent=0)


async def test_a_hook_is_not_passed_on_unless_the_operator_wishes(bed):
    await bed.imagine(notifyHook="https://client.example.com/hook", accountFilter={"modes": ["FAST"]})
    assert set(bed.upstream.requests[-1][3]) == {"prompt"}
    await bed.set_options(MjAccountFilterEnabled="true", MjModeClearEnabled="true", MjNotifyEnabled="true")
    await bed.set_channel(1, setting='{"mj_callback":false}')
    await bed.imagine("x --fast", notifyHook="https://client.example.com/hook", accountFilter={"modes": ["FAST"]})
    assert bed.upstream.requests[-1][3] == {"prompt": "x ", "accountFilter": {"modes": ["FAST"]}}


async def test_a_call_back_that_comes_while_the_answer_is_stored_does_not_rename_the_task(bed, monkeypatch):
    from edge.tasks import callbacks

    await bed.set_options(MjNotifyEnabled="true")
    asked, answered = asyncio.Event(), asyncio.Event()
    real = callbacks.find_task

    async def slow(engine, *where):
        row = await real(engine, *where)
        asked.set()
        await answered.wait()
        return row

    monkeypatch.setattr(callbacks, "find_task", slow)
    bed.upstream.latency_s = 0.3
    submit = asyncio.create_task(bed.imagine())
    while not (rows := await bed.rows(AsyncTask)):
        await asyncio.sleep(0.01)
    path = f"/mj/notify/{rows[0].task_key}/{proof_of(bed.edge.config, rows[0].task_key)}"
    call_back = asyncio.create_task(bed.http.post(path, json={"id": "another", "status": "FAILURE"}))
    await asked.wait()  # it has seen the task without an answer
    answer = await submit
    answered.set()
    assert (await call_back).status_code == 200
    row = await bed.task()
    assert (row.upstream_id, row.status, row.billing_state) == (answer["result"], "SUBMITTED", "settled")
