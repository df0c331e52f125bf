"""Top-up through Stripe Checkout: the price, the order as a session at Stripe, the signed webhook."""

import time
from typing import Any

import httpx
import msgspec
import structlog
from blacksheep import Content, Request, Response
from msgspec import UNSET, Struct, UnsetType

from edge.console.calls import header, read_body
from edge.console.envelope import Refusal
from edge.console.payments import orders
from edge.console.payments.epay import AmountBody, PriceReply, tell, tell_refusal
from edge.console.payments.orders import Claim, Result
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.options import Options
from schema.payments import stripe
from schema.payments.prices import Offer, group_ratio, minor_per_unit, write_money

log = structlog.get_logger(__name__)

PROVIDER = "stripe"
EVENT_BYTES_MAX = 256 * 1024
MINUTES_MIN, MINUTES_MAX = 31, 23 * 60  # Stripe takes 30 minutes to 24 hours from when it gets the request
TIMEOUT_S = 20


class CheckoutView(Struct):
    """Where the browser goes to pay."""

    pay_link: str
    trade_no: str


class CheckoutReply(Struct):
    """`message` is `success` or `error`, `data` the payment page or the text of the error."""

    message: str
    success: bool
    data: CheckoutView | str
    code: str | UnsetType = UNSET
    params: dict[str, Any] | UnsetType = UNSET


def is_configured(options: Options) -> bool:
    return bool(options.stripe_api_secret and options.stripe_webhook_secret)


def _offer(services: Services, actor: Actor, amount: int) -> Offer:
    options = services.snapshots.current.options
    return orders.price(
        services, actor, amount, each=options.stripe_unit_price, lowest=options.stripe_min_top_up,
        currency=options.stripe_currency,
    )  # fmt: skip


async def get_amount(services: Services, request: Request, actor: Actor) -> Response:
    """What an amount costs there."""
    await orders.admit_order(services, actor)
    try:
        offer = _offer(services, actor, (await read_body(request, AmountBody)).amount)
        if offer.money_minor < 1:
            raise Refusal("price_too_low", "The price is too low.")
    except Refusal as refusal:
        return tell_refusal(refusal)
    currency = services.snapshots.current.options.stripe_currency
    return tell(write_money(offer.money_minor, minor_per_unit(currency)), currency=currency.upper())


async def pay(services: Services, request: Request, actor: Actor) -> Response:
    """Order an amount; the browser goes to `pay_link`."""
    await orders.admit_order(services, actor)
    try:
        view = await _pay(services, actor, (await read_body(request, AmountBody)).amount)
    except Refusal as refusal:
        return tell_refusal(refusal)
    return tell(view)


async def _pay(services: Services, actor: Actor, amount: int) -> CheckoutView:
    """A fixed price of Stripe's is used where the group pays the plain price and the amount is whole USD. It says what
    is due, and the order is changed to that; otherwise we say it, and Stripe must repeat it."""
    options = services.snapshots.current.options
    if not is_configured(options):
        raise Refusal("payment_not_configured", "Stripe is not configured.")
    if not options.server_address:
        raise Refusal("server_address_missing", "The public address of this server is not set.")
    offer = _offer(services, actor, amount)
    if offer.money_minor < 1:
        raise Refusal("price_too_low", "The price is too low.")
    currency = options.stripe_currency.upper()
    order = {
        "user_id": actor.id,
        "provider": PROVIDER,
        "method": "checkout",
        "currency": currency,
        "quota": offer.quota,
    }
    repeated = await orders.find_repeated(services, order)
    if repeated is not None and repeated.detail:
        return CheckoutView(repeated.detail, repeated.trade_no)
    minutes = min(max(options.top_up_order_minutes, MINUTES_MIN), MINUTES_MAX)
    priced = {**order, "money_minor": offer.money_minor, "merchant": ""}
    trade_no = await orders.insert_order(services, priced, usd=offer.usd, minutes=minutes)
    plain = group_ratio(options.topup_group_ratio, actor.group) == 1 and options.display_in_currency_enabled
    price_id = options.stripe_price_id if plain else ""
    session = await _create(services, offer, trade_no, price_id, minutes)
    if session is None or session.amount_total is None or not session.url:
        await orders.change_order(services, trade_no, status=orders.FAILED)
        raise Refusal("payment_provider_failed", "Stripe did not open a payment; please try again.")
    await orders.change_order(
        services, trade_no, provider_trade_no=session.id, money_minor=session.amount_total,
        currency=(session.currency or "").upper(), merchant=stripe.merchant_of(session.livemode), detail=session.url,
    )  # fmt: skip
    return CheckoutView(session.url, trade_no)


