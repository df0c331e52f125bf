"""The security rules, each attacked at a running gateway: other people's things, other sites, guesses, forged headers."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, select

from edge.console.app import ROUTES
from edge.console.routes import Role
from schema.ledger import signals
from schema.tables import LedgerEntry, Token, User
from tests.edge.console.security.house import (
    ADELE,
    ALBERT,
    ANN,
    BOB,
    PASSWORD,
    PEOPLE,
    ROOT,
    SITE,
    VIC,
    House,
    new_token,
    open_house,
    token_of,
)
from tests.system import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("security")]
CHAT = "/v1/chat/completions"
BODY = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
EVIL = "https://evil.example"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with open_house(tmp_path_factory.mktemp("security")) as one:
        yield one


def path_of(route, identity="1") -> str:
    return re.sub(r":\w+", identity, route.path)


PRIVATE = [route for route in ROUTES if route.role is not Role.VISITOR]
STREAMS = {"/api/health/stream"}  # never ends


# -- cross-site requests -----------------------------------------------------------------------------------------------


async def test_no_route_takes_a_cookie_that_another_site_sent(house: House):
    """A form of another site cannot set the header; a script of it is betrayed by its origin."""
    root, wrong = house.people[ROOT], []
    async with house.visitor(cookie=root.headers["cookie"]) as bare:
        for route in PRIVATE:
            path, own = path_of(route), {"new-api-user": str(ROOT)}
            codes = (
                (await bare.request(route.method, path, json={})).status_code,
                (await bare.request(route.method, path, json={}, headers={**own, "origin": EVIL})).status_code,
                (await bare.request(route.method, path, headers={**own, "sec-fetch-site": "cross-site"})).status_code,
                (await bare.request(route.method, path, headers={"new-api-user": str(ANN)})).status_code,
            )
            if codes != (401, 403, 403, 401):
                wrong.append((route.method, route.path, codes))
    assert wrong == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/user/login"), ("POST", "/api/user/login/2fa"), ("POST", "/api/user/login/passkey"),
        ("POST", "/api/user/login/passkey/begin"), ("POST", "/api/user/register"), ("POST", "/api/user/reset"),
        ("POST", "/api/oauth/start"), ("POST", "/api/user/logout"), ("GET", "/api/user/logout"), ("POST", "/api/setup"),
        ("GET", "/api/oauth/telegram/login"), ("GET", "/api/oauth/wechat"),
    ],
)  # fmt: skip
async def test_another_site_cannot_sign_its_visitors_in_or_out(house: House, method: str, path: str):
    async with house.visitor() as http:
        answer = await http.request(method, path, json={}, headers={"origin": EVIL})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


async def test_relay_routes_take_no_cookie_and_console_routes_no_relay_key(house: House):
    ann = house.people[ANN]
    assert (await ann.post(CHAT, json=BODY)).status_code == 401
    async with house.visitor(authorization=f"Bearer {token_of(ANN)}") as http:
        assert (await http.get("/api/user/self")).status_code == 401
    answer = await ann.get("/api/user/self", headers={"origin": SITE})
    assert "access-control-allow-origin" not in answer.headers


# -- other people's things ---------------------------------------------------------------------------------------------


async def test_every_route_asks_for_its_role(house: House):
    wrong = []
    async with house.visitor() as nobody:
        for route in PRIVATE:
            if route.path in STREAMS:
                continue
            path = path_of(route, "999999")
            if (await nobody.request(route.method, path, json={})).status_code != 401:
                wrong.append(("nobody", route.method, route.path))
            for user_id in (ANN, ADELE):
                if PEOPLE[user_id][1] < route.role:
                    answer = await house.people[user_id].request(route.method, path, json={})
                    if answer.status_code != 403:
                        wrong.append((PEOPLE[user_id][0], route.method, route.path))
    assert wrong == []


async def test_nobody_reaches_what_belongs_to_another(house: House):
    """Every route of ordinary accounts that names a thing by its number, tried by Ann on Bob's."""
    ann, bob = house.people[ANN], house.people[BOB]
    extra = await house.sign_in(BOB)
    session = (await bob.get("/api/user/self/sessions")).json()["data"][0]["id"]
    tries = {
        ("GET", "/api/token/:id"): {}, ("DELETE", "/api/token/:id"): {}, ("POST", "/api/token/:id/key"): {},
        ("PUT", "/api/token/"): {"id": BOB, "name": "stolen", "remain_quota": 1},
        ("POST", "/api/token/batch"): {"ids": [BOB], "action": "delete"},
        ("PUT", "/api/user/passkeys/:id"): {"name": "x"}, ("DELETE", "/api/user/passkeys/:id"): {},
        ("DELETE", "/api/user/self/sessions/:session"): {}, ("DELETE", "/api/user/self/binding/:provider"): {},
    }  # fmt: skip
    named = {(r.method, r.path) for r in ROUTES if r.role is Role.USER and ":" in r.path}
    assert named <= set(tries), "a new route names things: add it here"
    async with house.system.engine.connect() as db:
        before = (await db.execute(select(Token.__table__).where(Token.user_id == BOB))).all()
    for (method, path), body in tries.items():
        identity = session if ":session" in path else "telegram" if ":provider" in path else str(BOB)
        answer = await ann.request(method, re.sub(r":\w+", identity, path), json=body)
        data = answer.json()
        told = data["success"] and path not in ("/api/token/batch", "/api/user/self/binding/:provider")
        assert not told, (method, path, data)
        assert token_of(BOB)[3:] not in answer.text
    async with house.system.engine.connect() as db:
        assert (await db.execute(select(Token.__table__).where(Token.user_id == BOB))).all() == before
    assert (await extra.get("/api/user/self")).status_code == 200, "his session goes on"
    for path in ("/api/log/self", "/api/log/self/search?keyword=bob", "/api/user/topups", "/api/data/self"):
        assert "bob" not in (await ann.get(f"{path}{'&' if '?' in path else '?'}user_id={BOB}&username=bob")).text
    await extra.aclose()


