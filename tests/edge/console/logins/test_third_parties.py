"""OIDC with its id token, Telegram, WeChat and Lark against third parties on loopback: what works, and what is refused."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey

from edge.console.logins import oidc, providers, telegram
from tests.edge.console.logins.standin import Issuer, shared, stand_in, unsigned
from tests.edge.console.test_logins import sign_up, user

SITE = {"ServerAddress": "http://gate.example.com"}
SECRET = "the-secret-of-the-client-0123456"


def oidc_options(third, **more):
    return {
        **SITE, "oidc.enabled": "true", "oidc.client_id": "client", "oidc.client_secret": SECRET,
        "oidc.well_known": f"{third.address}/.well-known/openid-configuration", "OidcAllowPrivate": "true", **more,
    }  # fmt: skip


async def begin(http, provider, **more) -> dict[str, str]:
    """The query of the address that the browser is sent to."""
    reply = (await http.post("/api/oauth/start", json={"provider": provider, **more})).json()
    assert reply["success"], reply
    return {name: values[0] for name, values in parse_qs(urlsplit(reply["data"]).query).items()}


@pytest.fixture
async def third():
    oidc._cache.clear()
    async with stand_in() as one:
        yield one


async def test_oidc_from_the_button_to_the_session(console, third):
    issuer = Issuer(third)
    console.set_options(**oidc_options(third))
    async with console.visitor() as http:
        sent = await begin(http, "oidc")
        assert sent["redirect_uri"] == "http://gate.example.com/oauth/oidc"
        assert sent["code_challenge_method"] == "S256" and sent["nonce"]
        issuer.nonce = sent["nonce"]
        reply = (await http.get(f"/api/oauth/oidc?code=c&state={sent['state']}")).json()
        assert reply["success"], reply
        [(_, _, form)] = [one for one in third.asked if one[0] == "/token"]
        assert form["redirect_uri"] == sent["redirect_uri"] and len(form["code_verifier"]) >= 43
        ann = await user(console, oidc_id="s-1")
        assert (ann.email, ann.display_name) == ("ann@example.com", "Ann")
        http.headers["new-api-user"] = str(ann.id)
        assert (await http.get("/api/user/self")).json()["data"]["oidc_id"] == "s-1"


async def test_a_state_is_for_one_provider_and_one_use(console, third):
    """Acceptance 4; the states of other browsers and of binding: test_logins."""
    Issuer(third)
    console.set_options(**oidc_options(third, LarkClientId="app", LarkClientSecret="s"))
    async with console.visitor() as http:
        lark = await begin(http, "lark")
        for _ in range(2):
            refused = await http.get(f"/api/oauth/oidc?code=c&state={lark['state']}")
            assert (refused.status_code, refused.json()["code"]) == (403, "state_wrong")
        assert (await http.get(f"/api/oauth/lark?code=c&state={lark['state']}")).status_code == 403, "used up"
        assert third.asked == [], "no code was handed on"


MALLORY = RSAKey.generate_key(2048, {"kid": "k1"})


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda one: unsigned(one.claims()), id="no signature"),
        pytest.param(lambda one: shared(one, SECRET), id="signed with the client's secret"),
        pytest.param(lambda one: one.sign(key=MALLORY), id="signed with another key"),
        pytest.param(lambda one: one.sign(aud="other"), id="for another client"),
        pytest.param(lambda one: one.sign(aud=["client", "other"]), id="for two clients without azp"),
        pytest.param(lambda one: one.sign(iss="https://evil.example"), id="of another issuer"),
        pytest.param(lambda one: one.sign(exp=int(time.time()) - 400), id="expired"),
        pytest.param(lambda one: one.sign(iat=int(time.time()) - 400), id="issued long ago"),
        pytest.param(lambda one: one.sign(nonce="other"), id="of another sign-in"),
        pytest.param(lambda one: one.sign(sub="s-2"), id="about another account than the profile"),
        pytest.param(lambda one: "x.y.z", id="no token at all"),
    ],
)
async def test_forged_id_tokens(console, third, forge):
    issuer = Issuer(third)
    console.set_options(**oidc_options(third))
    async with console.visitor() as http:
        sent = await begin(http, "oidc")
        issuer.nonce = sent["nonce"]
        issuer.token = forge(issuer)
        reply = (await http.get(f"/api/oauth/oidc?code=c&state={sent['state']}")).json()
        assert not reply["success"] and reply["code"] == "id_token_wrong", reply


async def test_unproved_addresses_and_taken_ones_are_not_kept(console, third):
    issuer = Issuer(third)
    console.set_options(**oidc_options(third))
    async with console.visitor() as http:
        for number, profile in enumerate(({"email_verified": False}, {}, {"email": "ANN@example.com"})):
            issuer.profile |= {"sub": f"s-{number}", "email_verified": True} | profile
            sent = await begin(http, "oidc")
            issuer.token, issuer.nonce = None, sent["nonce"]
            issuer.token = issuer.sign(sub=f"s-{number}")
            http.headers.pop("new-api-user", None)
            assert (await http.get(f"/api/oauth/oidc?code=c&state={sent['state']}")).json()["success"]
        mails = [(await user(console, oidc_id=f"s-{number}")).email for number in range(3)]
        assert mails == [None, "ann@example.com", None]


async def test_oidc_addresses_must_be_public_https(console, third):
    Issuer(third)
    console.set_options(**oidc_options(third, OidcAllowPrivate="false"))
    async with console.visitor() as http:
        refused = (await http.post("/api/oauth/start", json={"provider": "oidc"})).json()
        assert refused["code"] == "provider_address_refused"
        assert third.asked == []


def widget(token="123:T", **fields):
    """A query as Telegram's widget makes it."""
    fields = {"id": "42", "first_name": "Ann", "username": "ann", "auth_date": str(int(time.time())), **fields}
    return {**fields, "hash": telegram.sign(token, fields)}