async def _create(
    services: Services, offer: Offer, trade_no: str, price_id: str, minutes: int
) -> stripe.Session | None:
    """Ask Stripe for a session; None when it refuses, cannot be reached, or asks another price than we do."""
    options = services.snapshots.current.options
    form = stripe.write_checkout(
        trade_no=trade_no, money_minor=offer.money_minor, currency=options.stripe_currency.lower(),
        name=f"{options.system_name} {offer.usd} USD", price_id=price_id,
        quantity=offer.usd, success_url=options.server_address.rstrip("/") + "/log",
        cancel_url=options.server_address.rstrip("/") + "/topup", expires_s=int(time.time()) + minutes * 60,
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {options.stripe_api_secret}", "Idempotency-Key": trade_no}
    try:
        reply = await services.http.post(stripe.CREATE_SESSION_URL, data=form, headers=headers, timeout=TIMEOUT_S)
        if reply.status_code != 200:
            log.error("stripe_refused", status=reply.status_code, trade_no=trade_no)
            return None
        session = msgspec.json.decode(reply.content, type=stripe.Session)
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        log.error("stripe_failed", error=type(error).__name__, trade_no=trade_no)
        return None
    due = (session.amount_total, (session.currency or "").lower())
    if not price_id and due != (offer.money_minor, options.stripe_currency.lower()):
        log.error("stripe_asks_another_price", trade_no=trade_no)
        return None
    return session


async def webhook(services: Services, request: Request, actor: Actor) -> Response:
    """Stripe tells of a session. 200 only after the commit; what is not signed with our secret is refused."""
    options = services.snapshots.current.options
    payload = bytearray()
    async for chunk in request.stream():  # type: ignore[attr-defined]  # an async generator; its stub is wrong
        payload += chunk
        if len(payload) > EVENT_BYTES_MAX:
            return _answer(413, "too large")
    body, signature = bytes(payload), header(request, b"stripe-signature")
    secret = options.stripe_webhook_secret if is_configured(options) else ""
    if not stripe.is_signed(body, signature, secret, now_s=int(time.time())):
        log.warning("payment_notice_not_signed", provider=PROVIDER, configured=bool(secret))
        return _answer(400, "not signed")
    try:
        event = stripe.read_event(body)
    except msgspec.MsgspecError:
        return _answer(400, "not an event")
    if event is None:
        return _answer(200, "ignored")
    return await _apply(services, event)


async def _apply(services: Services, event: stripe.Event) -> Response:
    session = event.data.object
    trade_no = session.client_reference_id or ""
    if event.account is not None or event.livemode != session.livemode or not session.id:
        log.error("payment_refused", provider=PROVIDER, trade_no=trade_no[:64], reason="not our account")
        return _answer(400, "refused")
    if event.type in stripe.CLOSED_EVENTS:
        await orders.change_order(services, trade_no, status=stripe.CLOSED_EVENTS[event.type])
        return _answer(200, "closed")
    if session.payment_status != "paid":  # a slow way of payment: another event will follow
        return _answer(200, "waiting")
    claim = Claim(
        PROVIDER, stripe.merchant_of(event.livemode), trade_no, session.amount_total,
        (session.currency or "").upper(), session.id, session=session.id,
    )  # fmt: skip
    result = await orders.credit(services, claim)
    return _answer(400 if result is Result.REFUSED else 200, result.value)


def _answer(status: int, text: str) -> Response:
    return Response(status, content=Content(b"text/plain; charset=utf-8", text.encode()))


ROUTES = (
    Route("POST", "/api/user/stripe/amount", Role.USER, None, get_amount, body=AmountBody, answer=PriceReply),
    Route("POST", "/api/user/stripe/pay", Role.USER, None, pay, body=AmountBody, answer=CheckoutReply),
    Route("POST", "/api/stripe/webhook", Role.VISITOR, None, webhook, media="text/plain"),
)