async def test_an_admin_reaches_nobody_of_his_rank_or_above(house: House):
    adele = house.people[ADELE]
    for target in (ALBERT, ROOT):
        before = await house.row(target)
        for method, path, body in (
            ("GET", f"/api/user/{target}", None),
            ("PUT", "/api/user/", {"id": target, "password": "taken over 123", "quota": 1, "display_name": "x"}),
            ("POST", "/api/user/manage", {"id": target, "action": "disable"}),
            ("POST", "/api/user/manage", {"id": target, "action": "demote"}),
            ("DELETE", f"/api/user/{target}", None),
            ("DELETE", f"/api/user/{target}/2fa", None),
            ("POST", "/api/topup", {"user_id": target, "quota": 5}),
        ):
            answer = await adele.request(method, path, json=body)
            refused = answer.status_code == 403 or not answer.json()["success"]
            assert refused, (method, path, answer.text)
        assert await house.row(target) == before
    assert (await adele.post("/api/user/manage", json={"id": BOB, "action": "promote"})).status_code == 403
    made = await adele.post("/api/user/", json={"username": "helper", "password": "xk29 fjw0 aa", "role": 10})
    assert made.status_code == 403


async def test_members_that_are_not_for_the_caller_change_nothing(house: House):
    """Mass assignment: the whole object with more rights and more money in it."""
    ann = house.people[ANN]
    before = await house.row(ANN)
    greedy = {
        "id": ROOT, "username": "ann", "display_name": "Ann", "role": 100, "status": 1, "quota": 10**12, "group": "vip",
        "used_quota": -5, "aff_quota": 10**9, "aff_history": 10**9, "inviter_id": 3, "email": "root@example.com",
        "access_token": "a" * 32, "github_id": "x", "access_token_hash": "b" * 64, "deleted_at": "2020-01-01",
    }  # fmt: skip
    assert (await ann.put("/api/user/self", json=greedy)).json()["success"]
    after = await house.row(ANN)
    assert {**after._mapping, "display_name": ""} == {**before._mapping, "display_name": ""}
    await ann.post("/api/token/", json={"name": "m", "user_id": BOB, "used_quota": -9, "key": "chosen", "id": 777})
    async with house.system.engine.connect() as db:
        found = (await db.execute(select(Token.__table__).where(Token.name == "m"))).one()
    assert (found.user_id, found.used_quota) == (ANN, 0) and found.id != 777 and found.key != "chosen"
    async with house.visitor() as http:
        fresh = {**greedy, "username": "newman", "password": PASSWORD}
        assert (await http.post("/api/user/register", json=fresh)).json()["success"]
    async with house.system.engine.connect() as db:
        new = (await db.execute(select(User.__table__).where(User.username == "newman"))).one()
        first = (await db.execute(select(Token.__table__).where(Token.user_id == new.id))).all()
    assert (new.role, new.quota, new.group, new.email, new.inviter_id) == (1, 0, "default", None, 0)
    given = [(one.name, one.unlimited_quota, one.remain_quota, one.expired_time) for one in first]
    assert given == [("newman的初始令牌", True, 500_000, -1)], (
        "GENERATE_DEFAULT_TOKEN gives a first token, and no other"
    )


