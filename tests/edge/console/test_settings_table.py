"""Every setting has its effect: one table over one console. A row is read with the default and with the value, and must differ.

Settings whose effect needs a relay, a worker, another site or a second machine are shown by the test that their row names.
"""

import contextlib
import itertools
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import bcrypt
import httpx
import msgspec
from redis.asyncio import Redis
from sqlalchemy import func, insert, select

from edge.channels import read_channel
from edge.console import passwords
from edge.console.app import create_console
from edge.health.breaker import read_rules
from edge.relay.outgoing import Preparer
from edge.snapshot import _words as blocked_words
from schema.config import read_config
from schema.database import make_engine
from schema.dialects.errors import DialectError
from schema.dialects.providers.base import Call
from schema.dialects.providers.settings import read_settings
from schema.migrate import migrate
from schema.options import OPTIONS, read_options
from schema.pricing import charge, find_price
from schema.secrets import SealError, Vault
from schema.tables import AuditEntry, Channel, Log, Setup, Token, TopUpOrder, User
from schema.usage import TokenUsage
from tests.edge.console import settings_effects_relay as relay
from tests.edge.console import settings_effects_workers as workers
from tests.edge.console.routes_walk import ROOT, USER, access, seed

QUIET = {
    "GLOBAL_API_RATE_LIMIT_ENABLE": "false",
    "CRITICAL_RATE_LIMIT": "100000",
    "GLOBAL_WEB_RATE_LIMIT_ENABLE": "false",
}
KEY = {"Authorization": "Bearer sk-" + "K" * 46 + "01"}
EPAY = {"PayAddress": "https://pay.example.com", "EpayId": "1", "EpayKey": "k", "ServerAddress": "http://console"}
_names = itertools.count(1)


