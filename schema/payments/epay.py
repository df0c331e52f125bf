"""The epay (YiPay) protocol: MD5 signatures over sorted parameters, the purchase form, the notification of a payment."""

import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from msgspec import Struct

UNSIGNED = frozenset({"sign", "sign_type"})
PAID = "TRADE_SUCCESS"
CURRENCY = "CNY"  # the protocol knows no other
METHODS = {"zfb": "alipay", "wx": "wxpay", "alipay": "alipay", "wxpay": "wxpay", "qqpay": "qqpay"}  # asked -> sent
MONEY_CHARS_MAX = 16


class Notice(Struct, frozen=True):
    """A notification whose signature was right. `money_minor` in fen, None when it is not an amount of money."""

    merchant: str
    trade_no: str  # ours
    provider_trade_no: str
    money_minor: int | None
    paid: bool


def sign(parameters: Mapping[str, str], key: str) -> str:
    """The signature: MD5 of `a=1&b=2` in order of names, raw values, empty ones left out, with the key behind it.

    MD5 is what the protocol asks for; that the key stands at the end keeps length extension out.
    """
    signed = sorted((name, value) for name, value in parameters.items() if value != "" and name not in UNSIGNED)
    text = "&".join(f"{name}={value}" for name, value in signed) + key
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def is_signed(parameters: Mapping[str, str], key: str) -> bool:
    """Whether `sign` of these parameters was made with our key. Without a key nothing is."""
    given = parameters.get("sign", "")
    if not key or not given:
        return False
    return hmac.compare_digest(sign(parameters, key).encode(), given.lower().encode())


def write_purchase(
    *, merchant: str, key: str, method: str, trade_no: str, notify_url: str, return_url: str, name: str, money: str
) -> dict[str, str]:
    """The form that the payer's browser posts to the gateway. `money` in yuan with two decimals."""
    form = {
        "pid": merchant,
        "type": method,
        "out_trade_no": trade_no,
        "notify_url": notify_url,
        "return_url": return_url,
        "name": name,
        "money": money,
        "device": "pc",
    }
    return form | {"sign": sign(form, key), "sign_type": "MD5"}


def submit_url(gateway: str) -> str:
    """Where the form goes."""
    return gateway.rstrip("/") + "/submit.php"


def read_notice(parameters: Mapping[str, str], key: str) -> Notice | None:
    """The notification; None when it is not signed with our key."""
    if not is_signed(parameters, key):
        return None
    return Notice(
        merchant=parameters.get("pid", ""),
        trade_no=parameters.get("out_trade_no", ""),
        provider_trade_no=parameters.get("trade_no", "")[:255],
        money_minor=read_money(parameters.get("money", "")),
        paid=parameters.get("trade_status") == PAID,
    )


def read_money(text: str) -> int | None:
    """`73.00`, `73.0` and `73` are 7300 fen; None for anything that is not an exact amount above zero."""
    if not text.isascii() or len(text) > MONEY_CHARS_MAX or not text.replace(".", "", 1).isdigit():
        return None
    try:
        minor = Decimal(text) * 100
    except InvalidOperation:
        return None
    return int(minor) if minor == minor.to_integral_value() and minor > 0 else None