async def test_no_list_shows_a_secret(house: House):
    """Acceptance 1: access tokens, hashes and webhook secrets of anybody, in any reply to an administrator or root."""
    await house.set_user(BOB, access_token="p" * 32, setting='{"webhook_secret":"hush-hush-hush"}')
    secrets = ("p" * 32, "$2a$", "hush-hush-hush", "access_token_hash")
    for who in (ADELE, ROOT):
        http = house.people[who]
        for path in ("/api/user/?page_size=100", "/api/user/search?keyword=bob", f"/api/user/{BOB}", "/api/user/self"):
            text = (await http.get(path)).text
            assert not any(secret in text for secret in secrets), (who, path)
    changed = await house.people[ADELE].put("/api/user/", json={"id": BOB, "display_name": "Bob"})
    assert changed.json()["success"] and not any(secret in changed.text for secret in secrets)


async def test_failed_calls_are_shown_to_their_owner_alone(house: House):
    """ERROR_LOG_ENABLED."""
    async with house.visitor(authorization=f"Bearer {token_of(ANN)}") as http:
        assert (await http.post(CHAT, json={**BODY, "model": "broken"})).status_code == 400

    async def seen() -> list:
        return (await house.people[ANN].get("/api/log/self?type=5&page_size=50")).json()["data"]["items"]

    rows = await until(seen, "the failed call is not in the log")
    assert rows[0]["model_name"] == "broken" and rows[0]["quota"] == 0
    assert (await house.people[BOB].get("/api/log/self?type=5&page_size=50")).json()["data"]["items"] == []


# -- sessions ----------------------------------------------------------------------------------------------------------


async def test_a_session_id_that_somebody_else_chose_is_never_used(house: House):
    async with house.visitor(cookie="session=chosen-by-the-attacker") as http:
        reply = await http.post("/api/user/login", json={"username": "vic", "password": PASSWORD})
        first = reply.headers["set-cookie"].partition(";")[0]
        assert "chosen" not in first and len(first) > 40
        flags = reply.headers["set-cookie"].lower()
        assert all(flag in flags for flag in ("httponly", "samesite=strict", "secure", "path=/"))
    async with house.visitor(cookie=first) as http:
        again = await http.post("/api/user/login", json={"username": "vic", "password": PASSWORD})
        second = again.headers["set-cookie"].partition(";")[0]
    async with house.visitor(cookie=first) as http:
        old = await http.get("/api/user/self", headers={"new-api-user": str(VIC)})
        assert old.status_code == 401, "the session that this browser had before has ended"
    async with house.visitor(cookie=second) as http:
        http.headers["new-api-user"] = str(VIC)
        fresh = await http.post("/api/user/reauth", json={"password": PASSWORD})
        assert fresh.headers["set-cookie"].partition(";")[0] not in (first, second), "proving oneself changes the id"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/user/", {"id": VIC, "password": "an other fine one"}),
        ("POST", "/api/user/manage", {"id": VIC, "action": "promote"}),
        ("POST", "/api/user/manage", {"id": VIC, "action": "demote"}),
        ("POST", "/api/user/manage", {"id": VIC, "action": "disable"}),
        ("POST", "/api/user/manage", {"id": VIC, "action": "delete"}),
    ],
)
async def test_lost_rights_are_lost_at_once_on_every_node(house: House, method: str, path: str, body: dict):
    """Acceptance 3: sessions on another node end within a second, and so do the keys of who may not call any more."""
    await house.set_user(VIC, role=10 if body.get("action") == "demote" else 1, status=1, deleted_at=None)
    async with house.system.engine.begin() as db:
        await db.execute(Token.__table__.update().where(Token.user_id == VIC).values(deleted_at=None))
    row = await house.row(ANN)
    await house.set_user(VIC, password=row.password)
    await signals.user_changed(house.system.redis, VIC)
    vic = await house.sign_in(VIC)
    await vic.aclose()
    other = house.visitor(1, cookie=vic.headers["cookie"])
    other.headers["new-api-user"] = str(VIC)
    keyed = house.visitor(1, authorization=f"Bearer {token_of(VIC)}")
    async with other, keyed:
        assert (await other.get("/api/user/self")).status_code == 200
        await until(lambda: _works(keyed), "the key does not work yet")
        assert (await house.people[ROOT].request(method, path, json=body)).json()["success"]
        await asyncio.sleep(1.0)
        assert (await other.get("/api/user/self")).status_code == 401
        if body.get("action") in ("disable", "delete"):
            assert (await keyed.post(CHAT, json=BODY)).status_code in (401, 403)


