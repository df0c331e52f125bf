"""The newcomer's journey, who may call what, and the first-run wizard under fifty hands."""

import asyncio

from sqlalchemy import func, select

from schema.tables import LedgerEntry, User
from tests.edge.console.conftest import PASSWORD


async def test_newcomer_sets_up_signs_in_and_signs_out(console):
    async with console.visitor() as http:
        assert (await http.get("/api/setup")).json()["data"] == {
            "status": False,
            "root_init": False,
            "database_type": "sqlite",
        }
        me = await console.set_up(http)
        assert (me["role"], me["username"]) == (100, "root")
        own = (await http.get("/api/user/self")).json()["data"]
        assert (own["quota"], own["password"], own["access_token"]) == (100_000_000, "", None)
        assert (await http.get("/api/user/logout")).json()["success"]
        assert (await http.get("/api/user/self")).status_code == 401


async def test_set_up_by_fifty_at_once_makes_one_root(console):
    async with console.visitor() as http:
        body = [{"username": f"root{n}", "password": PASSWORD, "confirmPassword": PASSWORD} for n in range(50)]
        replies = await asyncio.gather(*(http.post("/api/setup", json=one) for one in body))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 49
    async with console.services.engine.connect() as db:
        assert (await db.execute(select(func.count(), func.sum(User.quota)).select_from(User))).one() == (
            1,
            100_000_000,
        )
        assert (await db.execute(select(func.sum(LedgerEntry.delta)))).scalar_one() == 100_000_000


async def test_set_up_from_afar_needs_the_token(console):
    body = {"username": "root", "password": PASSWORD, "confirmPassword": PASSWORD}
    async with console.visitor("203.0.113.9") as http:
        assert (await http.post("/api/setup", json=body)).status_code == 403
        await console.services.redis.set("mx:setup_token", "proof")
        assert (await http.post("/api/setup", json=body, headers={"X-Setup-Token": "proof"})).status_code == 200


async def test_set_up_through_a_proxy_on_the_same_machine_needs_the_token(console):
    body = {"username": "root", "password": PASSWORD, "confirmPassword": PASSWORD}
    async with console.visitor() as http:
        reply = await http.post("/api/setup", json=body, headers={"X-Forwarded-For": "203.0.113.9"})
    assert (reply.status_code, reply.json()["code"]) == (403, "setup_token_wrong")


async def test_cookie_callers_name_themselves_and_come_from_here(console):
    async with console.visitor() as http:
        await console.set_up(http)
        for headers, status in (
            ({"New-Api-User": "2"}, 401),
            ({"New-Api-User": ""}, 401),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Sec-Fetch-Site": "same-origin", "Origin": "http://console"}, 200),
        ):
            assert (await http.get("/api/user/self", headers=headers)).status_code == status, headers


async def test_access_token_replaces_the_cookie(console):
    async with console.visitor() as http:
        await console.set_up(http)
        token = (await http.get("/api/user/token")).json()["data"]
    async with console.visitor() as script:
        good = {"Authorization": f"Bearer {token}"}
        assert (await script.get("/api/user/self", headers=good)).json()["data"]["has_access_token"]
        assert (await script.get("/api/user/self", headers={**good, "New-Api-User": "9"})).status_code == 401
        assert (await script.get("/api/user/self", headers={"Authorization": token.swapcase()})).status_code == 401


async def test_register_cannot_choose_role_or_quota_and_names_are_unique(console):
    async with console.visitor() as http:
        await console.set_up(http)
        body = {"username": "ann", "password": PASSWORD, "role": 100, "quota": 10**9, "group": "vip"}
        assert (await http.post("/api/user/register", json=body)).json()["success"]
        assert (await http.post("/api/user/register", json={**body, "username": "ANN"})).json()[
            "code"
        ] == "username_taken"
    async with console.visitor() as ann:
        await console.sign_in(ann, "ann")
        own = (await ann.get("/api/user/self")).json()["data"]
        assert (own["role"], own["quota"], own["group"]) == (1, 0, "default")


async def test_wrong_password_and_unknown_name_read_alike(console):
    async with console.visitor() as http:
        await console.set_up(http)
        tries = [{"username": name, "password": "wrong password"} for name in ("root", "nobody")]
        first, second = [(await http.post("/api/user/login", json=one)).json() for one in tries]
        assert first == second
        assert first["code"] == "credentials_wrong"


async def test_wrong_method_and_headers(console):
    async with console.visitor() as http:
        reply = await http.delete("/api/setup")
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, POST")
        reply = await http.get("/api/setup/")
        assert (reply.headers["Cache-Control"], reply.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert len(reply.headers["X-Oneapi-Request-Id"]) <= 36


async def test_other_sessions_can_be_ended(console):
    async with console.visitor() as one, console.visitor() as two:
        await console.set_up(one)
        await console.sign_in(two, "root")
        listed = (await one.get("/api/user/self/sessions")).json()["data"]
        assert [entry["current"] for entry in listed].count(True) == 1
        other = next(entry["id"] for entry in listed if not entry["current"])
        assert (await one.delete(f"/api/user/self/sessions/{other}")).json()["success"]
        assert (await two.get("/api/user/self")).status_code == 401
        assert (await one.get("/api/user/self")).status_code == 200


async def test_wrong_current_password_is_refused_even_right_after_the_login(console):
    async with console.visitor() as http:
        await console.set_up(http)
        change = {"original_password": "not-the-password", "password": "a-good-new-password"}
        refused = (await http.put("/api/user/self", json=change)).json()
        assert (refused["success"], refused["code"]) == (False, "credentials_wrong")
        right = {**change, "original_password": PASSWORD}
        assert (await http.put("/api/user/self", json=right)).json()["success"]
