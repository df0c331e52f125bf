"""Two-factor sign-in and passkeys: what works, and what does not get past them."""

import time

import pyotp
import pytest
from sqlalchemy import select, update

from schema.tables import Passkey, TwoFactor, User
from tests.edge.console.conftest import PASSWORD
from tests.edge.console.logins.authenticator import PRESENT, Authenticator
from tests.edge.console.test_logins import sign_up

ORIGIN = "http://gate.example.com"


async def call(http, method, path, body=None):
    return (await http.request(method, path, json=body)).json()


async def switch_on(http) -> tuple[pyotp.TOTP, list[str]]:
    """The app and the backup codes. The code of the former step is used, so that the present one is left."""
    setup = await call(http, "POST", "/api/user/2fa/setup")
    app = pyotp.TOTP(setup["data"]["secret"])
    assert "issuer=" in setup["data"]["otpauth_url"]
    on = await call(http, "POST", "/api/user/2fa/enable", {"code": app.at(int(time.time()) - 30)})
    assert on["success"], on
    return app, on["data"]


async def first_step(http, username="ann"):
    http.headers.pop("new-api-user", None)
    return await call(http, "POST", "/api/user/login", {"username": username, "password": PASSWORD})


async def test_signing_in_takes_two_steps_once_it_is_on(console):
    async with console.visitor() as http, console.visitor() as other:
        await sign_up(console, http, "ann")
        wrong = await call(http, "POST", "/api/user/2fa/setup")
        assert not (await call(http, "POST", "/api/user/2fa/enable", {"code": "000000"}))["success"]
        assert (await call(http, "GET", "/api/user/2fa/status"))["data"]["enabled"] is False and wrong["success"]
        app, codes = await switch_on(http)
        status = (await call(http, "GET", "/api/user/2fa/status"))["data"]
        assert (status["enabled"], status["backup_codes_left"], len(codes)) == (True, 10, 10)
        assert (await call(http, "GET", "/api/user/self"))["data"]["two_factor"] is True

        step = await first_step(other)
        assert step["data"] == {"require_2fa": True}
        other.headers["new-api-user"] = "1"
        assert (await other.get("/api/user/self")).status_code == 401, "the first step is no session"
        code = app.now()
        done = await call(other, "POST", "/api/user/login/2fa", {"code": f"{code[:3]} {code[3:]}"})
        assert done["success"] and done["data"]["username"] == "ann"
        other.headers["new-api-user"] = str(done["data"]["id"])
        assert (await call(other, "GET", "/api/user/self"))["success"]
        again = await call(other, "POST", "/api/user/login/2fa", {"code": codes[0]})
        assert again["code"] == "second_step_expired", "a first step is finished once"


async def test_a_code_counts_once_and_a_backup_code_too(console):
    async with console.visitor() as http, console.visitor() as other:
        await sign_up(console, http, "ann")
        app, codes = await switch_on(http)
        code = app.now()
        for secret, good in ((code, True), (code, False), (codes[3], True), (codes[3].upper(), False)):
            await first_step(other)
            reply = await call(other, "POST", "/api/user/login/2fa", {"code": secret})
            assert reply["success"] is good, (secret, reply)
        assert (await call(http, "GET", "/api/user/2fa/status"))["data"]["backup_codes_left"] == 9
        fresh = await call(http, "POST", "/api/user/2fa/backup_codes")
        await first_step(other)
        assert not (await call(other, "POST", "/api/user/login/2fa", {"code": codes[4]}))["success"]
        assert (await call(other, "POST", "/api/user/login/2fa", {"code": fresh["data"][0]}))["success"]


async def test_codes_cannot_be_tried_out(console):
    async with console.visitor() as http, console.visitor() as other:
        await sign_up(console, http, "ann")
        await switch_on(http)
        await first_step(other)
        for guess in range(6):
            reply = await call(other, "POST", "/api/user/login/2fa", {"code": f"{guess:06d}"})
        assert reply["code"] == "second_step_expired", "five wrong codes end a first step"
        await first_step(other)
        for guess in range(6):
            last = await other.post("/api/user/login/2fa", json={"code": f"{guess:06d}"})
        assert last.status_code == 429, "and the account waits, whoever guesses"
        assert int(last.headers["retry-after"]) >= 1


