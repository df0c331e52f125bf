"""Drawings and tasks are listed as older front-ends know them: own ones for users, all for administrators."""

from sqlalchemy import insert

from schema.tables import AsyncTask, Midjourney, Task


async def test_lists_of_drawings_and_tasks(console):
    async with console.visitor() as http, console.visitor() as ann:
        await console.set_up(http)
        made = await ann.post("/api/user/register", json={"username": "ann", "password": "a good password"})
        assert made.json()["success"]
        user = await console.sign_in(ann, "ann")
        async with console.services.engine.begin() as db:
            drawings = [
                {"user_id": 1 + (n % 2) * (user["id"] - 1), "mj_id": f"m{n}", "status": "SUCCESS", "submit_time": n * 1000,
                 "image_url": "https://cdn.example.com/x.png" if n else ""}
                for n in range(24)
            ]  # fmt: skip
            await db.execute(insert(Midjourney), drawings)
            await db.execute(
                insert(Task).values(task_id="t1", platform="suno", user_id=user["id"], channel_id=9, action="MUSIC",
                                    status="SUCCESS", data=[{"audio_url": "a"}], properties={"input": "x"})
            )  # fmt: skip
        every = (await http.get("/api/mj/")).json()["data"]
        assert [row["mj_id"] for row in every] == [f"m{n}" for n in range(23, 13, -1)], "ten, the newest first"
        page = (await http.get("/api/mj/?p=2&envelope=1")).json()["data"]
        assert page["total"] == 24 and len(page["items"]) == 4
        wide = (await http.get("/api/mj/?page_size=20&envelope=1")).json()["data"]
        assert len(wide["items"]) == 20
        own = await ann.get("/api/mj/self?end_timestamp=5000")
        assert [row["mj_id"] for row in own.json()["data"]] == ["m5", "m3", "m1"]
        assert own.headers["x-total-count"] == "3"
        assert (await ann.get("/api/mj/")).status_code == 403
        [task] = (await ann.get("/api/task/self")).json()["data"]
        assert task["channel_id"] == 0 and task["data"] == [{"audio_url": "a"}] and task["properties"] == {"input": "x"}
        assert (await http.get("/api/task/?platform=suno&status=SUCCESS")).json()["data"][0]["channel_id"] == 9
        assert (await http.get("/api/task/self")).json()["data"] == []


async def test_refunds_speeds_and_links_are_told_and_lists_can_be_narrowed(console):
    async with console.visitor() as http:
        await console.set_up(http)
        console.set_options(ServerAddress="https://gateway.example.com", MjImageSigned="true")
        async with console.services.engine.begin() as db:
            rows = [
                {"id": n, "user_id": n % 2 + 1, "mj_id": f"m{n}", "status": "FAILURE" if n % 2 else "SUCCESS", "action": "IMAGINE",
                 "channel_id": n, "submit_time": n, "image_url": "" if n % 2 else "https://cdn.example.com/x.png"}
                for n in range(1, 5)
            ]  # fmt: skip
            await db.execute(insert(Midjourney), rows)
            await db.execute(insert(Task).values(id=1, user_id=1, task_id="s1", platform="suno", status="FAILURE"))
            own = {"user_id": 1, "mode": "turbo", "billing_state": "refunded", "legacy_id": 1}
            await db.execute(insert(AsyncTask), [{**own, "task_key": "a", "platform": "mj"}])
            await db.execute(
                insert(AsyncTask), [{**own, "task_key": "b", "platform": "suno", "billing_state": "settled"}]
            )
        every = (await http.get("/api/mj/")).json()["data"]
        assert [(row["mj_id"], row["refunded"], row["mode"]) for row in every] == [
            ("m4", False, ""), ("m3", False, ""), ("m2", False, ""), ("m1", True, "turbo"),
        ]  # fmt: skip
        assert every[0]["image_url"].startswith("https://gateway.example.com/mj/image/m4?e=")
        assert every[1]["image_url"] == "", "D-23: no picture, no link"
        assert (await http.get("/api/task/")).json()["data"][0]["refunded"] is False
        assert (await http.get("/api/task/?channel_id=8")).json()["data"] == [], "D-24: the filter works"
        for query, found in [
            ("status=FAILURE", ["m3", "m1"]), ("user_id=1", ["m4", "m2"]), ("channel_id=3", ["m3"]), ("action=UPSCALE", []),
        ]:  # fmt: skip
            assert [row["mj_id"] for row in (await http.get(f"/api/mj/?{query}")).json()["data"]] == found, query
        console.set_options(MjForwardUrlEnabled="true")
        assert (await http.get("/api/mj/?mj_id=m2")).json()["data"][0]["image_url"] == "/mj/image/m2"
