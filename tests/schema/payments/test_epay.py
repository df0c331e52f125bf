"""Signatures of the epay protocol: the published check values, byte for byte, and what must not pass."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.payments import epay

KEY = "SECRETKEY123"
PURCHASE = {
    "merchant": "1001", "key": KEY, "method": "alipay", "trade_no": "USR7NOAbC123", "name": "TUC10", "money": "73.00",
    "notify_url": "https://gw.example.com/api/user/epay/notify", "return_url": "https://gw.example.com/log",
}  # fmt: skip
NOTICE = {
    "money": "73.00", "name": "TUC10", "out_trade_no": "USR7NOAbC123", "pid": "1001", "trade_no": "2025041122001",
    "trade_status": "TRADE_SUCCESS", "type": "alipay", "param": "", "sign_type": "MD5",
    "sign": "a2e526d28b7b8d5c7c0792a52230213b",
}  # fmt: skip


def test_check_value_of_the_protocol():
    assert epay.sign({"money": "moneyv", "device": "devicev"}, "1234567") == "3854cc9f022e0fb821bd2e002260245d"


def test_purchase_is_signed_byte_for_byte():
    form = epay.write_purchase(**PURCHASE)
    assert form["sign"] == "f91ad322a56ad4b4aebde42eceda93f8"
    assert (form["sign_type"], form["device"]) == ("MD5", "pc")


def test_notice_is_read():
    assert epay.read_notice(NOTICE, KEY) == epay.Notice("1001", "USR7NOAbC123", "2025041122001", 7300, True)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"money": "0.01"}, id="another amount"),
        pytest.param({"pid": "1002"}, id="another merchant"),
        pytest.param({"trade_status": "TRADE_CLOSED"}, id="another state"),
        pytest.param({"out_trade_no": "USR8NOAbC123"}, id="another order"),
        pytest.param({"extra": "1"}, id="an unsigned parameter more"),
        pytest.param({"sign": ""}, id="no signature"),
        pytest.param({"sign": hashlib.md5(b"").hexdigest()}, id="the digest of nothing"),
        pytest.param({"sign": "é" * 32}, id="not even ASCII"),
    ],
)
def test_notice_that_was_touched_is_none(changed):
    assert epay.read_notice(NOTICE | changed, KEY) is None


def test_nothing_is_signed_with_an_empty_key():
    forged = NOTICE | {"sign": epay.sign(NOTICE, "")}
    assert epay.read_notice(forged, "") is None


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5), st.text(min_size=1, max_size=9))
def test_what_we_sign_we_accept_and_no_other_key_does(parameters, key):
    signed = parameters | {"sign": epay.sign(parameters, key)}
    assert epay.is_signed(signed, key)
    assert not epay.is_signed(signed, key + "x")


@pytest.mark.parametrize(
    ("text", "minor"),
    [("73.00", 7300), ("73", 7300), ("73.5", 7350), ("0.01", 1), ("73.001", None), ("-73", None), ("7e3", None),
     ("", None), ("NaN", None), ("0", None), ("73,00", None), ("٧٣", None), ("1" * 17, None), (".", None)],
)  # fmt: skip
def test_money(text, minor):
    assert epay.read_money(text) == minor