async def test_switching_off_needs_a_code_and_fresh_authentication(console):
    async with console.visitor() as http:
        await sign_up(console, http, "ann")
        app, codes = await switch_on(http)
        assert not (await call(http, "POST", "/api/user/2fa/disable", {"code": "123456"}))["success"]
        await _age_sessions(console)
        stale = await http.post("/api/user/2fa/disable", json={"code": codes[0]})
        assert (stale.status_code, stale.json()["code"]) == (403, "reauth_required")
        assert (await call(http, "POST", "/api/user/reauth", {"otp": app.now()}))["success"]
        assert (await call(http, "POST", "/api/user/2fa/disable", {"code": codes[0]}))["success"]
        assert (await first_step(http))["data"]["username"] == "ann"


async def test_administrators_see_who_has_it_and_take_it_off(console):
    async with console.visitor() as root, console.visitor() as http, console.visitor() as other:
        await console.set_up(root)
        await sign_up(console, http, "ann")
        await call(other, "POST", "/api/user/register", {"username": "bob", "password": PASSWORD})
        await switch_on(http)
        ann = (await call(http, "GET", "/api/user/self"))["data"]["id"]

        async def listed(path):
            return {one["username"]: one["two_factor"] for one in (await call(root, "GET", path))["data"]["items"]}

        assert await listed("/api/user/") == {"root": False, "ann": True, "bob": False}
        assert await listed("/api/user/search?keyword=ann") == {"ann": True}
        assert (await call(root, "GET", f"/api/user/{ann}"))["data"]["two_factor"] is True
        assert (await call(root, "DELETE", f"/api/user/{ann}/2fa"))["success"]
        assert await listed("/api/user/") == {"root": False, "ann": False, "bob": False}
        trail = (await call(root, "GET", "/api/audit?action=user.2fa_off"))["data"]["items"]
        assert [(one["actor"], one["target"]) for one in trail] == [("root", f"user:{ann}")]


async def test_the_secret_is_sealed_and_the_codes_are_not_readable(console):
    async with console.visitor() as http:
        await sign_up(console, http, "ann")
        app, codes = await switch_on(http)
    async with console.services.engine.connect() as db:
        row = (await db.execute(select(TwoFactor.__table__))).one()
    assert row.secret.startswith("enc1:") and app.secret not in row.secret
    assert not any(code.replace("-", "") in row.backup_codes for code in codes)


async def test_admins_must_use_it_where_the_operator_says_so(console):
    async with console.visitor() as http:
        await console.set_up(http)
        assert (await http.get("/api/user/")).status_code == 200
        console.set_options(TwoFactorRequiredForAdmins="true")
        refused = await http.get("/api/user/")
        assert (refused.status_code, refused.json()["code"]) == (403, "two_factor_required")
        assert (await http.get("/api/user/self")).status_code == 200, "what is needed to set it up still works"
        await switch_on(http)
        assert (await http.get("/api/user/")).status_code == 200
        token = (await call(http, "POST", "/api/user/token"))["data"]
        async with console.visitor() as script:
            listed = await script.get("/api/user/", headers={"authorization": token})
            assert listed.status_code == 200, "access tokens are not affected"


async def test_an_admin_helps_an_account_that_lost_its_device(console):
    async with console.visitor() as root, console.visitor() as http:
        await console.set_up(root)
        await sign_up(console, http, "ann")
        await switch_on(http)
        mine = await http.delete("/api/user/2/2fa")
        assert mine.status_code == 403, "not an administrator"
        assert (await root.delete("/api/user/2/2fa")).json()["success"]
        assert (await first_step(http))["data"]["username"] == "ann"


async def _age_sessions(console):
    """Eleven minutes pass for every session."""
    redis = console.services.redis
    async for name in redis.scan_iter("mx:session:*"):
        text = (await redis.get(name)).decode()
        start = text.index('"fresh_until":') + len('"fresh_until":')
        end = text.index(",", start)
        await redis.set(name, text[:start] + "1" + text[end:], keepttl=True)


async def make_passkey(http, key, name="My key"):
    options = (await call(http, "POST", "/api/user/passkeys/begin"))["data"]
    return await call(http, "POST", "/api/user/passkeys", {"credential": key.make(options), "name": name})


async def by_passkey(http, key, **how):
    http.headers.pop("new-api-user", None)
    options = (await call(http, "POST", "/api/user/login/passkey/begin"))["data"]
    return await call(http, "POST", "/api/user/login/passkey", {"credential": key.sign(options, **how)})


