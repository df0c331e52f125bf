"""What a provider says is left of our account, one function for each way of asking. A missing figure is an error, never 0."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from schema.dialects.neutral import UpstreamError
from schema.upstreams.account import Account
from schema.upstreams.exchange import Failed, open_client, request

TIMEOUT_S = 10.0
PARALLEL = 8


class Balance(Struct, frozen=True):
    amount: float
    currency: str = "USD"


class NotOffered(Exception):
    """This type of channel has no balance that could be asked for."""


Get = Callable[..., Awaitable[Any]]


async def read_balance(account: Account, *, private: bool) -> Balance:
    """Raises NotOffered, Failed."""
    reader = READERS.get(account.view.provider)
    if reader is None:
        raise NotOffered(account.view.provider)
    async with open_client(account, private=private, timeout_s=TIMEOUT_S) as http:
        base = (account.view.base_url or account.provider.base_url).rstrip("/")
        try:
            return await reader(_getter(http, account), base, account.view.key)
        except (KeyError, TypeError, ValueError, IndexError):
            raise Failed(200, _error("The answer has no balance.")) from None


def _error(message: str) -> UpstreamError:
    return UpstreamError(message, "upstream_error", "bad_response", "", 502)


def _getter(http: httpx.AsyncClient, account: Account) -> Get:
    async def get(url: str, **headers: str) -> Any:
        sent = headers or {"Authorization": f"Bearer {account.view.key}"}
        named = [(name.replace("_", "-"), value) for name, value in sent.items()]
        status, _, body, _, _ = await request(http, "GET", url, named)
        if status != 200:
            error = account.provider.read_error(status, body, account.view)
            raise Failed(status, error)
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Failed(200, _error("The answer is not JSON.")) from None

    return get


def _number(value: Any) -> float:
    """Raises TypeError for what is no number; texts of numbers are taken, as some providers write them."""
    if isinstance(value, bool) or value is None:
        raise TypeError("no number")
    return float(value)


async def _openai(get: Get, base: str, _: str) -> Balance:
    held = await get(f"{base}/v1/dashboard/billing/subscription")
    limit = _number(held["hard_limit_usd"])
    today = datetime.fromtimestamp(time.time(), UTC).date()
    begin = today.replace(day=1) if held.get("has_payment_method") else today - timedelta(days=100)
    usage = await get(f"{base}/v1/dashboard/billing/usage?start_date={begin}&end_date={today}")
    return Balance(limit - _number(usage["total_usage"]) / 100)


async def _aiproxy(get: Get, _: str, key: str) -> Balance:
    held = await get("https://aiproxy.io/api/report/getUserOverview", Api_Key=key)
    if held.get("success") is not True:
        raise ValueError("refused")
    return Balance(_number(held["data"]["totalPoints"]))


async def _api2gpt(get: Get, _: str, __: str) -> Balance:
    held = await get("https://api.api2gpt.com/dashboard/billing/credit_grants")
    return Balance(_number(held["total_remaining"]))


async def _aigc2d(get: Get, _: str, __: str) -> Balance:
    held = await get("https://api.aigc2d.com/dashboard/billing/credit_grants")
    return Balance(_number(held["total_available"]))


async def _closeai(get: Get, base: str, _: str) -> Balance:
    return Balance(_number((await get(f"{base}/dashboard/billing/credit_grants"))["total_available"]))


async def _openai_sb(get: Get, _: str, key: str) -> Balance:
    held = await get(f"https://api.openai-sb.com/sb-api/user/status?api_key={key}")
    return Balance(_number(held["data"]["credit"]))


async def _siliconflow(get: Get, _: str, __: str) -> Balance:
    held = await get("https://api.siliconflow.cn/v1/user/info")
    if held.get("code") != 20000:
        raise ValueError("refused")
    return Balance(_number(held["data"]["totalBalance"]), "CNY")


async def _deepseek(get: Get, _: str, __: str) -> Balance:
    held = await get("https://api.deepseek.com/user/balance")
    in_cny = next(info for info in [*held["balance_infos"], {}] if info.get("currency", "CNY") == "CNY")
    return Balance(_number(in_cny["total_balance"]), "CNY")


async def _moonshot(get: Get, base: str, _: str) -> Balance:
    return Balance(_number((await get(f"{base}/v1/users/me/balance"))["data"]["available_balance"]), "CNY")


async def _openrouter(get: Get, _: str, __: str) -> Balance:
    data = (await get("https://openrouter.ai/api/v1/credits"))["data"]
    return Balance(_number(data["total_credits"]) - _number(data["total_usage"]))


READERS: dict[str, Callable[[Get, str, str], Awaitable[Balance]]] = {
    "openai": _openai,
    "custom": _openai,
    "aiproxy": _aiproxy,
    "api2gpt": _api2gpt,
    "aigc2d": _aigc2d,
    "closeai": _closeai,
    "openai_sb": _openai_sb,
    "siliconflow": _siliconflow,
    "deepseek": _deepseek,
    "moonshot": _moonshot,
    "openrouter": _openrouter,
}
