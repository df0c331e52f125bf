"""Top-up through an epay gateway: the price, the order as a signed form, the gateway's notification."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from blacksheep import Content, Request, Response
from msgspec import UNSET, Struct, UnsetType

from edge.console.calls import read_body
from edge.console.envelope import Refusal
from edge.console.payments import orders
from edge.console.payments.orders import Claim, Result
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.options import Options
from schema.payments import epay
from schema.payments.prices import Offer, write_money

log = structlog.get_logger(__name__)

PROVIDER = "epay"
NOTICE_BYTES_MAX = 16 * 1024
NOTICE_FIELDS_MAX = 64


class AmountBody(Struct):
    """`amount` in whole USD, or in quota units where money is not shown."""

    amount: int
    top_up_code: str = ""


class PriceReply(Struct):
    """`message` is `success` or `error`, `data` the price or the text of the error."""

    message: str
    success: bool
    data: str
    currency: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    params: dict[str, Any] | UnsetType = UNSET


class PayReply(Struct):
    """`data`: the fields of the form that the browser posts to `url`, or the text of the error."""

    message: str
    success: bool
    data: dict[str, str] | str
    url: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    params: dict[str, Any] | UnsetType = UNSET


class PayBody(Struct):
    """`payment_method`: zfb, wx, alipay, wxpay, qqpay."""

    amount: int
    payment_method: str = ""
    top_up_code: str = ""


def tell(data: Any, **more: Any) -> Response:
    """The reply of the pricing and ordering routes: `message` is `success`."""
    body = {"message": "success", "success": True, "data": data, **more}
    return Response(200, content=Content(b"application/json", msgspec.json.encode(body)))


def tell_refusal(refusal: Refusal) -> Response:
    """Their failure: `message` is `error` and `data` the text. Raises the refusal when it is more than a business error."""
    if refusal.status != 200:
        raise refusal
    body = {"message": "error", "success": False, "data": refusal.message, "code": refusal.code}
    return Response(200, content=Content(b"application/json", msgspec.json.encode({**body, "params": refusal.params})))


def _offer(services: Services, actor: Actor, amount: int) -> Offer:
    options = services.snapshots.current.options
    return orders.price(services, actor, amount, each=options.price, lowest=options.min_top_up, currency=epay.CURRENCY)


async def get_amount(services: Services, request: Request, actor: Actor) -> Response:
    """What an amount costs."""
    await orders.admit_order(services, actor)
    try:
        offer = _offer(services, actor, (await read_body(request, AmountBody)).amount)
        if offer.money_minor <= 1:
            raise Refusal("price_too_low", "充值金额过低")
    except Refusal as refusal:
        return tell_refusal(refusal)
    return tell(write_money(offer.money_minor))


async def pay(services: Services, request: Request, actor: Actor) -> Response:
    """Order an amount; the browser posts the form in the reply to the gateway at `url`."""
    await orders.admit_order(services, actor)
    try:
        return await _pay(services, actor, await read_body(request, PayBody))
    except Refusal as refusal:
        return tell_refusal(refusal)


async def _pay(services: Services, actor: Actor, body: PayBody) -> Response:
    options = services.snapshots.current.options
    if not is_configured(options):
        raise Refusal("payment_not_configured", "当前管理员未配置支付信息")
    public = (options.custom_callback_address or options.server_address).rstrip("/")
    if not public:
        raise Refusal("server_address_missing", "The public address of this server is not set.")
    method = epay.METHODS.get(body.payment_method)
    if method is None:
        raise Refusal("payment_method_unknown", "There is no such way of payment.", known=sorted(epay.METHODS))
    offer = _offer(services, actor, body.amount)
    if offer.money_minor < 1:
        raise Refusal("price_too_low", "充值金额过低")
    order = {
        "user_id": actor.id, "provider": PROVIDER, "merchant": options.epay_id, "method": method,
        "money_minor": offer.money_minor, "currency": epay.CURRENCY, "quota": offer.quota,
    }  # fmt: skip
    repeated = await orders.find_repeated(services, order)
    minutes = options.top_up_order_minutes
    trade_no = (
        repeated.trade_no if repeated else await orders.insert_order(services, order, usd=offer.usd, minutes=minutes)
    )
    form = epay.write_purchase(
        merchant=options.epay_id, key=options.epay_key, method=method, trade_no=trade_no,
        notify_url=public + "/api/user/epay/notify",
        return_url=(options.server_address or public).rstrip("/") + "/log",
        name=f"TUC{body.amount}", money=write_money(offer.money_minor),
    )  # fmt: skip
    return tell(form, url=epay.submit_url(options.pay_address))


def is_configured(options: Options) -> bool:
    return bool(options.pay_address and options.epay_id and options.epay_key)


async def notify(services: Services, request: Request, actor: Actor) -> Response:
    """The gateway says that an order was paid. `success` is answered after the commit and for repetitions, else `fail`."""
    options = services.snapshots.current.options
    parameters = await _read_parameters(request)
    notice = epay.read_notice(parameters, options.epay_key) if is_configured(options) and parameters else None
    if notice is None:
        log.warning("payment_notice_not_signed", provider=PROVIDER, configured=is_configured(options))
        return _plain(False)
    if not notice.paid:
        return _plain(False)
    if notice.merchant != options.epay_id:
        log.error("payment_refused", provider=PROVIDER, trade_no=notice.trade_no[:64], reason="another merchant")
        return _plain(False)
    claim = Claim(
        PROVIDER, notice.merchant, notice.trade_no, notice.money_minor, epay.CURRENCY, notice.provider_trade_no
    )
    return _plain(await orders.credit(services, claim) is not Result.REFUSED)


def _plain(accepted: bool) -> Response:
    return Response(200, content=Content(b"text/plain; charset=utf-8", b"success" if accepted else b"fail"))


async def _read_parameters(request: Request) -> dict[str, str]:
    """Of the query, or of a posted form; {} when malformed or when a name stands twice, which two readers read differently."""
    data = bytes(request.url.query or b"")
    if request.method == "POST" and not data:
        body = bytearray()
        async for chunk in request.stream():  # type: ignore[attr-defined]  # an async generator; its stub is wrong
            body += chunk
            if len(body) > NOTICE_BYTES_MAX:
                return {}
        data = bytes(body)
    try:
        text = data.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=NOTICE_FIELDS_MAX
        )
    except ValueError:
        return {}
    parameters = dict(pairs)
    return parameters if len(parameters) == len(pairs) else {}


ROUTES = (
    Route("POST", "/api/user/amount", Role.USER, None, get_amount, body=AmountBody, answer=PriceReply),
    Route("POST", "/api/user/pay", Role.USER, None, pay, body=PayBody, answer=PayReply),
    Route("GET", "/api/user/epay/notify", Role.VISITOR, None, notify, media="text/plain"),
    Route("POST", "/api/user/epay/notify", Role.VISITOR, None, notify, media="text/plain"),
)