async def test_a_passkey_signs_in_and_stands_for_both_steps(console):
    console.set_options(ServerAddress=ORIGIN)
    async with console.visitor() as http, console.visitor() as other:
        await sign_up(console, http, "ann")
        key = Authenticator(ORIGIN)
        assert (await make_passkey(http, key))["success"]
        await switch_on(http)
        reply = await by_passkey(other, key)
        assert reply["success"] and reply["data"]["username"] == "ann", reply
        [held] = (await call(http, "GET", "/api/user/passkeys"))["data"]
        assert held["name"] == "My key" and held["last_used"] > 0
        await call(http, "PUT", f"/api/user/passkeys/{held['id']}", {"name": "Phone\r\nX: y"})
        assert (await call(http, "GET", "/api/user/passkeys"))["data"][0]["name"] == "Phone X: y"
        assert (await call(http, "DELETE", f"/api/user/passkeys/{held['id']}"))["success"]
        assert (await by_passkey(other, key))["code"] == "passkey_unknown"


async def test_passkeys_of_other_places_challenges_and_copies_are_refused(console):
    console.set_options(ServerAddress=ORIGIN)
    async with console.visitor() as http, console.visitor() as other, console.visitor() as thief:
        await sign_up(console, http, "ann")
        assert (await make_passkey(http, Authenticator("https://evil.example")))["code"] == "passkey_refused"
        weak = Authenticator(ORIGIN)
        options = (await call(http, "POST", "/api/user/passkeys/begin"))["data"]
        unverified = {"credential": weak.make(options, flags=PRESENT)}
        assert (await call(http, "POST", "/api/user/passkeys", unverified))["code"] == "passkey_refused"
        key = Authenticator(ORIGIN)
        assert (await make_passkey(http, key))["success"]
        options = (await call(other, "POST", "/api/user/login/passkey/begin"))["data"]
        signed = key.sign(options)
        stolen = await call(thief, "POST", "/api/user/login/passkey", {"credential": signed})
        assert stolen["code"] == "passkey_expired", "a challenge belongs to one browser"
        assert (await call(other, "POST", "/api/user/login/passkey", {"credential": signed}))["success"]
        replay = await call(other, "POST", "/api/user/login/passkey", {"credential": signed})
        assert replay["code"] == "passkey_expired", "and counts once"
        key.count = 0  # a copy of the key that has fallen behind
        assert (await by_passkey(other, key))["code"] == "passkey_refused"
        key.count = 50
        assert (await by_passkey(other, key, flags=PRESENT))["code"] == "passkey_refused", "nobody was verified"
        mallory = Authenticator(ORIGIN)
        mallory._id = key._id
        assert (await by_passkey(other, mallory))["code"] == "passkey_refused"
        async with console.services.engine.begin() as db:
            await db.execute(update(User).values(status=2))
        key.count = 80
        disabled = await by_passkey(other, key)
        assert disabled["code"] == "user_disabled"


async def test_passkeys_belong_to_their_account(console):
    console.set_options(ServerAddress=ORIGIN)
    async with console.visitor() as http, console.visitor() as other:
        await sign_up(console, http, "ann")
        await sign_up(console, other, "bob")
        key = Authenticator(ORIGIN)
        assert (await make_passkey(http, key))["success"]
        async with console.services.engine.connect() as db:
            number = (await db.execute(select(Passkey.id))).scalar_one()
        assert (await call(other, "DELETE", f"/api/user/passkeys/{number}"))["code"] == "passkey_not_found"
        assert (await call(other, "PUT", f"/api/user/passkeys/{number}", {"name": "x"}))["code"] == "passkey_not_found"
        assert (await make_passkey(other, key))["code"] == "passkey_taken"
        console.set_options(ServerAddress=ORIGIN, PasskeyLoginEnabled="false")
        assert (await call(other, "POST", "/api/user/login/passkey/begin"))["code"] == "passkey_disabled"


async def test_the_last_way_to_sign_in_stays(console):
    console.set_options(ServerAddress=ORIGIN)
    async with console.visitor() as http:
        await sign_up(console, http, "ann")
        assert (await make_passkey(http, Authenticator(ORIGIN)))["success"]
        async with console.services.engine.begin() as db:
            await db.execute(update(User).values(password=""))
        last = await http.delete("/api/user/passkeys/1")
        assert (last.status_code, last.json()["code"]) == (409, "binding_last")


@pytest.mark.parametrize("path", ["/api/user/2fa/setup", "/api/user/passkeys/begin", "/api/user/2fa/backup_codes"])
async def test_what_changes_the_factors_needs_fresh_authentication(console, path):
    async with console.visitor() as http:
        await sign_up(console, http, "ann")
        await _age_sessions(console)
        assert (await http.post(path)).json()["code"] == "reauth_required"
