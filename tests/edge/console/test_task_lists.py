"""Drawings and tasks are listed as older front-ends know them: own ones for users, all for administrators."""

from sqlalchemy import insert

from schema.tables import Midjourney, Task


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