class Stage:
    """One console whose settings change under it."""

    def __init__(self, services: Any) -> None:
        self.services, self.app, self.asked = services, None, []

    async def set(self, options: dict[str, str], environ: dict[str, str]) -> None:
        self.options, self.config = read_options(options, version=next(_names)), read_config({**QUIET, **environ})
        current = type("Now", (), {"options": self.options, "is_set_up": True})()
        store = type("Store", (), {"current": current})()
        self.services.config, self.services.snapshots = self.config, store
        if self.app is None:
            self.app = create_console(self.services)
            await self.app.start()

    async def call(
        self, method: str, path: str, *, as_: int = 0, peer: str = "127.0.0.1", **more: Any
    ) -> httpx.Response:
        headers = {**more.pop("headers", {})}
        if as_:
            headers |= {"Authorization": f"Bearer {access(as_)}"}
        transport = httpx.ASGITransport(self.app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
            return await http.request(method, path, headers=headers, **more)

    async def data(self, path: str, method: str = "GET", **more: Any) -> Any:
        body = (await self.call(method, path, **more)).json()
        return body.get("data") if body.get("success") else body["code"]

    async def one(self, statement: Any) -> Any:
        async with self.services.engine.connect() as db:
            return (await db.execute(statement)).scalar()


Observe = Callable[[Stage], Awaitable[Any]]


class Row(msgspec.Struct):
    """With `with_` set before and after: `observe` gives `seen` with the value, and something else without it."""

    key: str
    value: str
    observe: Any
    seen: Any
    with_: dict[str, str] = {}
    reset: bool = False  # counters in Redis start anew


def public(name: str) -> Observe:
    async def observe(stage: Stage) -> Any:
        return (await stage.data("/api/status"))[name]

    return observe


def told(path: str, **more: Any) -> Observe:
    async def observe(stage: Stage) -> Any:
        return await stage.data(path, **more)

    return observe


def code_of(method: str, path: str, body: Any = None, **more: Any) -> Observe:
    async def observe(stage: Stage) -> Any:
        reply = (await stage.call(method, path, json=body, **more)).json()
        return "done" if reply["success"] else reply["code"]

    return observe


def newcomer(what: str, aff: str = "") -> Observe:
    """Somebody registers; what his account has then."""

    async def observe(stage: Stage) -> Any:
        name = f"n{next(_names)}"
        before = await stage.one(select(User.aff_quota).where(User.id == USER))
        body = {"username": name, "password": "a good password", "aff_code": aff}
        reply = (await stage.call("POST", "/api/user/register", json=body)).json()
        if not reply["success"]:
            return reply["code"]
        user = await stage.one(select(User.id).where(User.username == name))
        if what == "tokens":
            return await stage.one(select(func.count()).where(Token.user_id == user))
        if what == "reward":
            return await stage.one(select(User.aff_quota).where(User.id == USER)) - before
        return await stage.one(select(User.quota).where(User.id == user))

    return observe


def priced(field: str, model: str = "gpt-4o") -> Observe:
    async def observe(stage: Stage) -> Any:
        rows = (await stage.call("GET", "/api/pricing")).json()["data"]
        return next(row for row in rows if row["model_name"] == model)[field]

    return observe


def charged(group: str = "default", user_group: str = "", model: str = "gpt-4o", **usage: int) -> Observe:
    """What a call costs, by the one place that prices."""

    async def observe(stage: Stage) -> Any:
        price = find_price(
            stage.options, model=model, group=group, **({"user_group": user_group} if user_group else {})
        )
        if not hasattr(price, "model_ratio"):
            return "no price"
        return charge(TokenUsage(**{"input_text": 1000, **usage}), price)

    return observe


def provider(field: str) -> Observe:
    """What providers are told; how each heeds it is shown by the tests of providers."""

    async def observe(stage: Stage) -> Any:
        return getattr(read_settings(stage.options, stage.config), field)

    return observe


async def order(stage: Stage) -> Any:
    reply = (await stage.call("POST", "/api/user/pay", json={"amount": 7, "payment_method": "zfb"}, as_=USER)).json()
    await stage.services.redis.delete(f"mx:limit:topup:{USER}")
    return reply["data"] if reply["success"] else reply["code"]


async def order_url(stage: Stage) -> Any:
    return (await order(stage))["notify_url"]


async def order_minutes(stage: Stage) -> Any:
    async with stage.services.engine.begin() as db:
        await db.execute(
            TopUpOrder.__table__.update().values(created_ms=1)
        )  # no order is young enough to be used again
    await order(stage)
    found = select(TopUpOrder.expires_ms - TopUpOrder.created_ms).order_by(TopUpOrder.id.desc()).limit(1)
    return await stage.one(found) // 60_000


def stripe_price(field: str = "data") -> Observe:
    async def observe(stage: Stage) -> Any:
        await stage.services.redis.delete(f"mx:limit:topup:{USER}")
        return (await stage.call("POST", "/api/user/stripe/amount", json={"amount": 10}, as_=USER)).json().get(field)

    return observe


async def limit_usd(stage: Stage) -> Any:
    return (await stage.call("GET", "/dashboard/billing/subscription", headers=KEY)).json()["hard_limit_usd"]


async def key_log_rows(stage: Stage) -> Any:
    await stage.services.redis.flushall()
    return len(await stage.data("/api/log/token?key=sk-" + "K" * 46 + "01"))


async def token_in_list(stage: Stage) -> Any:
    return "*" in (await stage.data("/api/token/", as_=USER))[0]["key"]


async def users_form(stage: Stage) -> Any:
    return type(await stage.data("/api/user/", as_=ROOT)).__name__


async def refusals(stage: Stage) -> Any:
    """The status of the third of three quick calls."""
    await stage.services.redis.flushall()
    return [(await stage.call("GET", "/api/status")).status_code for _ in range(3)][-1]


async def critical_refusals(stage: Stage) -> Any:
    await stage.services.redis.flushall()
    body = {"username": "nobody", "password": "wrong password"}
    return [(await stage.call("POST", "/api/user/login", json=body)).status_code for _ in range(3)][-1]


async def pages_refused(stage: Stage) -> Any:
    await stage.services.redis.flushall()
    return [(await stage.call("GET", "/console")).status_code for _ in range(3)][-1]


def wait_of(call: Observe, path: str) -> Observe:
    """Seconds until a refused caller may come again."""

    async def observe(stage: Stage) -> Any:
        await call(stage)
        reply = await stage.call("POST" if "login" in path else "GET", path, json={} if "login" in path else None)
        return int(reply.headers.get("retry-after", 0))

    return observe


async def seen_address(stage: Stage) -> Any:
    """How the console sees a caller behind a proxy: in the audit of what he did."""
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Mine": "203.0.113.8"}
    await stage.call("GET", "/api/user/token", as_=0, headers={**headers, "Authorization": f"Bearer {access(8)}"})
    found = select(AuditEntry.ip).where(AuditEntry.actor_id == 8).order_by(AuditEntry.id.desc()).limit(1)
    ip = await stage.one(found)
    async with stage.services.engine.begin() as db:  # the token was renewed: the old one again
        import hashlib

        digest = hashlib.sha256(access(8).encode()).hexdigest()
        await db.execute(User.__table__.update().where(User.id == 8).values(access_token_hash=digest))
    return ip


async def other_site(stage: Stage) -> Any:
    reply = await stage.call("GET", "/api/status", headers={"Origin": "https://other.example"})
    return reply.headers.get("access-control-allow-origin")


async def moved_page(stage: Stage) -> Any:
    return (await stage.call("GET", "/channels?a=1")).headers.get("location", "")


async def captcha(stage: Stage) -> Any:
    reply = await stage.call("GET", "/api/reset_password?email=a@example.com")
    return reply.json()["success"]


async def private_channel(stage: Stage) -> Any:
    """Whether a channel's private address is refused before anybody is asked."""
    reply = await stage.call("GET", "/api/channel/fetch_models/1", as_=ROOT)
    return "not public" in reply.json()["message"]


async def remembered(stage: Stage, key: str, value: str) -> Any:
    """Settings that predecessors keep without effect are stored and told as they are."""
    body = {"key": key, "value": value}
    assert (await stage.call("PUT", "/api/option/", json=body, as_=ROOT)).json()["success"], key
    return {one["key"]: one["value"] for one in await stage.data("/api/option/", as_=ROOT)}.get(key)


async def blocked(stage: Stage) -> Any:
    """Whether a prompt with the default word is stopped."""
    return blocked_words(stage.options) is not None


def breaker(field: str) -> Observe:
    async def observe(stage: Stage) -> Any:
        return getattr(read_rules(stage.options), field)

    return observe


async def sent_model(stage: Stage) -> Any:
    """The model that a channel with a mapping is asked for."""
    body = b'{"model":"a","messages":[{"role":"user","content":"x"}]}'
    channel = SimpleNamespace(**{**dict.fromkeys(column.name for column in Channel.__table__.columns), "id": 1, "type": 1,
        "provider": "openai", "key": "k", "models": "a", "group": "default", "status": 1})  # fmt: skip
    call = Call("chat", "openai", "a", "b", body, settings=read_settings(stage.options, stage.config))
    async with httpx.AsyncClient() as http:
        preparer = Preparer(http, file_bytes_max=1, file_s_max=1)
        sent = await preparer.prepare(call, read_channel(channel, Vault("v"), one_api=False), None)
    return json.loads(sent.body)["model"]


async def fetched_by(stage: Stage) -> Any:
    """(who was asked for a picture, with which key) when a provider takes no addresses."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), json.loads(request.content).get("key")))
        return httpx.Response(200, content=b"\x89PNG", headers={"content-type": "image/png"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        preparer = Preparer(http, file_bytes_max=100, file_s_max=0.01)
        with contextlib.suppress(DialectError):
            worker = read_settings(stage.options, stage.config).fetch_worker
            await preparer._fetch(("https://192.0.2.1/a.png",), worker)
    return asked


async def opened(stage: Stage) -> Any:
    """Whether a secret of before a rotation can be read."""
    sealed = Vault("old" * 11).seal("secret")
    try:
        return Vault("new" * 11, stage.config.crypto_secret_old).unseal(sealed)
    except SealError:
        return "sealed"


OFF = {"AutomaticDisableChannelEnabled": "true"}
GROUPS = json.dumps({"default": 1, "vip": 1, "svip": 1, "new": 2})
TABLE = [
    Row("TopUpLink", "https://buy.example.com", public("top_up_link"), "https://buy.example.com"),
    Row("general_setting.docs_link", "https://docs.example.com", public("docs_link"), "https://docs.example.com"),
    Row("QuotaPerUnit", "1000", public("quota_per_unit"), 1000),
    Row("DisplayInCurrencyEnabled", "false", limit_usd, 10_000_000.0, {"DisplayTokenStatEnabled": "false"}),
    Row("DisplayTokenStatEnabled", "false", limit_usd, 20.0),
    Row("DefaultCollapseSidebar", "true", public("default_collapse_sidebar"), True),
    Row("DemoSiteEnabled", "true", public("demo_site_enabled"), True),
    Row("SelfUseModeEnabled", "true", charged(model="no-such-model"), 37_500),
    Row("QuotaForNewUser", "77", newcomer("quota"), 77),
    Row("QuotaForInvitee", "55", newcomer("quota", aff="a1"), 55),
    Row("QuotaForInviter", "66", newcomer("reward", aff="a1"), 66),
    Row("DataExportEnabled", "false", public("enable_data_export"), False),
    Row("DataExportDefaultTime", "week", public("data_export_default_time"), "week"),
    Row("DrawingEnabled", "false", public("enable_drawing"), False),
    Row("TaskEnabled", "false", public("enable_task"), False),
    Row("Chats", '[{"Mine":"https://c.example.com/{key}"}]', public("chats"), [{"Mine": "https://c.example.com/{key}"}]),
    Row("MjNotifyEnabled", "true", public("mj_notify_enabled"), True),
    Row("ModelRatio", '{"gpt-4o":3}', priced("model_ratio"), 3),
    Row("CompletionRatio", '{"gpt-4o":5}', charged(output_text=1000), 1250 + 6250),
    Row("ModelPrice", '{"gpt-4o":0.5}', priced("model_price"), 0.5),
    Row("CacheRatio", '{"gpt-4o":0.1}', charged(input_text=0, input_cached=1000), 125),
    Row("GroupRatio", GROUPS, told("/api/group/", as_=ROOT), ["default", "new", "svip", "vip"]),
    Row("GroupGroupRatio", '{"vip":{"default":0}}', charged(user_group="vip"), 0),
    Row("UserUsableGroups", '{"svip":"S"}', told("/api/user/groups"), {"svip": {"ratio": 1, "desc": "S"}}),
    Row("PricingPublic", "false", code_of("GET", "/api/pricing"), "not_signed_in"),
    Row("LogByKeyRowsMax", "2", key_log_rows, 2),
    Row("PayAddress", "https://pay.example.com", public("enable_online_topup"), True, {"EpayId": "1", "EpayKey": "k"}),
    Row("EpayId", "1", public("enable_online_topup"), True, {"PayAddress": "https://p.example.com", "EpayKey": "k"}),
    Row("EpayKey", "k", public("enable_online_topup"), True, {"PayAddress": "https://p.example.com", "EpayId": "1"}),
    Row("CustomCallbackAddress", "https://cb.example.com", order_url, "https://cb.example.com/api/user/epay/notify", EPAY),
    Row("Price", "8.5", public("price"), 8.5),
    Row("MinTopUp", "9", order, "amount_too_low", EPAY),
    Row("TopupGroupRatio", '{"default":0.5}', told("/api/user/amount", method="POST", json={"amount": 10}, as_=USER), "36.50"),
    Row("TopUpOrderMinutes", "90", order_minutes, 90, EPAY),
    Row("StripeCurrency", "eur", stripe_price("currency"), "EUR"),
    Row("StripeUnitPrice", "3", stripe_price(), "30.00"),
    Row("StripeMinTopUp", "20", stripe_price("code"), "amount_too_low"),
    Row("StripeApiSecret", "sk", public("enable_stripe_topup"), True, {"StripeWebhookSecret": "wh"}),
    Row("StripeWebhookSecret", "wh", public("enable_stripe_topup"), True, {"StripeApiSecret": "sk"}),
    Row("ServerAddress", "https://gw.example.com/", public("server_address"), "https://gw.example.com"),
    Row("SystemName", "Mine", public("system_name"), "Mine"),
    Row("Logo", "https://l.example.com/a.png", public("logo"), "https://l.example.com/a.png"),
    Row("Footer", "<b>f</b>", public("footer_html"), "<b>f</b>"),
    Row("Notice", "n", told("/api/notice"), "n"),
    Row("About", "a", told("/api/about"), "a"),
    Row("HomePageContent", "h", told("/api/home_page_content"), "h"),
    Row("OneApiCompat", "true", users_form, "list"),
    Row("LegacyTokenKeysInLists", "false", token_in_list, True),
    Row("PasswordLoginEnabled", "false", code_of("POST", "/api/user/login", {}), "password_login_disabled"),
    Row("PasswordRegisterEnabled", "false", newcomer("quota"), "register_disabled"),
    Row("RegisterEnabled", "false", newcomer("quota"), "register_disabled"),
    Row("EmailVerificationEnabled", "true", public("email_verification"), True),
    Row("GitHubOAuthEnabled", "true", public("github_oauth"), True),
    Row("GitHubClientId", "id", public("github_client_id"), "id"),
    Row("discord.enabled", "true", public("discord_oauth"), True),
    Row("discord.client_id", "id", public("discord_client_id"), "id"),
    Row("LinuxDOOAuthEnabled", "true", public("linuxdo_oauth"), True),
    Row("LinuxDOClientId", "id", public("linuxdo_client_id"), "id"),
    Row("TelegramOAuthEnabled", "true", public("telegram_oauth"), True),
    Row("TelegramBotName", "bot", public("telegram_bot_name"), "bot"),
    Row("WeChatAuthEnabled", "true", public("wechat_login"), True),
    Row("WeChatAccountQRCodeImageURL", "https://q.example.com", public("wechat_qrcode"), "https://q.example.com"),
    Row("TurnstileCheckEnabled", "true", captcha, False),
    Row("TurnstileSiteKey", "site", public("turnstile_site_key"), "site"),
    Row("oidc.enabled", "true", public("oidc_enabled"), True),
    Row("oidc.client_id", "id", public("oidc_client_id"), "id"),
    Row("oidc.authorization_endpoint", "https://o.example.com", public("oidc_authorization_endpoint"), "https://o.example.com"),
    Row("LarkClientId", "id", public("lark_client_id"), "id"),
    Row("claude.default_max_tokens", '{"default":99}', provider("claude_default_max_tokens"), {"default": 99}),
    Row("claude.thinking_adapter_enabled", "false", provider("claude_thinking"), False),
    Row("gemini.version_settings", '{"default":"v9"}', provider("gemini_versions"), {"default": "v9"}),
    Row("ReasoningPrefixes", "zz", provider("reasoning_prefixes"), ("zz",)),
    Row("claude.thinking_adapter_budget_tokens_percentage", "0.5", provider("claude_thinking_share"), Decimal("0.5")),
    Row("gemini.thinking_adapter_budget_tokens_percentage", "0.5", provider("gemini_thinking_share"), Decimal("0.5")),
    Row("PriceTablesMerged", "ModelRatio", charged(), 1250, {"ModelRatio": '{"mine":1}'}),
    Row("CheckSensitiveEnabled", "false", blocked, False),
    Row("CheckSensitiveOnPromptEnabled", "false", blocked, False),
    Row("global.pass_through_request_enabled", "true", sent_model, "a"),
    Row("WorkerUrl", "https://w.example.com/", fetched_by, [("https://w.example.com/", "")]),
    Row("WorkerValidKey", "key", fetched_by, [("https://w.example.com/", "key")], {"WorkerUrl": "https://w.example.com/"}),
    Row("BreakerFailurePercent", "80", breaker("share"), 0.8),
    Row("BreakerFirstByteSeconds", "2", breaker("first_byte_ms_max"), 2000),
    Row("CooldownSeconds", "9", breaker("cooldown_s"), 9),
    Row("AutomaticDisableKeywords", "my own words", workers.verdict_by_keyword, True),
    Row("AutoDisablePolicy", "original", workers.errors_until_off, 1, OFF),
    Row("AutoDisableErrors", "4", workers.errors_until_off, 4, OFF),
    Row("AutoDisableWindowSeconds", "90", workers.errors_until_off, 0, OFF),
    Row("AutoDisableErrorPercent", "70", workers.errors_until_off, 5, {**OFF, "AutoDisableWindowSeconds": "900"}),
    Row("AutoDisableKeepLast", "true", workers.balance_read(0), ("", 0), OFF),
    Row("ChannelBalanceAlert", "5", workers.balance_read(3), ("", 1)),
    Row("AutoEnableProbe", "false", workers.probes, 0, {"AutomaticEnableChannelEnabled": "true"}),
    Row("ChannelAllowPrivate", "false", private_channel, True),
    Row("ChannelUpdateIntervalMinutes", "7", workers.scheduled("balances", "ChannelUpdateIntervalMinutes"), 7),
    Row("CHANNEL_UPDATE_FREQUENCY", "8", workers.scheduled("balances"), 8),
    Row("CHANNEL_TEST_FREQUENCY", "9", workers.scheduled("tests"), 9),
    Row("POLLING_INTERVAL", "30", workers.pause_between_channels, 60),
    Row("TaskRetentionDays", "30", workers.deleted("async_tasks"), True),
    Row("AuditRetentionDays", "30", workers.deleted("audit"), True),
    Row("HourlyDataRetentionDays", "30", workers.deleted("hours_merged"), True),
    Row("DeletedUserPurgeDays", "60", workers.deleted("users_blanked"), False),
    Row("PreConsumedQuota", "100", relay.held, 513),
    Row("AffinityEnabled", "true", relay.wished, "one"),
    Row("PassUpstreamHeaders", "true", relay.headers_of_upstream, [b"x-ratelimit-remaining-tokens"]),
    Row("ApproximateTokenEnabled", "true", relay.tokens_counted, 380),
    Row("LogClientIp", "true", relay.client_ip, "203.0.113.9"),
    Row("general_setting.ping_interval_enabled", "false", relay.pinged(answered=True), 0),
    Row("general_setting.ping_before_first_byte", "true", relay.pinged(answered=False), 1),
    Row("RealtimeAllowedOrigins", "https://mine.example", relay.origin_allowed, "origin_not_allowed"),
    Row("TaskTimeoutMinutes", '{"mj":5}', relay.task_patience, 5),
    Row("MjActionCheckSuccessEnabled", "false", relay.unfinished_continued, "continued"),
    Row("CacheCreationRatio", '{"gpt-4o":3}', charged(input_text=0, input_cache_write=1000), 3750),
    Row("AudioRatio", '{"gpt-4o":3}', charged(input_text=0, input_audio=1000), 3750),
    Row("AudioCompletionRatio", '{"gpt-4o":3}', charged(input_text=0, output_audio=1000), 3750, {"AudioRatio": '{"gpt-4o":1}'}),
    Row("ImageRatio", '{"gpt-4o":3}', charged(input_text=0, input_image=1000), 3750),
    Row("gemini.thinking_adapter_enabled", "true", provider("gemini_thinking"), True),
    Row("ReturnRequestedModel", "true", provider("return_requested_model"), True),
    Row("ForwardClientHeaders", "X-One", provider("forward_client_headers"), ("x-one",)),
    Row("BreakerEnabled", "false", workers.failures_until_open, 0),
    Row("BreakerFailures", "3", workers.failures_until_open, 3),
    Row("BreakerOpenSeconds", "7", workers.open_for(0), 7),
    Row("BreakerOpenSecondsMax", "12", workers.open_for(3), 12),
    Row("AccessTokenHashOnUse", "true", relay.plain_token_left, False),
    Row("SMTPAccount", "me@example.com", relay.mail("sender"), "me@example.com", {"SMTPServer": "mail"}),
    Row("SMTPSSLEnabled", "true", relay.mail("implicit_tls"), True, {"SMTPServer": "mail"}),
    Row("SMTPTLSMode", "none", relay.mail("start_tls"), False, {"SMTPServer": "mail"}),
    Row("discord.client_secret", "s1", relay.asked("discord", "client_secret"), "s1"),
    Row("LinuxDOClientSecret", "s2", relay.asked("linuxdo", "basic"), "Basic " + b64encode(b"id:s2").decode(), {"LinuxDOClientId": "id"}),
    Row("LinuxDOMinimumTrustLevel", "2", relay.asked("linuxdo", "refused"), "provider_account_refused"),
    Row("TurnstileSecretKey", "s3", relay.asked("turnstile", "secret"), "s3", {"TurnstileCheckEnabled": "true"}),
    Row("oidc.token_endpoint", "https://o.example.com/t", relay.endpoint("token"), "https://o.example.com/t"),
    Row("oidc.user_info_endpoint", "https://o.example.com/u", relay.endpoint("user_info"), "https://o.example.com/u"),
    Row("SQL_MAX_IDLE_CONNS", "3", relay.pool("kept"), 3),
    Row("SQL_MAX_OPEN_CONNS", "77", relay.pool("most"), 77),
    Row("SQL_MAX_LIFETIME", "9", relay.pool("lifetime"), 9),
    Row("DEBUG", "true", relay.pool("echo"), True),
    Row("REDIS_POOL_SIZE", "4", relay.redis_connections, 20),
    Row("SECRETS_AT_REST", "off", relay.sealed, False),
    Row("SYNC_FREQUENCY", "10", relay.snapshots_read, 1),
    Row("MAX_FILE_DOWNLOAD_MB", "3", relay.relay_limit("bytes"), 3 << 20),
    Row("USER_CONTENT_REQUEST_TIMEOUT", "4", relay.relay_limit("seconds"), 4),
    Row("RELAY_PROXY", "http://127.0.0.1:1", relay.relay_limit("proxy"), "http://127.0.0.1:1"),
    Row("USER_CONTENT_REQUEST_PROXY", "http://127.0.0.1:1", relay.relay_limit("file_proxy"), True),
    Row("REALTIME_MAX_SESSION", "77", relay.realtime_limit("session_s"), 77),
    Row("RELAY_STREAM_TIMEOUT", "60", relay.stream_overdue, True),
    Row("RELAY_RETRY_DEADLINE", "7", relay.retrying_ends, 7),
    Row("MAX_CONNECTIONS", "3", relay.connections_admitted, 3),
    Row("NOTIFICATION_LIMIT_DURATION_MINUTE", "3", workers.notice_window, 3),
    Row("ENABLE_METRIC", "true", workers.share_found_low, 10),
    Row("METRIC_QUEUE_SIZE", "6", workers.share_found_low, 6, {"ENABLE_METRIC": "true"}),
    Row("METRIC_SUCCESS_RATE_THRESHOLD", "0.5", workers.share_found_low, 0, {"ENABLE_METRIC": "true"}),
    # environment
    Row("CRYPTO_SECRET_OLD", "old" * 11, opened, "secret"),
    Row("GENERATE_DEFAULT_TOKEN", "true", newcomer("tokens"), 1),
    Row("GLOBAL_API_RATE_LIMIT_ENABLE", "true", refusals, 429, {"GLOBAL_API_RATE_LIMIT": "2"}),
    Row("GLOBAL_API_RATE_LIMIT", "2", refusals, 429, {"GLOBAL_API_RATE_LIMIT_ENABLE": "true"}),
    Row("CRITICAL_RATE_LIMIT", "2", critical_refusals, 429),
    Row("GLOBAL_WEB_RATE_LIMIT_ENABLE", "true", pages_refused, 429, {"GLOBAL_WEB_RATE_LIMIT": "2"}),
    Row("GLOBAL_WEB_RATE_LIMIT", "2", pages_refused, 429, {"GLOBAL_WEB_RATE_LIMIT_ENABLE": "true"}),
    Row("GLOBAL_API_RATE_LIMIT_DURATION", "999", wait_of(refusals, "/api/status"), 999,
        {"GLOBAL_API_RATE_LIMIT_ENABLE": "true", "GLOBAL_API_RATE_LIMIT": "2"}),
    Row("GLOBAL_WEB_RATE_LIMIT_DURATION", "999", wait_of(pages_refused, "/console"), 999,
        {"GLOBAL_WEB_RATE_LIMIT_ENABLE": "true", "GLOBAL_WEB_RATE_LIMIT": "2"}),
    Row("CRITICAL_RATE_LIMIT_DURATION", "999", wait_of(critical_refusals, "/api/user/login"), 999, {"CRITICAL_RATE_LIMIT": "2"}),
    Row("TRUSTED_PROXIES", "10.0.0.0/8", seen_address, "127.0.0.1"),
    Row("CLIENT_IP_HEADER", "X-Mine", seen_address, "203.0.113.8"),
    Row("CORS_ORIGINS", "https://other.example", other_site, "https://other.example"),
    Row("FRONTEND_BASE_URL", "https://main.example", moved_page, "https://main.example/channels?a=1", {"NODE_TYPE": "slave"}),
    Row("NODE_TYPE", "slave", moved_page, "https://main.example/channels?a=1", {"FRONTEND_BASE_URL": "https://main.example"}),
    Row("FORCE_STREAM_OPTION", "false", provider("force_stream_options"), False),
    Row("AZURE_DEFAULT_API_VERSION", "2030-01-01", provider("azure_api_version"), "2030-01-01"),
    Row("GEMINI_VISION_MAX_IMAGE_NUM", "3", provider("gemini_images_max"), 3),
    Row("COHERE_SAFETY_SETTING", "STRICT", provider("cohere_safety"), "STRICT"),
    Row("DIFY_DEBUG", "false", provider("dify_debug"), False),
]  # fmt: skip


async def test_every_row_has_its_effect(tmp_path, valkey_server, monkeypatch):
    monkeypatch.setattr(passwords, "COST", 4)
    monkeypatch.setattr(passwords, "_DUMMY", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4, prefix=b"2a")))
    engine = make_engine("", sqlite_path=str(tmp_path / "one.db"))
    await migrate(engine)
    await seed(engine)
    async with engine.begin() as db:
        rows = [{"user_id": 1, "type": 2, "token_id": 1, "created_at": int(time.time()), "model_name": "m"}] * 4
        await db.execute(insert(Log), rows)
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    wrong = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500))) as http:
        empty = type("Store", (), {"current": None})()
        stage = Stage(
            SimpleNamespace(started_s=0, meters=None,
                config=read_config(QUIET), snapshots=empty, engine=engine, log_engine=engine, redis=redis, http=http,
                vault=Vault("v" * 32),
            )
        )  # fmt: skip
        for row in TABLE:
            try:
                before = await _observe(stage, row, {})
                after = await _observe(stage, row, {row.key: row.value})
            except Exception as error:  # told with the others
                wrong.append(f"{row.key}: {error!r}"[:300])
                continue
            if not (after == row.seen != before):
                wrong.append(f"{row.key}={row.value}: {before!r} before, {after!r} after, expected {row.seen!r}"[:300])
        for key, spec in OPTIONS.items():
            if spec.hidden and not spec.secret:
                value = {"bool": "false", "int": "7", "url": "https://x.example.com", "json:list": "[]"}.get(
                    spec.kind, "kept"
                )
                if await remembered(stage, key, value) != value:
                    wrong.append(f"{key}: is not kept")
    assert not wrong, "\n".join(wrong)
    await redis.aclose()
    await engine.dispose()


async def _observe(stage: Stage, row: Row, changed: dict[str, str]) -> Any:
    values = {**row.with_, **changed}
    options = {key: value for key, value in values.items() if key in OPTIONS}
    await stage.set(options, {key: value for key, value in values.items() if key not in OPTIONS})
    return await row.observe(stage)


async def test_an_unattended_set_up(tmp_path, valkey_server, monkeypatch):
    """SETUP_USERNAME, SETUP_PASSWORD, INITIAL_ROOT_TOKEN, INITIAL_ROOT_ACCESS_TOKEN."""
    monkeypatch.setattr(passwords, "COST", 4)
    engine = make_engine("", sqlite_path=str(tmp_path / "two.db"))
    await migrate(engine)
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    environ = {
        "SETUP_USERNAME": "boss", "SETUP_PASSWORD": "a good password", "INITIAL_ROOT_TOKEN": "sk-" + "t" * 20,
        "INITIAL_ROOT_ACCESS_TOKEN": "m" * 32,
    }  # fmt: skip
    async with httpx.AsyncClient() as http:
        stage = Stage(
            SimpleNamespace(started_s=0, meters=None,
                config=read_config(QUIET), snapshots=type("Store", (), {"current": None})(), engine=engine, log_engine=engine,
                redis=redis, http=http, vault=Vault("v" * 32),
            )
        )  # fmt: skip
        await stage.set({}, environ)
        stage.app = None  # a second start makes no second account
        await stage.set({}, environ)
        assert await stage.one(select(func.count()).select_from(User)) == 1
        assert await stage.one(select(func.count()).select_from(Setup)) == 1
        own = (await stage.call("GET", "/api/user/self", headers={"Authorization": "Bearer " + "m" * 32})).json()[
            "data"
        ]
        assert (own["username"], own["role"]) == ("boss", 100)
        listed = await stage.call("GET", "/v1/models", headers={"Authorization": "Bearer sk-" + "t" * 20})
        assert listed.status_code == 200
        body = {"username": "boss", "password": "a good password"}
        assert (await stage.call("POST", "/api/user/login", json=body)).json()["success"]
    await redis.aclose()
    await engine.dispose()
