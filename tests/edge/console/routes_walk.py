"""What the walk over all routes needs: a seeded console on any database, callers of each role, an example for each route."""

import hashlib
import json
import re
import time
from types import SimpleNamespace
from typing import Any

import httpx
import jsonschema_rs
from sqlalchemy import insert, text

from edge.console import sessions
from edge.console.app import create_console
from edge.console.openapi import write_openapi
from edge.console.routes import Role
from edge.services import Services
from schema.ledger.entries import post
from schema.options import read_options
from schema.tables import (
    Ability,
    Channel,
    Log,
    Midjourney,
    OptionRow,
    QuotaData,
    Redemption,
    Setup,
    Task,
    Token,
    TopUp,
    User,
)

VISITOR, USER, ADMIN, ROOT = 0, 1, 2, 3  # ids of the callers; the visitor is none of them
TARGET = 4  # an account that administrators act upon; 5 is there to be deleted
CALLERS = {Role.VISITOR: VISITOR, Role.USER: USER, Role.ADMIN: ADMIN, Role.ROOT: ROOT}
CLOSED_PORT = "http://127.0.0.1:9"
KEY = "K" * 46


def example(
    query: str = "", body: Any = None, ok: bool | None = True, status: int = 200, **path: Any
) -> SimpleNamespace:
    """`ok`: what `success` is for a caller who may; None: it depends on things outside this console."""
    return SimpleNamespace(query=query, body=body, ok=ok, status=status, path=path)


