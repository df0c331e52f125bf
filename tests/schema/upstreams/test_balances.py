"""Each provider's way of telling a balance, against replies of the form that its documentation shows."""

import pytest

from schema.upstreams.balances import READERS, Balance

CASES = [
    pytest.param("openai", {"subscription": {"hard_limit_usd": 100.0, "has_payment_method": True},
                            "usage": {"total_usage": 1234.0}}, Balance(87.66), id="OpenAI: limit less what was used, in cents"),
    pytest.param("aiproxy", {"": {"success": True, "data": {"totalPoints": 5.5}}}, Balance(5.5), id="AIProxy"),
    pytest.param("aiproxy", {"": {"success": False}}, None, id="AIProxy refuses"),
    pytest.param("api2gpt", {"": {"total_remaining": 3}}, Balance(3.0), id="API2GPT"),
    pytest.param("aigc2d", {"": {"total_available": 4}}, Balance(4.0), id="AIGC2D"),
    pytest.param("siliconflow", {"": {"code": 20000, "data": {"totalBalance": "12.5"}}}, Balance(12.5, "CNY"), id="text"),
    pytest.param("siliconflow", {"": {"code": 20000, "data": {}}}, None, id="a missing figure is an error, not 0"),
    pytest.param("deepseek", {"": {"balance_infos": [{"currency": "USD", "total_balance": "1"},
                                                     {"currency": "CNY", "total_balance": "7.3"}]}},
                 Balance(7.3, "CNY"), id="DeepSeek: the CNY one"),
    pytest.param("deepseek", {"": {"balance_infos": []}}, None, id="DeepSeek without any"),
    pytest.param("moonshot", {"": {"data": {"available_balance": 49.5}}}, Balance(49.5, "CNY"), id="Moonshot"),
    pytest.param("openrouter", {"": {"data": {"total_credits": 10, "total_usage": 2.5}}}, Balance(7.5), id="OpenRouter"),
    pytest.param("closeai", {"": {"total_available": 1}}, Balance(1.0), id="CloseAI"),
    pytest.param("openai_sb", {"": {"data": {"credit": "9"}}}, Balance(9.0), id="OpenAI-SB"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "replies", "expected"), CASES)
async def test_balance(provider, replies, expected):
    async def get(url, **headers):
        return next(reply for part, reply in replies.items() if part in url)

    if expected is None:
        with pytest.raises((KeyError, ValueError, TypeError)):
            await READERS[provider](get, "https://up.example", "k")
        return
    held = await READERS[provider](get, "https://up.example", "k")
    assert held.amount == pytest.approx(expected.amount)
    assert held.currency == expected.currency


def test_every_row_has_a_case():
    assert {case.values[0] for case in CASES} | {"custom"} == set(READERS)
