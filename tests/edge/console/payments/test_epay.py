"""Paying through epay: the order, the one credit, and every forgery that we could think of."""

import pytest
from sqlalchemy import insert, select, update

from schema.ledger.keys import Keys
from schema.payments import epay
from schema.tables import LedgerEntry, TopUp, TopUpOrder
from tests.edge.console.payments.conftest import EPAY, KEY, notice, storm

NOTIFY = "/api/user/epay/notify"


async def test_price_and_order(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        priced = (await ann.post("/api/user/amount", json={"amount": 10})).json()
        assert (priced["message"], priced["data"]) == ("success", "73.00")
        reply = (await ann.post("/api/user/pay", json={"amount": 10, "payment_method": "zfb"})).json()
        assert reply["url"] == "https://pay.example.com/submit.php"
        form = reply["data"]
        assert (form["pid"], form["type"], form["name"], form["money"]) == ("1001", "alipay", "TUC10", "73.00")
        assert form["notify_url"] == "https://gw.example.com/api/user/epay/notify"
        assert form["return_url"] == "https://gw.example.com/log"
        assert form["sign"] == epay.sign(form, KEY)
        assert form["out_trade_no"].startswith("USR1NO")
        again = await shop.order(ann)
        assert again["out_trade_no"] == form["out_trade_no"], "a second click is the same order"
        assert (await shop.order(ann, 20))["out_trade_no"] != form["out_trade_no"]


@pytest.mark.parametrize(
    ("options", "body", "code"),
    [
        ({"EpayKey": ""}, {"amount": 10, "payment_method": "zfb"}, "payment_not_configured"),
        ({"EpayId": ""}, {"amount": 10, "payment_method": "zfb"}, "payment_not_configured"),
        ({"ServerAddress": ""}, {"amount": 10, "payment_method": "zfb"}, "server_address_missing"),
        ({}, {"amount": 10, "payment_method": "cash"}, "payment_method_unknown"),
        ({}, {"amount": 0, "payment_method": "zfb"}, "amount_too_low"),
        ({}, {"amount": -10, "payment_method": "zfb"}, "amount_too_low"),
        ({"MinTopUp": "11"}, {"amount": 10, "payment_method": "zfb"}, "amount_too_low"),
        ({}, {"amount": 10**15, "payment_method": "zfb"}, "amount_too_high"),
        ({"Price": "0.00001"}, {"amount": 10, "payment_method": "zfb"}, "price_too_low"),
        ({}, {"amount": "10", "payment_method": "zfb"}, "invalid_body"),
    ],
)
async def test_orders_that_are_refused(shop, options, body, code):
    shop.set_options(**(EPAY | options))
    async with shop.visitor() as ann:
        await shop.register(ann)
        reply = (await ann.post("/api/user/pay", json=body)).json()
        assert (reply["message"], reply["success"], reply["code"]) == ("error", False, code)
    assert await shop.statuses() == ([], [])


async def test_a_group_pays_its_own_price(shop):
    shop.set_options(**EPAY, TopupGroupRatio='{"default": 0.5}')
    async with shop.visitor() as ann:
        await shop.register(ann)
        assert (await shop.order(ann))["money"] == "36.50"


async def test_units_are_credited_whole(shop):
    shop.set_options(**EPAY, DisplayInCurrencyEnabled="false")
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann, 750_000)
        assert form["money"] == "10.95"
        assert (await ann.get(NOTIFY, params=notice(form))).text == "success"
    assert (await shop.books())[:2] == (750_000, 750_000)


async def test_many_prices_in_a_row_are_limited(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        replies = [await ann.post("/api/user/amount", json={"amount": 10}) for _ in range(21)]
        assert [reply.status_code for reply in replies] == [200] * 20 + [429]


async def test_duplicates_at_once_credit_once(any_shop):
    async with any_shop.visitor() as ann:
        await any_shop.register(ann)
        form = await any_shop.order(ann)
        redis, tag = any_shop.services.redis, Keys(any_shop.services.config.partitions).tag(1)
        await redis.hset(f"{tag}b:1", mapping={"q": 5, "v": 1})
        sent = notice(form)
        replies = await storm(lambda: ann.get(NOTIFY, params=sent))
        assert {reply.text for reply in replies} == {"success"}
        assert not await redis.hexists(f"{tag}b:1", "q"), "the hot balance is loaded again"
        posted = await storm(lambda: ann.post(NOTIFY, data=sent), 5)
        assert {reply.text for reply in posted} == {"success"}
    assert await any_shop.books() == (5_000_000, 5_000_000, 1, 1)
    assert await any_shop.statuses() == (["success"], ["success"])
    async with any_shop.services.engine.connect() as db:
        entry = (await db.execute(select(LedgerEntry.reference, LedgerEntry.actor, LedgerEntry.reason))).one()
    assert entry.reference == f"epay:{form['out_trade_no']}"
    assert entry.actor == "user:1"
    assert "paid 73.00 CNY by epay" in entry.reason
    assert "2025041122001" in entry.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"money": "0.01"}, "money_minor differs"),
        ({"money": "72.99"}, "money_minor differs"),
        ({"money": "730.00"}, "money_minor differs"),
        ({"money": "-73.00"}, "money_minor differs"),
        ({"money": ""}, "money_minor differs"),
        ({"out_trade_no": "USR1NOxxxxxxxxxxxxxxxx1700000000"}, "unknown order"),
        ({"out_trade_no": ""}, "unknown order"),
    ],
)
async def test_signed_notices_that_do_not_agree_credit_nothing(shop, changed, reason):
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann)
        assert (await ann.get(NOTIFY, params=notice(form, **changed))).text == "fail"
    assert await shop.books() == (0, 0, 0, 0)
    assert await shop.refusals() == [reason]