SPAN = "start_timestamp={since}&end_timestamp={until}"  # of the last hours: `example_of` knows when it is asked
LISTED = f"p=1&page_size=5&type=2&token_name=t&model_name=gpt%25&group=default&request_id=r&status=200&{SPAN}"
CHANNEL = {"name": "new", "type": 1, "key": "sk-a\nsk-b", "models": "gpt-4o,gpt-4o-mini", "group": "default,vip"}
EXAMPLES = {
    ("POST", "/api/setup"): example(body={"username": "r"}, ok=False),
    ("POST", "/api/user/login"): example(body={"username": "nobody", "password": "wrong password"}, ok=False),
    ("POST", "/api/user/register"): example(body={"username": "new{caller}", "password": "a good password"}),
    ("PUT", "/api/user/self"): example(body={"display_name": "Me"}),
    ("POST", "/api/user/aff_transfer"): example(body={"quota": 500_000}),
    ("PUT", "/api/user/setting"): example(body={"notify_type": "email", "quota_warning_threshold": 100}),
    ("POST", "/api/user/reauth"): example(body={"password": "wrong"}, ok=False),
    ("DELETE", "/api/user/self"): example(ok=None),
    ("DELETE", "/api/user/self/sessions/:session"): example(session="none", ok=False),
    ("GET", "/api/verification"): example("email=x", ok=False),
    ("GET", "/api/reset_password"): example("email=nobody@example.com", ok=None),
    ("POST", "/api/user/reset"): example(body={"email": "nobody@example.com", "token": "x"}, ok=False),
    ("GET", "/api/user/"): example("p=1&page_size=3"),
    ("GET", "/api/user/search"): example("keyword=a&group=default&p=1&page_size=3"),
    ("GET", "/api/user/:id"): example(id=TARGET),
    ("POST", "/api/user/"): example(body={"username": "made{caller}", "password": "a good password"}),
    ("PUT", "/api/user/"): example(body={"id": TARGET, "display_name": "Other", "quota_delta": 5}),
    ("POST", "/api/user/manage"): example(body={"id": TARGET, "action": "enable"}),
    ("DELETE", "/api/user/:id"): example(id="{doomed}"),
    ("GET", "/api/token/"): example("p=0&size=2"),
    ("GET", "/api/token/search"): example("keyword=t&token=" + "K" * 10),
    ("POST", "/api/token/batch"): example(body={"ids": ["{token}"], "action": "disable"}),
    ("GET", "/api/token/:id"): example(id="{token}"),
    ("POST", "/api/token/"): example(body={"name": "fresh", "remain_quota": 5, "expired_time": -1}),
    ("PUT", "/api/token/"): example(body={"id": "{token}", "name": "renamed", "remain_quota": 9}),
    ("DELETE", "/api/token/:id"): example(id="{spare_token}"),
    ("POST", "/api/token/:id/key"): example(id="{token}"),
    ("GET", "/api/redemption/"): example("p=1&page_size=2"),
    ("GET", "/api/redemption/search"): example("keyword=c&p=1&page_size=2"),
    ("GET", "/api/redemption/:id"): example(id=1),
    ("POST", "/api/redemption/"): example(body={"name": "c", "count": 2, "quota": 100}),
    ("PUT", "/api/redemption/"): example(body={"id": 1, "name": "renamed", "quota": 7}),
    ("DELETE", "/api/redemption/:id"): example(id="{code}"),
    ("POST", "/api/user/topup"): example(body={"key": "unknown"}, ok=False),
    ("POST", "/api/user/amount"): example(body={"amount": 10}),
    ("POST", "/api/user/pay"): example(body={"amount": 10, "payment_method": "zfb"}),
    ("POST", "/api/user/stripe/amount"): example(body={"amount": 10}),
    ("POST", "/api/user/stripe/pay"): example(body={"amount": 10}, ok=False),
    ("GET", "/api/user/topups"): example("p=1&page_size=2&status=pending"),
    ("GET", "/api/topups"): example("p=1&page_size=2&user_id=1&keyword=USR"),
    ("POST", "/api/topup"): example(body={"user_id": TARGET, "quota": 10, "remark": "thanks"}),
    ("GET", "/api/channel/"): example("p=0&page_size=5&id_sort=true&type=1&status=1"),
    ("GET", "/api/channel/search"): example("keyword=c&group=default&model=gpt&tag_mode=true"),
    ("GET", "/api/channel/:id"): example(id=1),
    ("POST", "/api/channel/"): example(body=CHANNEL),
    ("PUT", "/api/channel/"): example(body={"id": 1, "priority": 3, "weight": 2}),
    ("DELETE", "/api/channel/:id"): example(id="{channel}"),
    ("POST", "/api/channel/batch"): example(body={"ids": [9999]}),
    ("POST", "/api/channel/batch/tag"): example(body={"ids": [1], "tag": "t"}),
    ("POST", "/api/channel/tag/enabled"): example(body={"tag": "t"}),
    ("POST", "/api/channel/tag/disabled"): example(body={"tag": "other"}),
    ("PUT", "/api/channel/tag"): example(body={"tag": "t", "priority": 1}),
    ("POST", "/api/channel/bulk"): example(body={"ids": [1, 9999], "action": "set", "values": {"priority": 2}}),
    ("POST", "/api/channel/copy/:id"): example("suffix=_x&reset_balance=true", id=1),
    ("POST", "/api/channel/:id/key"): example(id=1),
    ("GET", "/api/channel/test"): example("scope=disabled", ok=None),
    ("GET", "/api/channel/test/run/:run"): example(run="none", ok=False),
    ("GET", "/api/channel/test/:id"): example("model=gpt-4o", ok=False, id=1),
    ("GET", "/api/channel/:id/health"): example("step=60", id=1),
    ("GET", "/api/channel/:id/errors"): example(id=1),
    ("GET", "/api/channel/:id/events"): example(id=1),
    ("POST", "/api/channel/:id/drain"): example(id=1),
    ("POST", "/api/channel/:id/undrain"): example(id=1),
    ("GET", "/api/channel/update_balance"): example(ok=None),
    ("GET", "/api/channel/update_balance/:id"): example(id=1, ok=False),
    ("GET", "/api/channel/fetch_models/:id"): example(id=1, ok=False),
    ("POST", "/api/channel/fetch_models"): example(
        body={"type": 1, "key": "k", "base_url": CLOSED_PORT}, ok=False, status=500
    ),
    ("PUT", "/api/option/"): example(body={"key": "RetryTimes", "value": "1"}),
    ("PUT", "/api/option/batch"): example(body={"items": [{"key": "RetryTimes", "value": 2}]}),
    ("GET", "/api/option/"): example("with_secrets_state=1"),
    ("GET", "/api/log/"): example(f"{LISTED}&username=user1&channel=1"),
    ("GET", "/api/log/self"): example(LISTED),
    ("GET", "/api/log/search"): example("keyword=gift"),
    ("GET", "/api/log/self/search"): example("keyword=2"),
    ("GET", "/api/log/stat"): example(f"{LISTED}&username=user1"),
    ("GET", "/api/log/self/stat"): example(LISTED),
    ("GET", "/api/log/token"): example(f"key=sk-{KEY}01"),
    ("DELETE", "/api/log/"): example("target_timestamp=1000"),
    ("GET", "/api/data/"): example(SPAN),
    ("GET", "/api/data/users"): example(SPAN),
    ("GET", "/api/data/self"): example(SPAN),
    ("GET", "/api/data/usage"): example(SPAN),
    ("GET", "/api/data/usage/self"): example(SPAN),
    ("GET", "/api/audit"): example("p=1&page_size=5"),
    ("GET", "/api/pricing"): example(),
    ("GET", "/v1/models/:model"): example(model="gpt-4o"),
    ("GET", "/v1beta/models/:model"): example(model="gpt-4o"),
}
# Whatever stands behind these is not this console's: another site, an authenticator, a mail, a worker.
ELSEWHERE = (
    "/api/oauth/",
    "/api/user/2fa/",
    "/api/user/passkeys",
    "/api/user/login/",
    "/api/user/self/binding",
    "/2fa",
)


