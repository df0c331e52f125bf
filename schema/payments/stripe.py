"""Stripe Checkout: the session we ask for, the signature of a webhook, and what its event says about an order.

Source: Stripe's pages "Create a Checkout Session" and "Verify webhook signatures manually" (scheme v1).
"""

import hashlib
import hmac

import msgspec
from msgspec import Struct

CREATE_SESSION_URL = "https://api.stripe.com/v1/checkout/sessions"
TOLERANCE_S = 300  # age of a signature; Stripe's own default
SIGNATURES_MAX = 10  # v1 parts looked at
PAID_EVENTS = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
CLOSED_EVENTS = {"checkout.session.expired": "expired", "checkout.session.async_payment_failed": "failed"}
LIVE, TEST = "live", "test"


class Session(Struct, frozen=True):
    """A checkout session, as created and as in events. `amount_total` in the smallest coin of `currency`."""

    id: str = ""
    object: str = ""
    url: str | None = None
    client_reference_id: str | None = None
    amount_total: int | None = None
    currency: str | None = None
    payment_status: str = ""
    livemode: bool = False
    mode: str = ""


class _Data(Struct, frozen=True):
    object: Session


class Event(Struct, frozen=True):
    """`account` is set on events of connected accounts, of which we have none."""

    id: str
    type: str
    data: _Data
    livemode: bool = False
    account: str | None = None


class _Kind(Struct, frozen=True):
    type: str


def merchant_of(livemode: bool) -> str:
    """Play money must not buy quota: live and test are two merchants."""
    return LIVE if livemode else TEST


def write_checkout(
    *, trade_no: str, money_minor: int, currency: str, name: str, price_id: str, quantity: int,
    success_url: str, cancel_url: str, expires_s: int,
) -> dict[str, str]:  # fmt: skip
    """The form of `POST /v1/checkout/sessions`. With a `price_id` Stripe's own price times `quantity` is asked for."""
    form = {
        "mode": "payment",
        "client_reference_id": trade_no,
        "metadata[trade_no]": trade_no,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expires_at": str(expires_s),
    }
    if price_id:
        form |= {"line_items[0][price]": price_id, "line_items[0][quantity]": str(quantity)}
    else:
        form |= {
            "line_items[0][price_data][currency]": currency,
            "line_items[0][price_data][unit_amount]": str(money_minor),
            "line_items[0][price_data][product_data][name]": name,
            "line_items[0][quantity]": "1",
        }
    return form


def is_signed(payload: bytes, header: str, secret: str, *, now_s: int) -> bool:
    """Whether `Stripe-Signature` is of this payload, with our secret, and not older than five minutes.

    Without a secret nothing is signed: an empty key would let anybody sign.
    """
    if not secret:
        return False
    parts = [part.strip().partition("=") for part in header.split(",")[: SIGNATURES_MAX + 2]]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 12:
        return False
    if abs(now_s - int(times[0])) > TOLERANCE_S:
        return False
    wanted = sign(payload, times[0], secret).encode()
    given = [value.encode() for name, _, value in parts if name == "v1"]
    return any(hmac.compare_digest(wanted, one) for one in given)


def sign(payload: bytes, at: str, secret: str) -> str:
    """The v1 signature of a payload at a time (Unix s, as text)."""
    return hmac.new(secret.encode(), at.encode() + b"." + payload, hashlib.sha256).hexdigest()


def read_event(payload: bytes) -> Event | None:
    """The event; None for kinds that are not about checkout sessions. Raises msgspec.MsgspecError."""
    kind = msgspec.json.decode(payload, type=_Kind).type
    if kind not in PAID_EVENTS and kind not in CLOSED_EVENTS:
        return None
    return msgspec.json.decode(payload, type=Event)
