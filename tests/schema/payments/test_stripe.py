"""Webhook signatures agree with Stripe's own library in both directions; everything else is not signed."""

import json
import time

import pytest
import stripe as theirs

from schema.payments import stripe

SECRET = "whsec_test"
NOW = 1_800_000_000
PAYLOAD = json.dumps(
    {"id": "evt_1", "type": "checkout.session.completed", "livemode": True, "data": {"object": {"id": "cs_1", "amount_total": 8000}}}
).encode()  # fmt: skip


def header(payload=PAYLOAD, secret=SECRET, at=NOW):
    return f"t={at},v1={stripe.sign(payload, str(at), secret)},v0=ignored"


def test_our_signature_passes_their_library():
    at = int(time.time())
    assert theirs.WebhookSignature.verify_header(PAYLOAD.decode(), header(at=at), SECRET, tolerance=300)


def test_their_signature_passes_ours():
    computed = theirs.WebhookSignature._compute_signature(f"{NOW}.{PAYLOAD.decode()}", SECRET)
    assert stripe.is_signed(PAYLOAD, f"t={NOW},v1={computed}", SECRET, now_s=NOW)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_signed(age):
    assert stripe.is_signed(PAYLOAD, header(at=NOW - age), SECRET, now_s=NOW)


def test_one_of_two_secrets_while_rotating():
    other = stripe.sign(PAYLOAD, str(NOW), "whsec_old")
    right = stripe.sign(PAYLOAD, str(NOW), SECRET)
    assert stripe.is_signed(PAYLOAD, f"t={NOW},v1={other},v1={right}", SECRET, now_s=NOW)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        pytest.param(header(at=NOW - 301), SECRET, id="replayed after five minutes"),
        pytest.param(header(at=NOW + 301), SECRET, id="from the future"),
        pytest.param(header(secret="whsec_other"), SECRET, id="another secret"),
        pytest.param(header(secret=""), "", id="an empty secret, ours empty as well"),
        pytest.param(header(payload=PAYLOAD + b" "), SECRET, id="another payload"),
        pytest.param(header().replace("v1=", "v0="), SECRET, id="an older scheme"),
        pytest.param(f"t={NOW}," + header(), SECRET, id="two times"),
        pytest.param(header().replace(f"t={NOW}", f"t={NOW + 1}"), SECRET, id="another time"),
        pytest.param(header().replace(f"t={NOW}", "t=x"), SECRET, id="no time"),
        pytest.param("", SECRET, id="nothing"),
        pytest.param("v1=é", SECRET, id="not ASCII"),
    ],
)
def test_not_signed(text, secret):
    assert not stripe.is_signed(PAYLOAD, text, secret, now_s=NOW)


def test_events_of_other_kinds_are_none_and_broken_ones_raise():
    assert stripe.read_event(b'{"id":"evt","type":"invoice.paid","data":{"object":{"id":5}}}') is None
    assert stripe.read_event(PAYLOAD).data.object.amount_total == 8000
    with pytest.raises(ValueError):
        stripe.read_event(b'{"type":"checkout.session.completed"}')
