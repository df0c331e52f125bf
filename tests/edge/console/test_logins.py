"""E-mail codes, resets and third-party sign-in: what works, and what attackers try."""

import asyncio
import json
import re
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest
from arq.connections import ArqRedis
from sqlalchemy import insert, select, update

from edge.console.logins import providers
from schema.tables import LedgerEntry, User

MAIL = {"SMTPServer": "mail.example.com", "ServerAddress": "http://gate.example.com"}
GITHUB = {"GitHubOAuthEnabled": "true", "GitHubClientId": "id", "GitHubClientSecret": "secret"}


async def mails(console) -> list[tuple[str, str]]:
    """(receiver, text) of every queued mail, the last one last."""
    queue = ArqRedis(connection_pool=console.services.redis.connection_pool)
    jobs = sorted(await queue.queued_jobs(), key=lambda job: job.enqueue_time)
    return [(job.args[0], job.args[2]) for job in jobs if job.function == "mail"]


async def sign_up(console, http, username: str) -> None:
    made = await http.post("/api/user/register", json={"username": username, "password": "a good password"})
    assert made.json()["success"], made.text
    await console.sign_in(http, username)


async def user(console, **where) -> User:
    async with console.services.engine.connect() as db:
        [(name, value)] = where.items()
        return (await db.execute(select(User.__table__).where(getattr(User, name) == value))).one()


@asynccontextmanager
async def provider(monkeypatch, profile):
    """A stand-in for GitHub: gives a token for the code `good` and then the profile."""

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.I)
        body = (await reader.readexactly(int(length[1]))).decode() if length else ""
        answer: object = {"error": "bad_verification_code"}
        if "/access_token" in head and json.loads(body)["code"] == "good":
            answer = {"access_token": "t0k"}
        elif "Bearer t0k" in head:
            answer = profile
        data = json.dumps(answer).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        monkeypatch.setattr(providers, "GITHUB", address)
        monkeypatch.setattr(providers, "GITHUB_API", address)
        yield


PROFILE = {"id": 4242, "login": "ann", "name": "Ann", "created_at": "2015-01-01T00:00:00Z"}


async def test_registering_with_a_code(console):
    console.set_options(EmailVerificationEnabled="true", **MAIL)
    async with console.visitor() as http:
        assert (await http.get("/api/verification?email=Ann@Example.com")).json()["success"]
        [(to, text)] = await mails(console)
        code = re.search(r"\d{8}", text)[0]
        assert to == "ann@example.com"
        account = {"username": "ann", "password": "a good password", "email": "ann@example.com"}
        wrong = await http.post("/api/user/register", json={**account, "verification_code": "00000000"})
        assert not wrong.json()["success"]
        made = await http.post("/api/user/register", json={**account, "verification_code": code})
        assert made.json()["success"], made.text
        assert (await user(console, username="ann")).email == "ann@example.com"
        again = await http.post("/api/user/register", json={**account, "username": "b", "verification_code": code})
        assert not again.json()["success"], "a code is used once"


async def test_a_code_cannot_be_guessed(console):
    console.set_options(EmailVerificationEnabled="true", **MAIL)
    async with console.visitor() as http:
        await http.get("/api/verification?email=ann@example.com")
        code = re.search(r"\d{8}", (await mails(console))[0][1])[0]
        account = {"username": "ann", "password": "a good password", "email": "ann@example.com"}
        for _ in range(5):
            await http.post("/api/user/register", json={**account, "verification_code": "wrong"})
        late = await http.post("/api/user/register", json={**account, "verification_code": code})
        assert not late.json()["success"]


async def test_addresses_that_are_not_accepted(console):
    console.set_options(
        EmailDomainRestrictionEnabled="true",
        EmailDomainWhitelist="good.com",
        EmailAliasRestrictionEnabled="true",
        **MAIL,
    )
    async with console.visitor() as http:
        for address in ("x", "a@b@good.com", "a@bad.com", "a%2Bb@good.com", "a.b@good.com", "a%0d%0aBcc:x@good.com"):
            assert not (await http.get(f"/api/verification?email={address}")).json()["success"], address
        assert await mails(console) == []


async def test_a_new_password_by_mail_ends_every_session(console):
    console.set_options(**MAIL)
    async with console.visitor() as http, console.visitor() as thief:
        await sign_up(console, http, "ann")
        async with console.services.engine.begin() as db:
            await db.execute(update(User).where(User.username == "ann").values(email="ann@example.com"))
        await console.sign_in(thief, "ann")
        unknown = await http.get("/api/reset_password?email=nobody@example.com")
        known = await http.get("/api/reset_password?email=ann@example.com")
        assert unknown.json() == known.json(), "the answer tells nothing"
        [(to, text)] = await mails(console)
        assert to == "ann@example.com"
        token = parse_qs(re.search(r"http://gate.example.com/user/reset#(\S+)", text)[1])["token"][0]
        body = {"email": "ann@example.com", "token": token, "password": "another password"}
        assert not (await http.post("/api/user/reset", json={**body, "token": "0" * 64})).json()["success"]
        assert (await http.post("/api/user/reset", json=body)).json()["success"]
        assert not (await http.post("/api/user/reset", json=body)).json()["success"]
        assert (await thief.get("/api/user/self")).status_code == 401
        await console.sign_in(http, "ann", "another password")


