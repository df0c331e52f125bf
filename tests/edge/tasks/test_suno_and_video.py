"""Suno and a generic video platform: one interface, the same money, their own words."""

import asyncio
import json

from openai import AsyncOpenAI
from sqlalchemy import insert

from schema.tables import Channel, Task
from tests.edge.tasks.conftest import KEY


async def test_music_from_submit_to_song(bed):
    answer = await bed.http.post("/suno/submit/music", json={"gpt_description_prompt": "a song", "unknown": 1})
    assert answer.json()["code"] == "success"
    task_id = answer.json()["data"]
    _, path, headers, body = bed.upstream.requests[-1]
    assert (path, headers["authorization"]) == ("/suno/submit/MUSIC", "Bearer suno-secret")
    assert body == {"gpt_description_prompt": "a song", "unknown": 1, "mv": "chirp-v3-0", "make_instrumental": False}
    bed.upstream.finish(task_id)
    await bed.look(channel=2)
    one = (await bed.http.get(f"/suno/fetch/{task_id}")).json()
    assert one["code"] == "success" and one["data"]["status"] == "SUCCESS" and one["data"]["action"] == "MUSIC"
    assert one["data"]["data"][0]["audio_url"]
    many = (await bed.http.post("/suno/fetch", json={"ids": [task_id, "no"]})).json()
    assert [task["task_id"] for task in many["data"]] == [task_id]
    assert (await bed.http.post("/suno/fetch", json={"ids": ["no"]})).json()["data"] == []
    [shown] = await bed.rows(Task)
    assert (shown.task_id, shown.platform, shown.action, shown.status) == (task_id, "suno", "MUSIC", "SUCCESS")  # D-18
    assert (await bed.http.post("/suno/submit/LYRICS", json={"prompt": "words"})).json()["code"] == "success"
    assert await bed.moves() == [("settle", -50_000), ("settle", -5_000)]
    await bed.check_books(spent=55_000)


async def test_suno_refuses_in_its_own_words(bed):
    for path, body, status, code in [
        ("lyrics", {}, 400, "invalid_request"), ("music", {"continue_clip_id": "c"}, 400, "invalid_request"),
        ("music", {"prompt": "x", "task_id": "no"}, 400, "task_not_exist"), ("noise", {}, 400, "invalid_request"),
    ]:  # fmt: skip
        answer = await bed.http.post(f"/suno/submit/{path}", json=body)
        assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (status, code, None)
    assert (await bed.http.get("/suno/fetch/no")).json()["code"] == "task_not_exist"
    await bed.set_options(ModelPrice='{"suno_music":5}')
    short = await bed.http.post("/suno/submit/music", json={"prompt": "x"})
    assert (short.status_code, short.json()["code"]) == (403, "quota_not_enough")
    assert bed.upstream.requests == []


async def test_suno_goes_to_another_channel_with_that_channels_key(bed):
    async with bed.engine.begin() as db:
        await db.execute(
            insert(Channel).values(
                id=4, type=36, key="second-secret", status=1, weight=0, base_url=bed.upstream.address, group="default",
                priority=-1, models="suno_music", provider="suno", name="c4",
            )
        )  # fmt: skip
    await bed.set_options(RetryTimes="2")
    bed.upstream.plan = [(503, {"code": "busy", "message": "later"})]
    answer = await bed.http.post("/suno/submit/music", json={"prompt": "x"})
    assert answer.status_code == 200
    assert [one[2]["authorization"] for one in bed.upstream.requests] == ["Bearer suno-secret", "Bearer second-secret"]
    row = await bed.task()
    assert row.channel_id == 4
    [log] = await bed.logs(2)
    assert log.channel_id == 4  # D-17
    assert [task.user_id for task in await bed.rows(Task)] == [1], "one task, one row"  # D-13
    bed.upstream.finish(row.upstream_id)
    await bed.look(channel=4)
    assert bed.upstream.requests[-1][2]["authorization"] == "Bearer second-secret"
    again = {"prompt": "x", "task_id": row.upstream_id, "continue_clip_id": "c", "continue_at": 1.5}
    await bed.set_channel(4, priority=-5)
    assert (await bed.http.post("/suno/submit/music", json=again)).status_code == 200
    assert bed.upstream.requests[-1][2]["authorization"] == "Bearer second-secret"  # D-16
    bed.upstream.plan = ["cut"]  # it may have arrived: never sent twice
    count = len(bed.upstream.requests)
    lost = await bed.http.post("/suno/submit/music", json={"prompt": "x"})
    assert (lost.status_code, lost.json()["code"]) == (500, "do_request_failed")
    assert len(bed.upstream.requests) == count + 1
    await bed.check_books(spent=100_000)