async def _works(http: httpx.AsyncClient) -> bool:
    return (await http.post(CHAT, json=BODY)).status_code == 200


# -- guessing ----------------------------------------------------------------------------------------------------------


async def test_answers_do_not_tell_who_has_an_account(house: House):
    async with house.visitor() as http:

        async def answer(method, path, **more) -> tuple[int, dict, float]:
            began = time.perf_counter()
            reply = await http.request(method, path, **more)
            return reply.status_code, reply.json(), time.perf_counter() - began

        took: dict[str, list[float]] = {"ann": [], "nobody-here": []}
        for _ in range(3):
            replies = []
            for name, times in took.items():
                status, body, seconds = await answer(
                    "POST", "/api/user/login", json={"username": name, "password": "x"}
                )
                times.append(seconds)
                replies.append((status, body))
            assert replies[0] == replies[1]
        assert min(took["nobody-here"]) > 0.5 * min(took["ann"]), "the same work for a name that does not exist"
        for path in ("/api/reset_password", "/api/verification"):
            known = await answer("GET", path, params={"email": "ann@example.com"})
            unknown = await answer("GET", path, params={"email": "nobody@example.com"})
            assert known[:2] == unknown[:2], path


async def test_five_hundred_guesses_from_everywhere_and_the_owner_comes_in(house: House):
    """Acceptance 9: the account slows down whoever guesses; nothing else does, and its owner only has to wait."""
    name, refused, looked_at, slowest = PEOPLE[ALBERT][0], 0, 0, 0.0

    async def guess(number: int) -> None:
        nonlocal refused, looked_at
        address = f"198.51.{number // 250}.{number % 250 + 1}"
        reply = await http.post(
            "/api/user/login",
            json={"username": name, "password": f"guess {number}"},
            headers={"x-forwarded-for": address},
        )
        refused += reply.status_code == 429
        looked_at += reply.status_code == 200
        assert reply.status_code in (200, 429) and reply.json()["success"] is False

    async with house.visitor() as http, house.visitor() as bystander:
        for start in range(0, 500, 10):
            began = time.perf_counter()
            status = asyncio.create_task(bystander.get("/api/status"))
            await asyncio.gather(*(guess(number) for number in range(start, start + 10)))
            assert (await status).status_code == 200
            slowest = max(slowest, time.perf_counter() - began)
        assert looked_at <= 40 and refused >= 460, (looked_at, refused)
        reply = await http.post("/api/user/login", json={"username": name, "password": PASSWORD})
        if reply.status_code == 429:
            wait = int(reply.headers["retry-after"])
            assert wait <= 300
            await house.system.redis.delete(*await house.system.redis.keys("mx:limit:wait:*"))  # the time passes
            reply = await http.post("/api/user/login", json={"username": name, "password": PASSWORD})
        assert reply.json()["success"], reply.text


