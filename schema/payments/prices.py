"""What a top-up costs and what it brings: exact decimals, rounded once, to the smallest coin."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct

from schema.quota import Quota

QUOTA_MAX = 10**15  # units of one order
# Currencies whose smallest coin is not a hundredth. Source: Stripe's page "Supported currencies" (zero- and three-decimal).
NO_CENTS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))


class Offer(Struct, frozen=True):
    """`amount` as asked for: whole USD, or quota units where money is not shown. `money_minor` in the smallest coin."""

    amount: int
    usd: int  # whole, rounded: what predecessors show
    quota: Quota
    money_minor: int


class AmountTooLow(Exception):
    """Below the least top-up; `lowest` in the unit of the amount."""

    def __init__(self, lowest: int) -> None:
        super().__init__(f"the least amount is {lowest}")
        self.lowest = lowest


class AmountTooHigh(Exception):
    """More than one order may bring."""


def minor_per_unit(currency: str) -> int:
    """Smallest coins in one unit of money."""
    word = currency.lower()
    return 1 if word in NO_CENTS else 1000 if word in THREE_DECIMALS else 100


def make_offer(
    amount: int,
    *,
    in_currency: bool,
    quota_per_unit: Decimal,
    lowest_usd: int,
    price: Decimal,
    ratio: Decimal,
    minor: int = 100,
) -> Offer:
    """Price an amount.

    Args:
        in_currency: the amount is whole USD; else quota units, all of which are credited.
        price: money per USD of quota. ratio: the multiplier of the payer's group; 0 counts as 1.
        minor: smallest coins in one unit of money.
    Raises: AmountTooLow, AmountTooHigh. A price below one coin is for the caller to refuse: `money_minor` 0.
    """
    lowest = lowest_usd if in_currency else int((lowest_usd * quota_per_unit).to_integral_value(ROUND_HALF_UP))
    if amount < max(lowest, 1):
        raise AmountTooLow(max(lowest, 1))
    if amount > QUOTA_MAX:
        raise AmountTooHigh
    usd = Decimal(amount) if in_currency else Decimal(amount) / quota_per_unit
    quota = int((amount * quota_per_unit).to_integral_value(ROUND_HALF_UP)) if in_currency else amount
    if quota > QUOTA_MAX:
        raise AmountTooHigh
    money = usd * price * (ratio or 1) * minor
    whole = int(usd.to_integral_value(ROUND_HALF_UP))
    return Offer(amount, whole, Quota(quota), int(money.to_integral_value(ROUND_HALF_UP)))


def group_ratio(ratios: Mapping[str, object], group: str) -> Decimal:
    """The top-up multiplier of a group; missing or 0 counts as 1."""
    value = Decimal(str(ratios.get(group, 1)))
    return value if value > 0 else Decimal(1)


def write_money(money_minor: int, minor: int = 100) -> str:
    """7300 -> `73.00`."""
    digits = len(str(minor)) - 1
    return f"{Decimal(money_minor) / minor:.{digits}f}"
