"""Prices of top-ups: the worked figures, exact, rounded once."""

from decimal import Decimal

import pytest

from schema.payments.prices import AmountTooHigh, AmountTooLow, group_ratio, make_offer, minor_per_unit, write_money

TERMS = {
    "in_currency": True,
    "quota_per_unit": Decimal(500_000),
    "lowest_usd": 1,
    "price": Decimal("7.3"),
    "ratio": Decimal(1),
}


@pytest.mark.parametrize(
    ("amount", "terms", "money", "quota", "usd"),
    [
        pytest.param(10, {}, "73.00", 5_000_000, 10, id="ten dollars"),
        pytest.param(750_000, {"in_currency": False}, "10.95", 750_000, 2, id="units: all of them are credited"),
        pytest.param(10, {"ratio": Decimal("0.8")}, "58.40", 5_000_000, 10, id="a group pays less"),
        pytest.param(10, {"ratio": Decimal(0)}, "73.00", 5_000_000, 10, id="a ratio of 0 counts as 1"),
        pytest.param(1, {"price": Decimal("0.005")}, "0.01", 500_000, 1, id="half a coin is rounded up"),
        pytest.param(1, {"price": Decimal("0.0049")}, "0.00", 500_000, 1, id="less is nothing, for the caller to refuse"),
        pytest.param(3, {"price": Decimal("1.1"), "ratio": Decimal("1.1")}, "3.63", 1_500_000, 3, id="no binary fractions"),
    ],
)  # fmt: skip
def test_offers(amount, terms, money, quota, usd):
    offer = make_offer(amount, **{**TERMS, **terms})
    assert (write_money(offer.money_minor), offer.quota, offer.usd) == (money, quota, usd)


@pytest.mark.parametrize(
    ("amount", "terms"), [(0, {}), (-5, {}), (4, {"lowest_usd": 5}), (499_999, {"in_currency": False})]
)
def test_too_low(amount, terms):
    with pytest.raises(AmountTooLow):
        make_offer(amount, **{**TERMS, **terms})


@pytest.mark.parametrize("amount", [10**12, 10**16, 2**63])
def test_too_high(amount):
    with pytest.raises(AmountTooHigh):
        make_offer(amount, **TERMS)


def test_groups_and_coins():
    ratios = {"vip": Decimal("0.9"), "odd": Decimal(0)}
    assert [group_ratio(ratios, group) for group in ("vip", "odd", "unknown")] == [Decimal("0.9"), 1, 1]
    assert [minor_per_unit(word) for word in ("usd", "JPY", "KWD")] == [100, 1, 1000]
    assert [write_money(1500, 1), write_money(1500, 1000)] == ["1500", "1.500"]