async def test_hashing_does_not_hold_up_others(house: House):
    """While passwords are hashed, the same process answers others."""
    async with house.visitor() as http, house.visitor() as other:
        began = time.perf_counter()
        slow = [
            asyncio.create_task(http.post("/api/user/login", json={"username": f"no-{n}", "password": "x"}))
            for n in range(6)
        ]
        quick = [(await other.get("/api/status")).status_code for _ in range(5)]
        first = time.perf_counter() - began
        await asyncio.gather(*slow)
        assert quick == [200] * 5 and first < time.perf_counter() - began, "answered before the hashes were done"


async def test_wrong_keys_are_slowed_down_and_right_ones_are_not(house: House):
    async with house.visitor(address="198.51.100.77") as http:
        codes = [
            (await http.post(CHAT, json=BODY, headers={"authorization": f"Bearer sk-{n:048d}"})).status_code
            for n in range(105)
        ]
        assert codes[0] == 401 and codes.count(429) >= 1
        right = await http.post(CHAT, json=BODY, headers={"authorization": f"Bearer {token_of(ANN)}"})
        assert right.status_code == 200
        cased = token_of(ANN).replace("k", "K").replace("sK", "sk")
        assert cased != token_of(ANN)
        assert (await http.post(CHAT, json=BODY, headers={"authorization": cased})).status_code in (401, 429)
    token = (await house.people[ANN].post("/api/user/token")).json()["data"]
    async with house.visitor() as script:
        assert (await script.get("/api/user/self", headers={"authorization": token})).status_code == 200
        wrong = await script.get("/api/user/self", headers={"authorization": token.swapcase()})
        assert wrong.status_code == 401, "keys are compared with their case"


# -- where a request comes from ----------------------------------------------------------------------------------------


async def test_forged_addresses_change_nothing(house: House):
    """Acceptance 2: the second edge trusts no proxy here, so what a client says of itself is not believed."""
    await new_token(house.system, BOB, "i" * 48, allow_ips="198.51.100.7")
    key = {"authorization": f"Bearer sk-{'i' * 48}"}
    lies = {"x-forwarded-for": "198.51.100.7", "x-real-ip": "198.51.100.7", "forwarded": "for=198.51.100.7"}
    async with house.visitor(0, **key) as trusted, house.visitor(1, **key) as direct:
        assert (await trusted.post(CHAT, json=BODY, headers={"x-forwarded-for": "198.51.100.7"})).status_code == 200
        assert (await direct.post(CHAT, json=BODY, headers=lies)).status_code == 403
    login = {"username": "ann", "password": PASSWORD}
    async with house.visitor(1, **{**lies, "user-agent": "forger"}) as http:
        cookie = (await http.post("/api/user/login", json=login)).headers["set-cookie"].partition(";")[0]
        http.headers.update({"cookie": cookie, "new-api-user": str(ANN)})
        held = (await http.get("/api/user/self/sessions")).json()["data"]
        assert [one["ip"] for one in held if one["current"]] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("stored", "address", "allowed"),
    [
        ("1.1.1.1,2.2.2.2", "2.2.2.2", True),
        ("1.1.1.1,2.2.2.2", "3.3.3.3", False),
        ("::ffff:1.1.1.1", "1.1.1.1", True),
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("garbage", "1.1.1.1", False),
    ],
)
async def test_ip_lists(house: House, stored: str, address: str, allowed: bool):
    """Acceptance 6."""
    key = f"{abs(hash((stored, address))) % 10**12:012d}"
    await new_token(house.system, BOB, key, allow_ips=stored)
    async with house.visitor(address=address, authorization=f"Bearer sk-{key}") as http:
        assert (await http.post(CHAT, json=BODY)).status_code == (200 if allowed else 403)
    refused = await house.people[ANN].post("/api/token/", json={"name": "g", "allow_ips": "garbage"})
    assert not refused.json()["success"], "what is no address is not stored"


async def test_the_host_header_is_not_believed(house: House):
    root = house.people[ROOT]
    rows = {"GitHubClientId": "id", "GitHubClientSecret": "s", "GitHubOAuthEnabled": "true"}
    written = await root.put("/api/option/batch", json={"options": [{"key": k, "value": v} for k, v in rows.items()]})
    if not written.json()["success"]:
        for name, value in rows.items():
            assert (await root.put("/api/option/", json={"key": name, "value": value})).json()["success"]
    async with house.visitor(host="evil.example") as http:

        async def started() -> dict | None:
            reply = (await http.post("/api/oauth/start", json={"provider": "github"})).json()
            return reply if reply["success"] else None

        reply = await until(started, "the setting is not seen")
        query = parse_qs(urlsplit(reply["data"]).query)
        assert query["redirect_uri"] == [f"{SITE}/oauth/github"]
        await http.get("/api/reset_password?email=bob@example.com")
        begun = (await http.post("/api/user/login/passkey/begin")).json()["data"]
        assert begun["rpId"] == "gate.example.com"
        assert "evil.example" not in (await http.get("/api/status")).text