async def test_a_video_with_the_official_client(bed):
    import httpx

    transport = httpx.ASGITransport(bed.edge)
    async with httpx.AsyncClient(transport=transport) as inner:
        client = AsyncOpenAI(api_key=f"sk-{KEY}1", base_url="http://gateway/v1", http_client=inner, max_retries=0)
        video = await client.videos.create(model="sora-2", prompt="waves", seconds="8")
        assert (video.status, video.object) == ("queued", "video")
        assert bed.upstream.requests[-1][2]["authorization"] == "Bearer video-secret"
        assert await bed.moves() == [("settle", -400_000)]  # 8 s at 0.1 USD
        assert (await client.videos.retrieve(video.id)).status == "queued"
        bed.upstream.finish(video.id)
        await bed.look(channel=3)
        done = await client.videos.retrieve(video.id)
        assert (done.status, done.progress, done.model) == ("completed", 100, "sora-2")
        content = await client.videos.download_content(video.id)
        assert content.content.startswith(b"\x89PNG")
        assert [one.id for one in (await client.videos.list()).data] == [video.id]
        failed = await client.videos.create(
            model="sora-2", prompt="fire", seconds="4", input_reference=("a.png", b"\x89PNG", "image/png")
        )
        sent = bed.upstream.requests[-1]
        assert b"waves" not in sent[3] and b'name="prompt"' in sent[3] and b"\x89PNG" in sent[3]
        bed.upstream.fail(failed.id)
        await bed.look(channel=3)
        page = await client.videos.list(limit=1)
        assert ([one.id for one in page.data], page.has_more) == ([failed.id], True)
        assert [one.id async for one in client.videos.list(limit=1)] == [failed.id, video.id], "page after page"
        shown = await client.videos.retrieve(failed.id)
        assert shown.status == "failed" and shown.error and shown.error.message == "banned by the provider"
        assert (await client.videos.delete(video.id)).deleted
    await bed.check_books(spent=400_000)


async def test_videos_without_a_price_or_with_odd_seconds_are_refused(bed):
    await bed.set_channel(3, models="sora-2,other-video")
    refused = await bed.http.post("/v1/videos", json={"model": "other-video", "prompt": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (500, "model_price_error")
    for seconds in ("-4", 0, "many", 10**9):
        bad = await bed.http.post("/v1/videos", json={"model": "sora-2", "prompt": "x", "seconds": seconds})
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_request"), seconds
    assert (await bed.http.get("/v1/videos/none")).status_code == 404
    assert bed.upstream.requests == [] and json.loads("[]") == await bed.moves()


async def test_a_video_that_the_upstream_forgot_ends_in_a_refund(bed):
    made = await bed.http.post("/v1/videos", json={"model": "sora-2", "prompt": "x"})
    bed.upstream.tasks.clear()
    looked = await bed.look(channel=3)
    assert (looked.asked, looked.failed) == (1, False)
    await bed.age(deadline_at=3 * 3_600_000)
    assert (await bed.sweep())["expired"] == 1
    shown = (await bed.http.get(f"/v1/videos/{made.json()['id']}")).json()
    assert shown["status"] == "failed"
    await bed.check_books(spent=0)


async def test_a_client_that_leaves_stops_the_download(bed):
    made = (await bed.http.post("/v1/videos", json={"model": "sora-2", "prompt": "x"})).json()
    bed.upstream.finish(made["id"])
    await bed.look(channel=3)
    bed.upstream.content_bytes = 30_000_000
    messages = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0) if messages else await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)
        await asyncio.sleep(0)

    headers = [(b"authorization", f"Bearer sk-{KEY}1".encode())]
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/v1/videos/{made['id']}/content",
        "headers": headers,
        "client": None,
    }
    await bed.edge(scope, receive, send)
    assert sent[0]["status"] == 200 and sum(len(one.get("body", b"")) for one in sent) < 3_000_000