def example_of(route: Any) -> SimpleNamespace:
    found = EXAMPLES.get((route.method, route.path))
    if found is None:
        outside = (
            any(part in route.path for part in ELSEWHERE) or ":" in route.path or route.body is not None or route.query
        )
        found = example(body={} if route.body is not None else None, ok=None if outside else True)
    now = int(time.time())
    return SimpleNamespace(**vars(found) | {"query": found.query.format(since=now - 7200, until=now + 60)})


def filled(value: Any, names: dict[str, Any]) -> Any:
    """`{name}` in an example, by what the caller of this turn has."""
    if isinstance(value, dict):
        return {key: filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    if isinstance(value, str) and value.startswith("{") and value[1:-1] in names:
        return names[value[1:-1]]
    return value.replace("{caller}", str(names["caller"])) if isinstance(value, str) else value


async def seed(engine: Any) -> None:
    """Accounts 1 to 12 (8 more than a caller's is one that may delete itself), a token and a spare one for each, channels, codes, orders, tasks, a log."""
    now = int(time.time())
    async with engine.begin() as db:
        await db.execute(insert(Setup).values(id=1, version="t", initialized_at=1))
        for number in range(1, 13):
            role = {ADMIN: 10, ROOT: 100}.get(number if number < 5 else number - 8, 1)
            await db.execute(
                insert(User).values(
                    id=number, username=f"user{number}", display_name="A", role=role, status=1, quota=0, group="default",
                    password="", aff_code=f"a{number}", access_token_hash=hashlib.sha256(access(number).encode()).hexdigest(),
                )
            )  # fmt: skip
            await post(db, kind="opening", reference=f"user:{number}", user_id=number, delta=10**7)
            await post(db, kind="invite", reference=f"aff:{number}", user_id=number, delta=10**7, balance="aff")
            for spare in (0, 100):
                await db.execute(
                    insert(Token).values(
                        id=number + spare, user_id=number, key=f"{'S' * 46 if spare else KEY}{number:02d}", name="t", status=1,
                        expired_time=-1, remain_quota=0, unlimited_quota=True, created_time=now,
                    )
                )  # fmt: skip
                await db.execute(
                    insert(Redemption).values(
                        id=number + spare, user_id=ROOT, key=f"{number + spare:032d}", status=1, name="c", quota=5
                    )
                )
                await db.execute(
                    insert(Channel).values(
                        id=number + spare, type=1, provider="openai", name="c", key="sk-up", status=1, models="gpt-4o",
                        group="default", tag="t" if number < 5 else None, base_url=CLOSED_PORT, priority=0, weight=0,
                    )
                )  # fmt: skip
            await db.execute(insert(Ability).values(group="default", model="gpt-4o", channel_id=number, enabled=True))
            await db.execute(
                insert(TopUp).values(user_id=number, amount=1, money=7.3, trade_no=f"USR{number}", status="pending")
            )
            await db.execute(
                insert(Log).values(
                    user_id=number, username=f"user{number}", type=2, model_name="gpt-4o", quota=9, created_at=now,
                    token_id=number, channel_id=1, content="x", other='{"admin_info":{"use_channel":["1"]}}',
                )
            )  # fmt: skip
            await db.execute(
                insert(QuotaData).values(
                    user_id=number, username=f"user{number}", model_name="gpt-4o", created_at=now - now % 3600, count=1,
                    token_used=3, quota=9,
                )
            )  # fmt: skip
            await db.execute(insert(Midjourney).values(user_id=number, mj_id=f"m{number}", submit_time=now * 1000))
            await db.execute(
                insert(Task).values(user_id=number, task_id=f"t{number}", platform="suno", submit_time=now)
            )
        await db.execute(insert(OptionRow).values(key="RetryTimes", value="0"))
        if engine.dialect.name == "postgresql":  # rows with ids of their own do not move the sequences
            for table in ("users", "tokens", "redemptions", "channels"):
                await db.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000)"))