# -- credentials of model calls ----------------------------------------------------------------------------------------

SOURCES = {
    "authorization": lambda key: {"authorization": f"Bearer {key}"},
    "bearer in any case": lambda key: {"authorization": f"bearer  {key}"},
    "x-api-key": lambda key: {"x-api-key": key},
    "api-key": lambda key: {"api-key": key},
    "x-goog-api-key": lambda key: {"x-goog-api-key": key},
}


@pytest.mark.parametrize("one", SOURCES)
@pytest.mark.parametrize("other", SOURCES)
async def test_credentials_alone_and_in_pairs(house: House, one: str, other: str):
    """Acceptance 7: two sources that agree are one key; two that differ are refused."""
    mine, his = token_of(ANN), token_of(BOB)
    async with house.visitor() as http:
        assert (await http.post(CHAT, json=BODY, headers=SOURCES[one](mine))).status_code == 200
        same = await http.post(CHAT, json=BODY, headers={**SOURCES[other](mine), **SOURCES[one](mine)})
        assert same.status_code == 200
        if not set(SOURCES[one]("x")) & set(SOURCES[other]("x")):
            mixed = await http.post(CHAT, json=BODY, headers={**SOURCES[one](mine), **SOURCES[other](his)})
            assert (mixed.status_code, mixed.json()["error"]["code"]) == (401, "ambiguous_credentials")


# -- what is shown and written -----------------------------------------------------------------------------------------


async def test_stored_html_cannot_run(house: House):
    root = house.people[ROOT]
    evil = (
        "<b>hi</b><script>alert(1)</script><img src=x onerror=alert(2)><a href='javascript:alert(3)'>x</a>"
        "<iframe src=//evil></iframe><svg onload=alert(4)><style>*{display:none}</style>"
    )
    for name in ("Notice", "About", "HomePageContent", "Footer"):
        assert (await root.put("/api/option/", json={"key": name, "value": evil})).json()["success"]

    async def shown() -> list[str]:
        paths = ("/api/notice", "/api/about", "/api/home_page_content")
        texts = [(await root.get(path)).json()["data"] for path in paths]
        texts.append((await root.get("/api/status")).json()["data"]["footer_html"])
        return texts if all(texts) else []

    texts = await until(shown, "the texts are not seen")
    for text in texts:
        assert "<b>hi</b>" in text
        assert not re.search(r"script|onerror|javascript:|iframe|onload|<style", text, re.I), text


@pytest.mark.parametrize("path", ["/api/status", "/api/user/self", "/api/nothing", "/login", "/console/logs"])
async def test_security_headers(house: House, path: str):
    async with house.visitor() as http:
        head = (await http.get(path)).headers
        assert head["x-content-type-options"] == "nosniff" and head["referrer-policy"] == "same-origin"
        policy = head["content-security-policy"]
        assert "frame-ancestors 'self'" in policy and "script-src 'unsafe" not in policy
        scripts = re.search(r"script-src ([^;]*)", policy)
        assert scripts is None or "unsafe" not in scripts[1]
        if path != "/api/nothing":
            assert "max-age" in head["strict-transport-security"]


