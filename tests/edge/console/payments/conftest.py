"""A console that sells quota, on every database, with a Stripe of our own; and readers of what came of it."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.parse import parse_qsl

import bcrypt
import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from edge.console import passwords
from edge.services import Services
from schema.config import read_config
from schema.database import make_engine
from schema.migrate import migrate
from schema.options import read_options
from schema.payments import epay, stripe
from schema.secrets import Vault
from schema.tables import AuditEntry, LedgerEntry, Log, TopUp, TopUpOrder, User
from tests.edge.console.conftest import PASSWORD, Console, copy_database, start_console
from tests.services import new_mariadb, new_postgres

KEY, SECRET = "SECRETKEY123", "whsec_1"
EPAY = {
    "PayAddress": "https://pay.example.com/", "EpayId": "1001", "EpayKey": KEY, "ServerAddress": "https://gw.example.com",
}  # fmt: skip
STRIPE = {
    "StripeApiSecret": "sk_live_1", "StripeWebhookSecret": SECRET, "ServerAddress": "https://gw.example.com",
}  # fmt: skip


class Stripe:
    """Stripe as far as a session is asked for; `answer` may be changed by a test."""

    def __init__(self):
        self.asked, self.change, self.status = [], {}, 200

    def __call__(self, request):
        assert str(request.url) == stripe.CREATE_SESSION_URL
        form = dict(parse_qsl(request.content.decode()))
        self.asked.append((dict(request.headers), form))
        session = {
            "id": f"cs_live_{len(self.asked)}", "object": "checkout.session", "url": "https://checkout.stripe.com/c/1",
            "client_reference_id": form["client_reference_id"], "livemode": True, "mode": "payment",
            "payment_status": "unpaid", "currency": form.get("line_items[0][price_data][currency]", "usd"),
            "amount_total": int(form.get("line_items[0][price_data][unit_amount]", 9900)),
        }  # fmt: skip
        return httpx.Response(self.status, json={**session, **self.change})


class Shop(Console):
    """Ways to order, to pay, and to look at the books."""

    def __init__(self, app, services, stripe_site):
        super().__init__(app, services)
        self.stripe = stripe_site

    @asynccontextmanager
    async def visitor(self, peer="127.0.0.1"):
        transport = httpx.ASGITransport(self.app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://gw.example.com") as http:
            yield http

    async def register(self, http, name="ann"):
        assert (await http.post("/api/user/register", json={"username": name, "password": PASSWORD})).json()["success"]
        return await self.sign_in(http, name)

    async def order(self, http, amount=10):
        reply = (await http.post("/api/user/pay", json={"amount": amount, "payment_method": "zfb"})).json()
        assert reply["success"], reply
        return reply["data"]

    async def books(self):
        """(balance of user `ann`, sum of her ledger entries of kind topup, count of these, log rows about top-ups)."""
        entry = select(func.coalesce(func.sum(LedgerEntry.delta), 0), func.count()).where(LedgerEntry.kind == "topup")
        async with self.services.engine.connect() as db:
            balance = (await db.execute(select(User.quota).where(User.username == "ann"))).scalar_one()
            total, entries = (await db.execute(entry)).one()
            rows = (await db.execute(select(func.count()).select_from(Log).where(Log.type == 1))).scalar_one()
        return balance, int(total), entries, rows

    async def statuses(self):
        async with self.services.engine.connect() as db:
            own = (await db.execute(select(TopUpOrder.status).order_by(TopUpOrder.id))).scalars().all()
            shown = (await db.execute(select(TopUp.status).order_by(TopUp.id))).scalars().all()
        return list(own), list(shown)

    async def refusals(self):
        async with self.services.engine.connect() as db:
            found = select(AuditEntry.detail).where(AuditEntry.action == "payment.refused").order_by(AuditEntry.id)
            return [json.loads(text)["reason"] for text in (await db.execute(found)).scalars()]


def notice(form, key=KEY, **changed):
    """What the gateway sends for an ordered form, signed with the key."""
    parameters = {
        "pid": form["pid"], "trade_no": "2025041122001", "out_trade_no": form["out_trade_no"], "type": form["type"],
        "name": form["name"], "money": form["money"], "trade_status": "TRADE_SUCCESS", **changed,
    }  # fmt: skip
    return {**parameters, "sign": epay.sign(parameters, key), "sign_type": "MD5"}


def event(session, kind="checkout.session.completed", **changed):
    """A webhook's body about a session."""
    paid = {**session, "payment_status": "paid"}
    body = {"id": "evt_1", "object": "event", "type": kind, "livemode": session["livemode"], "data": {"object": paid}}
    return json.dumps({**body, **changed}).encode()


async def send_event(http, body, secret=SECRET, at=None):
    at = at or int(time.time())
    signature = f"t={at},v1={stripe.sign(body, str(at), secret)}"
    return await http.post("/api/stripe/webhook", content=body, headers={"Stripe-Signature": signature})


async def storm(call, times=40):
    """The same call many times at once; their results."""
    return await asyncio.gather(*(call() for _ in range(times)))


@pytest.fixture
async def open_shop(tmp_path, migrated, valkey_server, monkeypatch):
    """A function: SQL_DSN -> Shop."""
    monkeypatch.setattr(passwords, "COST", 4)
    monkeypatch.setattr(passwords, "_DUMMY", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4, prefix=b"2a")))
    closers = []

    async def open_one(dsn=""):
        if not dsn:
            copy_database(migrated, tmp_path)
        engine = make_engine(dsn, sqlite_path=str(tmp_path / "one.db"))
        await migrate(engine)
        redis = Redis.from_url(valkey_server)
        await redis.flushall()
        config = read_config({"CRITICAL_RATE_LIMIT": "1000", "GLOBAL_API_RATE_LIMIT": "100000"})
        store = SimpleNamespace(current=SimpleNamespace(options=read_options({}), is_set_up=True))
        site = Stripe()
        http = httpx.AsyncClient(transport=httpx.MockTransport(site))
        services = Services(
            config=config, snapshots=store, engine=engine, log_engine=engine, redis=redis, http=http,
            vault=Vault("v" * 32),
        )  # fmt: skip
        app = await start_console(services)
        closers.extend((app.stop, http.aclose, redis.aclose, engine.dispose))
        return Shop(app, services, site)

    yield open_one
    for close in closers:
        await close()


@pytest.fixture
async def shop(open_shop):
    opened = await open_shop()
    opened.set_options(**EPAY | STRIPE)
    return opened


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def any_shop(request, open_shop):
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "payments")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "payments")
    opened = await open_shop(dsn)
    opened.set_options(**EPAY | STRIPE)
    return opened