def test_telegram_signs_as_the_rules_show():
    fields = {"auth_date": "1744380000", "first_name": "Ann", "id": "42", "username": "ann"}
    expected = "e9691378bc0fa9e1555748f54314c6bebba91772b602186e2afa920bd6347754"
    assert telegram.sign("123456:TEST-TOKEN", fields) == expected


async def test_telegram_binds_with_a_ticket_and_signs_in(console):
    console.set_options(TelegramOAuthEnabled="true", TelegramBotToken="123:T", **SITE)
    async with console.visitor() as http, console.visitor() as later:
        unbound = (await later.get("/api/oauth/telegram/login", params=widget())).json()
        assert unbound["message"] == "该 Telegram 账户未绑定"
        await sign_up(console, http, "ann")
        without = await http.get("/api/oauth/telegram/bind", params=widget(username="a1"))
        assert without.status_code == 403
        ticket = (await http.post("/api/oauth/telegram/ticket")).json()["data"]
        bound = await http.post("/api/oauth/telegram/bind", params={**widget(username="a2"), "ticket": ticket})
        assert bound.json()["success"], bound.text
        again = await http.post("/api/oauth/telegram/bind", params={**widget(username="a3"), "ticket": ticket})
        assert again.status_code == 403, "a ticket counts once"
        query = widget(username="a4")
        assert (await later.get("/api/oauth/telegram/login", params=query)).json()["data"]["username"] == "ann"
        replay = (await later.get("/api/oauth/telegram/login", params=query)).json()
        assert replay["code"] == "provider_refused", "a signature counts once"
        assert (await http.delete("/api/user/self/binding/telegram")).json()["success"]