def access(user_id: int) -> str:
    return f"access-token-of-{user_id}".ljust(32, "x")


OPTIONS = {
    "PayAddress": "https://pay.example.com/", "EpayId": "1", "EpayKey": "k", "ServerAddress": "http://console",
    "StripeApiSecret": "sk", "StripeWebhookSecret": "wh",
}  # fmt: skip


async def open_console(engine: Any, redis: Any, http: httpx.AsyncClient, config: Any, vault: Any) -> Any:
    store = SimpleNamespace(current=SimpleNamespace(options=read_options(OPTIONS), is_set_up=True))
    services = Services(
        config=config, snapshots=store, engine=engine, log_engine=engine, redis=redis, http=http, vault=vault
    )
    app = create_console(services)
    await app.start()
    return app


async def headers_of(redis: Any, user_id: int, *, by_cookie: bool, renewed: dict[int, str]) -> dict[str, str]:
    """`renewed`: access tokens that took the place of the seeded ones."""
    if not user_id:
        return {}
    if not by_cookie:
        return {"Authorization": f"Bearer {renewed.get(user_id) or access(user_id)}", "New-Api-User": str(user_id)}
    secret = await sessions.begin(redis, user_id, ip="127.0.0.1", user_agent="walk", second_factor=True)
    return {"Cookie": f"session={secret}", "New-Api-User": str(user_id), "Sec-Fetch-Site": "same-origin"}


class Document:
    """Validators of the document, by method and path of a route."""

    def __init__(self, routes: Any) -> None:
        self.whole = json.loads(write_openapi(routes))
        self._validators: dict[tuple[str, str, str], Any] = {}

    def check(self, route: Any, status: int, kind: str, body: bytes) -> None:
        """Raises when the answer is not what the document says."""
        path = re.sub(r":(\w+)", r"{\1}", route.path)
        described = self.whole["paths"][path][route.method.lower()]["responses"]
        content = described["200" if status == 200 else "default"]["content"]
        media = kind.partition(";")[0]
        assert media in content, f"{route.method} {path}: {media} is not described"
        if media == "application/json":
            name = (route.method, path, "200" if status == 200 else "default")
            if name not in self._validators:
                schema = {**content[media]["schema"], "components": self.whole["components"]}
                self._validators[name] = jsonschema_rs.Draft202012Validator(schema)
            self._validators[name].validate(json.loads(body))