async def test_line_breaks_get_into_no_header_and_no_log(house: House):
    broken = "x\r\nSet-Cookie: session=stolen\r\nFAKE LINE"
    async with house.visitor() as http:
        state = (await http.get("/api/oauth/state")).json()["data"]
        told = {"state": state, "error": "denied", "error_description": broken}
        answers = [
            await http.get("/api/oauth/github", params=told),
            await http.get("/api/verification", params={"email": f"a@example.com{broken}"}),
            await http.post("/api/user/register", json={"username": broken, "password": PASSWORD}),
            await http.post("/api/user/login", json={"username": broken, "password": broken}),
            await http.post(CHAT, json={**BODY, "model": broken}, headers={"authorization": f"Bearer {token_of(ANN)}"}),
            await http.get(f"/api/user/self?x={'%0d%0aFAKE LINE'}"),
        ]
        assert not any(
            "set-cookie" in answer.headers and "stolen" in answer.headers["set-cookie"] for answer in answers
        )
    async with house.system.engine.connect() as db:
        assert (
            await db.execute(select(func.count()).select_from(User).where(User.username.contains("FAKE")))
        ).scalar() == 0
    for piece in (*house.system.edges, *house.system.workers):
        assert not re.search(r"^FAKE LINE", piece.log.read_text(errors="replace"), re.M), piece.name


async def test_call_backs_of_payments_are_refused_without_a_secret(house: House):
    """Forged call-backs against an installation that never set a secret (more of them: tests of payments)."""
    async with house.visitor() as http:
        notify = {"pid": "", "trade_no": "1", "out_trade_no": "1", "type": "alipay", "money": "1.00", "trade_status": "TRADE_SUCCESS", "sign": "d41d8cd98f00b204e9800998ecf8427e", "sign_type": "MD5"}  # fmt: skip
        for _ in range(2):
            assert "success" not in (await http.get("/api/user/epay/notify", params=notify)).text.lower()
        event = '{"type":"checkout.session.completed","data":{"object":{"client_reference_id":"1","payment_status":"paid"}}}'
        hook = await http.post("/api/stripe/webhook", content=event, headers={"stripe-signature": "t=1,v1=00"})
        assert hook.status_code >= 400 or not hook.json().get("success", False)
    async with house.system.engine.connect() as db:
        topped = select(func.count()).select_from(LedgerEntry).where(LedgerEntry.kind == "topup")
        assert (await db.execute(topped)).scalar_one() == 0


async def test_secret_settings_need_a_fresh_password(house: House):
    root = house.people[ROOT]
    digest = root.headers["cookie"]
    redis = house.system.redis
    async for name in redis.scan_iter("mx:session:*"):
        text = (await redis.get(name)).decode()
        if f'"user_id":{ROOT},' in text:
            stale = re.sub(r'"fresh_until":\d+', '"fresh_until":1', text)
            await redis.set(name, stale, keepttl=True)
    refused = await root.put("/api/option/", json={"key": "SMTPToken", "value": "hidden"})
    assert (refused.status_code, refused.json()["code"]) == (403, "reauth_required"), digest[:4]
    assert (await root.put("/api/option/", json={"key": "SystemName", "value": "Gate"})).json()["success"]
    again = await root.post("/api/user/reauth", json={"password": PASSWORD})
    root.headers["cookie"] = again.headers["set-cookie"].partition(";")[0]
    assert (await root.put("/api/option/", json={"key": "SMTPToken", "value": "hidden"})).json()["success"]


async def test_no_secret_is_in_any_log(house: House):
    """Acceptance 10, over everything that this module did; it runs last."""
    async with house.visitor() as http:
        await http.get("/v1/models", headers={"authorization": f"Bearer {token_of(ANN)}"})
        await http.get(f"/api/log/token?key={token_of(BOB)}")
        await http.post(f"/v1beta/models/plain:generateContent?key={token_of(BOB)}", json={"contents": []})
        await http.get("/api/oauth/github?code=c0de-of-github&state=st4te-of-github")
        await http.get("/api/reset_password?email=bob@example.com")
        await http.post(
            "/api/user/reset", json={"email": "bob@example.com", "token": "t0ken-of-reset", "password": "x" * 9}
        )
    await asyncio.sleep(1)
    secrets = [token_of(user)[3:] for user in PEOPLE] + [
        PASSWORD, "c0de-of-github", "st4te-of-github", "t0ken-of-reset", "hush-hush-hush", "$2a$",
        *(http.headers["cookie"].partition("=")[2] for http in house.people.values()),
    ]  # fmt: skip
    for piece in (*house.system.edges, *house.system.workers):
        text = piece.log.read_text(errors="replace")
        assert [secret[:6] for secret in secrets if secret in text] == [], piece.name
        assert "/user/reset#" not in text, f"{piece.name}: a link of a mail"
