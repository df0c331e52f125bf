"""Paying through Stripe Checkout: the session we ask for, webhooks that credit once, and those that must not."""

import time

import pytest

from schema.payments import stripe
from tests.edge.console.payments.conftest import EPAY, STRIPE, event, send_event, storm


async def pay(http, amount=10):
    reply = (await http.post("/api/user/stripe/pay", json={"amount": amount})).json()
    assert reply["success"], reply
    return reply["data"]


def session_of(shop, view, **changed):
    form = shop.stripe.asked[-1][1]
    return {
        "id": f"cs_live_{len(shop.stripe.asked)}", "client_reference_id": view["trade_no"], "livemode": True,
        "currency": "usd", "amount_total": int(form.get("line_items[0][price_data][unit_amount]", 9900)), **changed,
    }  # fmt: skip


async def test_the_session_that_we_ask_for(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        assert (await ann.post("/api/user/stripe/amount", json={"amount": 10})).json()["data"] == "80.00"
        view = await pay(ann)
        headers, form = shop.stripe.asked[0]
        assert headers["authorization"] == "Bearer sk_live_1"
        assert (form["mode"], form["client_reference_id"]) == ("payment", view["trade_no"])
        assert form["line_items[0][price_data][unit_amount]"] == "8000"
        assert 30 * 60 < int(form["expires_at"]) - time.time() < 24 * 3600
        assert await pay(ann) == view, "a second click is the same order"
        assert len(shop.stripe.asked) == 1


async def test_duplicates_at_once_credit_once(any_shop):
    async with any_shop.visitor() as ann:
        await any_shop.register(ann)
        view = await pay(ann)
        session = session_of(any_shop, view)
        kinds = sorted(stripe.PAID_EVENTS)
        replies = await storm(lambda: send_event(ann, event(session, kinds[0])), 20)
        replies += await storm(lambda: send_event(ann, event(session, kinds[1])), 20)
        assert {reply.status_code for reply in replies} == {200}
        assert sorted(reply.text for reply in replies) == ["already"] * 39 + ["credited"]
    assert await any_shop.books() == (5_000_000, 5_000_000, 1, 1)
    assert await any_shop.statuses() == (["success"], ["success"])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount_total": 1}, "money_minor differs"),
        ({"amount_total": None}, "money_minor differs"),
        ({"currency": "jpy"}, "currency differs"),
        ({"livemode": False}, "merchant differs"),
        ({"id": "cs_live_other"}, "session differs"),
        ({"client_reference_id": None}, "unknown order"),
        ({"client_reference_id": "USR1NOunknown"}, "unknown order"),
    ],
)
async def test_signed_events_that_do_not_agree_credit_nothing(shop, changed, reason):
    async with shop.visitor() as ann:
        await shop.register(ann)
        session = session_of(shop, await pay(ann), **changed)
        assert (await send_event(ann, event(session))).status_code == 400
    assert await shop.books() == (0, 0, 0, 0)
    assert await shop.refusals() == [reason]


async def test_unpaid_and_foreign_events_credit_nothing(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        session = session_of(shop, await pay(ann))
        unpaid = event(session).replace(b'"paid"', b'"unpaid"')
        assert (await send_event(ann, unpaid)).text == "waiting"
        assert (await send_event(ann, event(session, account="acct_other"))).status_code == 400
        assert (await send_event(ann, event(session, livemode=False))).status_code == 400
        assert (await send_event(ann, event(session, "invoice.paid"))).text == "ignored"
        assert (await send_event(ann, b"[]")).status_code == 400
    assert await shop.books() == (0, 0, 0, 0)


async def test_forged_and_replayed_webhooks_are_refused(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        body = event(session_of(shop, await pay(ann)))
        assert (await send_event(ann, body, secret="whsec_guess")).status_code == 400
        assert (await send_event(ann, body, secret="")).status_code == 400
        assert (await send_event(ann, body, at=int(time.time()) - 400)).status_code == 400
        assert (await ann.post("/api/stripe/webhook", content=body)).status_code == 400
        assert (await ann.post("/api/stripe/webhook", content=b"x" * 300_000)).status_code == 413
        at = str(int(time.time()))
        stolen = {"Stripe-Signature": f"t={at},v1={stripe.sign(body, at, STRIPE['StripeWebhookSecret'])}"}
        altered = body.replace(b"8000", b"1")
        assert (await ann.post("/api/stripe/webhook", content=altered, headers=stolen)).status_code == 400
    assert await shop.books() == (0, 0, 0, 0)


@pytest.mark.parametrize("missing", ["StripeWebhookSecret", "StripeApiSecret"])
async def test_unconfigured_it_fails_closed(shop, missing):
    async with shop.visitor() as ann:
        await shop.register(ann)
        body = event(session_of(shop, await pay(ann)))
        shop.set_options(**EPAY | STRIPE | {missing: ""})
        for secret in ("", STRIPE["StripeWebhookSecret"]):
            assert (await send_event(ann, body, secret=secret)).status_code == 400
        assert (await ann.post("/api/user/stripe/pay", json={"amount": 1})).json()["code"] == "payment_not_configured"
    assert await shop.books() == (0, 0, 0, 0)


async def test_an_order_at_one_provider_is_not_paid_at_the_other(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        form = await shop.order(ann)
        session = {"id": "", "livemode": True, "currency": "cny", "amount_total": 7300}
        session |= {"id": "cs_live_1", "client_reference_id": form["out_trade_no"]}
        assert (await send_event(ann, event(session))).status_code == 400
    assert await shop.refusals() == ["provider differs"]
    assert await shop.books() == (0, 0, 0, 0)


@pytest.mark.parametrize(("change", "status"), [({"amount_total": 1}, 200), ({"currency": "eur"}, 200), ({}, 402)])
async def test_a_session_that_is_not_what_we_asked_for_fails_the_order(shop, change, status):
    shop.stripe.change, shop.stripe.status = change, status
    async with shop.visitor() as ann:
        await shop.register(ann)
        reply = (await ann.post("/api/user/stripe/pay", json={"amount": 10})).json()
        assert reply["code"] == "payment_provider_failed"
    assert await shop.statuses() == (["failed"], ["failed"])


async def test_with_a_price_of_stripes_the_order_costs_what_stripe_says(shop):
    shop.set_options(**STRIPE, StripePriceId="price_1")
    async with shop.visitor() as ann:
        await shop.register(ann)
        view = await pay(ann)
        form = shop.stripe.asked[0][1]
        assert (form["line_items[0][price]"], form["line_items[0][quantity]"]) == ("price_1", "10")
        assert (await send_event(ann, event(session_of(shop, view)))).text == "credited"
        rows = (await ann.get("/api/user/topups")).json()["data"]["items"]
        assert (rows[0]["money"], rows[0]["currency"], rows[0]["quota"]) == (99.0, "USD", 5_000_000)


async def test_closed_sessions_close_the_order_unless_it_is_paid(shop):
    async with shop.visitor() as ann:
        await shop.register(ann)
        session = session_of(shop, await pay(ann))
        assert (await send_event(ann, event(session, "checkout.session.expired"))).text == "closed"
        assert await shop.statuses() == (["expired"], ["expired"])
        assert (await send_event(ann, event(session))).text == "credited", "the money came all the same"
        assert (await send_event(ann, event(session, "checkout.session.async_payment_failed"))).text == "closed"
    assert await shop.statuses() == (["success"], ["success"])