async def test_notices_of_another_merchant_or_state_credit_nothing(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann)
        for changed in ({"pid": "1002"}, {"pid": ""}, {"trade_status": "TRADE_CLOSED"}, {"trade_status": ""}):
            assert (await ann.get(NOTIFY, params=notice(form, **changed))).text == "fail"
        shop.set_options(**(EPAY | {"EpayId": "1002"}))
        assert (await ann.get(NOTIFY, params=notice(form, pid="1002"))).text == "fail", "ordered at the former merchant"
    assert await shop.books() == (0, 0, 0, 0)


@pytest.mark.parametrize("missing", ["EpayKey", "EpayId", "PayAddress"])
async def test_unconfigured_it_fails_closed(shop, missing):
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann)
        shop.set_options(**(EPAY | {missing: ""}))
        for key in (KEY, ""):
            assert (await ann.get(NOTIFY, params=notice(form, key=key))).text == "fail"
    assert await shop.books() == (0, 0, 0, 0)


async def test_forged_notices_credit_nothing(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann)
        good = notice(form)
        query = "&".join(f"{name}={value}" for name, value in good.items())
        small = notice(form, money="1.00")
        attacks = [
            "", "sign=", f"{query}&money=1.00", f"money=1.00&{query}", f"{query}&extra=1", query.replace("73.00", "1.00"),
            query.replace(good["sign"], ""), query.replace(good["sign"], "0" * 32), query.replace("sign=", "Sign="),
            query.replace("pid=1001", "pid[]=1001"), "sign=" + small["sign"] + "&" + query, "%ff=1&" + query,
            "&".join(f"a{n}=1" for n in range(100)) + "&" + query,
        ]  # fmt: skip
        for attack in attacks:
            assert (await ann.get(f"{NOTIFY}?{attack}")).text == "fail", attack
        assert (await ann.get(NOTIFY, params=notice(form, key="guess"))).text == "fail"
        assert (await ann.get(NOTIFY, params=dict(form))).text == "fail", "our own form is signed, but not a notice"
        assert (await ann.post(NOTIFY, content=b"x" * 20_000)).text == "fail"
    assert await shop.books() == (0, 0, 0, 0)
    assert await shop.refusals() == []


async def test_a_notice_for_one_order_does_not_pay_another(shop):
    async with shop.visitor() as ann, shop.visitor() as bob:
        await shop.register(ann)
        await shop.register(bob, "bob")
        small, large = await shop.order(ann, 1), await shop.order(bob, 100)
        paid = notice(small)
        assert (await ann.get(NOTIFY, params=paid)).text == "success"
        stolen = {**paid, "out_trade_no": large["out_trade_no"], "money": large["money"]}
        assert (await ann.get(NOTIFY, params=stolen)).text == "fail"
    assert await shop.books() == (500_000, 500_000, 1, 1)


async def test_an_expired_order_that_was_paid_is_credited(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann)
        async with shop.services.engine.begin() as db:
            for table in (TopUpOrder, TopUp):
                await db.execute(update(table).values(status="expired"))
        assert (await ann.get(NOTIFY, params=notice(form))).text == "success"
    assert await shop.books() == (5_000_000, 5_000_000, 1, 1)


async def test_orders_of_the_predecessor_are_credited_once(any_shop):
    old = {"user_id": 1, "amount": 3, "money": 21.9, "trade_no": "USR1NOabcdef1744000000", "create_time": 1744000000}
    twice = {**old, "trade_no": "USR1NOtwice01744000000"}
    form = {"pid": "1001", "type": "alipay", "name": "TUC3", "money": "21.90", "out_trade_no": old["trade_no"]}
    async with any_shop.visitor() as ann:
        await any_shop.register(ann)
        async with any_shop.services.engine.begin() as db:
            await db.execute(insert(TopUp), [{**row, "status": "pending"} for row in (old, twice, twice)])
        doubtful = notice({**form, "out_trade_no": twice["trade_no"]})
        assert (await ann.get(NOTIFY, params=doubtful)).text == "fail", "a number that stands twice"
        assert (await ann.get(NOTIFY, params=notice(form, money="2.19"))).text == "fail"
        replies = await storm(lambda: ann.get(NOTIFY, params=notice(form)), 20)
        assert {reply.text for reply in replies} == {"success"}
    assert await any_shop.books() == (1_500_000, 1_500_000, 1, 1)