async def test_signing_in_and_coming_back_with_github(console, monkeypatch):
    console.set_options(**GITHUB)
    async with provider(monkeypatch, PROFILE), console.visitor() as http, console.visitor() as later:
        for browser in (http, later):
            state = (await browser.get("/api/oauth/state")).json()["data"]
            reply = (await browser.get(f"/api/oauth/github?code=good&state={state}")).json()
            assert reply["success"], reply
        found = await user(console, github_numeric_id="4242")
        assert reply["data"]["id"] == found.id and found.display_name == "Ann"
        later.headers["new-api-user"] = str(found.id)
        assert (await later.get("/api/user/self")).json()["data"]["username"] == found.username
        empty = await http.post("/api/user/login", json={"username": found.username, "password": ""})
        assert not empty.json()["success"], "an account without a password has none that is right"
        last = await later.request("DELETE", "/api/user/self/binding/github")
        assert last.status_code == 409, "the last way to sign in stays"


async def test_states_belong_to_one_browser_and_are_used_once(console, monkeypatch):
    console.set_options(**GITHUB)
    async with provider(monkeypatch, PROFILE), console.visitor() as http, console.visitor() as other:
        state = (await http.get("/api/oauth/state")).json()["data"]
        for path in ("code=good", "code=good&state=made-up"):
            assert (await http.get(f"/api/oauth/github?{path}")).status_code == 403
        assert (await other.get(f"/api/oauth/github?code=good&state={state}")).status_code == 403
        assert (await http.get(f"/api/oauth/github?code=good&state={state}")).status_code == 403, (
            "it was tried elsewhere"
        )
        state = (await http.get("/api/oauth/state")).json()["data"]
        bad = await http.get(f"/api/oauth/github?code=bad&state={state}")
        assert not bad.json()["success"] and "secret" not in bad.text
        assert (await http.get(f"/api/oauth/github?code=good&state={state}")).status_code == 403


async def test_binding_needs_a_state_of_the_same_account(console, monkeypatch):
    console.set_options(**GITHUB)
    async with provider(monkeypatch, PROFILE), console.visitor() as http:
        state = (await http.get("/api/oauth/state")).json()["data"]  # to sign in
        await sign_up(console, http, "ann")
        assert (await http.get(f"/api/oauth/github?code=good&state={state}")).status_code == 403
        state = (await http.get("/api/oauth/state")).json()["data"]
        assert (await http.get(f"/api/oauth/github?code=good&state={state}")).json()["message"] == "bind"
        assert (await user(console, username="ann")).github_numeric_id == "4242"
        async with console.visitor() as second:
            await sign_up(console, second, "bob")
            state = (await second.get("/api/oauth/state")).json()["data"]
            taken = (await second.get(f"/api/oauth/github?code=good&state={state}")).json()
            assert taken["code"] == "binding_taken"


@pytest.mark.parametrize(("adopted_ms", "allowed"), [(1_500_000_000_000, True), (1_300_000_000_000, False)])
async def test_an_adopted_github_account_is_kept_from_a_recycled_name(console, monkeypatch, adopted_ms, allowed):
    """The login name of a predecessor's row counts only for a GitHub account that is older than the adoption."""
    console.set_options(**GITHUB)
    async with console.services.engine.begin() as db:
        await db.execute(
            insert(User).values(
                id=77, username="old", password="", role=1, status=1, quota=5, aff_code="zz", github_id="ann"
            )
        )
        await db.execute(
            insert(LedgerEntry).values(kind="opening", reference="user:77", user_id=77, delta=5, at_ms=adopted_ms)
        )
    async with provider(monkeypatch, PROFILE), console.visitor() as http:
        state = (await http.get("/api/oauth/state")).json()["data"]
        reply = (await http.get(f"/api/oauth/github?code=good&state={state}")).json()
        assert reply["success"] is allowed
        assert (await user(console, id=77)).github_numeric_id == ("4242" if allowed else None)


async def test_binding_an_address(console):
    console.set_options(**MAIL)
    async with console.visitor() as http, console.visitor() as thief:
        await sign_up(console, http, "ann")
        await sign_up(console, thief, "bob")
        assert (await http.get("/api/verification?email=ann@example.com")).json()["success"]
        code = re.search(r"\d{8}", (await mails(console))[0][1])[0]
        stolen = await thief.get(f"/api/oauth/email/bind?email=ann@example.com&code={code}")
        assert not stolen.json()["success"], "a code is for the account that asked for it"
        bound = await http.get(f"/api/oauth/email/bind?email=ann@example.com&code={code}")
        assert bound.json()["success"], bound.text
        assert (await user(console, username="ann")).email == "ann@example.com"