@pytest.mark.parametrize(
    "query",
    [  # made when the test runs: a suite takes longer than what they say
        pytest.param(lambda: widget(auth_date=str(int(time.time()) - 400)), id="six minutes old"),
        pytest.param(lambda: widget(auth_date=str(int(time.time()) + 400)), id="from the future"),
        pytest.param(lambda: widget(token="999:X"), id="signed for another bot"),
        pytest.param(lambda: {**widget(), "id": "43"}, id="another account"),
        pytest.param(lambda: {"id": "42", "hash": ""}, id="not signed"),
    ],
)
async def test_what_telegram_did_not_say_just_now(console, query):
    console.set_options(TelegramOAuthEnabled="true", TelegramBotToken="123:T", **SITE)
    async with console.visitor() as http:
        assert (await http.get("/api/oauth/telegram/login", params=query())).json()["code"] == "provider_refused"
        cross = await http.get("/api/oauth/telegram/login", params=widget(), headers={"sec-fetch-site": "cross-site"})
        assert cross.status_code == 403, "another site cannot sign its visitor in here"


def wechat_options(third):
    return {
        **SITE, "WeChatAuthEnabled": "true", "WeChatServerAddress": third.address, "WeChatServerToken": "wx-secret",
    }  # fmt: skip


OWN = {"sec-fetch-site": "same-origin"}


async def test_wechat_registers_signs_in_and_binds(console, third):
    whose = {"good": "wx-ann", "bobs": "wx-bob"}
    third.answers["/api/wechat/user"] = lambda path, *_: {"success": True, "data": whose.get(path[-4:], "")}
    console.set_options(**wechat_options(third))
    async with console.visitor() as http, console.visitor() as other:
        for _ in range(2):
            reply = (await http.get("/api/oauth/wechat?code=good", headers=OWN)).json()
            assert reply["success"], reply
        ann = await user(console, wechat_id="wx-ann")
        assert ann.username.startswith("wechat_") and ann.display_name == "WeChat User"
        assert all(headers["authorization"] == "wx-secret" for _, headers, _ in third.asked)
        await sign_up(console, other, "bob")
        taken = (await other.post("/api/oauth/wechat/bind?code=good")).json()
        assert taken["code"] == "binding_taken"
        assert (await other.post("/api/oauth/wechat/bind?code=bobs")).json()["success"]


async def test_wechat_codes_cannot_be_guessed_or_smuggled(console, third):
    third.answers["/api/wechat/user"] = {"success": True, "data": ""}
    console.set_options(**wechat_options(third))
    async with console.visitor() as http:
        assert (await http.get("/api/oauth/wechat?code=good")).status_code == 403, "nobody vouches for the origin"
        for code in ("abcd", "1%26a%3D2", "../admin", ""):
            reply = (await http.get(f"/api/oauth/wechat?code={code}", headers=OWN)).json()
            assert reply["message"] == "验证码错误或已过期"
        assert len(third.asked) == 1, "what is no code is not asked for"
        await http.get("/api/oauth/wechat?code=abcd", headers=OWN)
        full = await http.get("/api/oauth/wechat?code=abcd", headers=OWN)
        assert full.status_code == 429


async def test_lark(console, third, monkeypatch):
    monkeypatch.setattr(providers, "LARK", third.address)
    monkeypatch.setattr(providers, "LARK_PASSPORT", third.address)
    profile = {"open_id": "ou_1", "name": "Ann"}
    third.answers |= {
        "/open-apis/authen/v2/oauth/token": {"access_token": "t0k"},
        "/suite/passport/oauth/userinfo": lambda *_: profile,
    }
    console.set_options(LarkClientId="app", LarkClientSecret="s", **SITE)
    async with console.visitor() as http:
        sent = await begin(http, "lark")
        assert sent["app_id"] == "app"
        assert (await http.get(f"/api/oauth/lark?code=c&state={sent['state']}")).json()["success"]
        assert (await user(console, lark_id="ou_1")).username.startswith("lark_")
        profile["open_id"] = ""
        sent = await begin(http, "lark")
        assert not (await http.get(f"/api/oauth/lark?code=c&state={sent['state']}")).json()["success"]
