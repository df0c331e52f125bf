"""Ranks hold: an admin manages users, not admins; what root takes away is gone at the next request."""

from sqlalchemy import func, select

from schema.tables import LedgerEntry
from tests.edge.console.conftest import PASSWORD


async def test_ranks(console):
    async with console.visitor() as root, console.visitor() as boss, console.visitor() as ann:
        await console.set_up(root)
        ids = {}
        for name, role in (("boss", 10), ("boss2", 10), ("ann", 1)):
            made = (await root.post("/api/user/", json={"username": name, "password": PASSWORD, "role": role})).json()
            ids[name] = made["data"]["id"]
        await console.sign_in(boss, "boss")
        await console.sign_in(ann, "ann")
        assert (await ann.get("/api/user/")).status_code == 403
        page = (await boss.get("/api/user/?page_size=2")).json()["data"]
        assert (page["total"], len(page["items"]), page["items"][0]["access_token"]) == (4, 2, None)
        assert (await boss.get(f"/api/user/{ids['boss2']}")).status_code == 403
        assert (await boss.post("/api/user/manage", json={"id": ids["ann"], "action": "promote"})).status_code == 403
        assert (await boss.post("/api/user/manage", json={"id": 1, "action": "disable"})).status_code == 403
        assert (await boss.put("/api/user/", json={"id": ids["ann"], "quota": 500, "role": 100})).json()["success"]
        own = (await ann.get("/api/user/self")).json()["data"]
        assert (own["quota"], own["role"]) == (500, 1)
        async with console.services.engine.connect() as db:
            booked = select(func.sum(LedgerEntry.delta)).where(LedgerEntry.user_id == ids["ann"])
            assert (await db.execute(booked)).scalar_one() == 500
        assert (await root.post("/api/user/manage", json={"id": ids["boss"], "action": "demote"})).json()["success"]
        assert (await boss.get("/api/user/")).status_code == 401
        assert (await boss.post("/api/user/manage", json={"id": ids["ann"], "action": "disable"})).status_code == 401
