"""Counters in Redis: so many calls per window and name. One script per count, so they are exact under any load."""

from ipaddress import IPv6Address
from typing import Any

from redis.exceptions import RedisError

from edge.console.envelope import Refusal
from schema.addresses import read_address

USER_CALLS, USER_WINDOW_S = 600, 180  # of a signed-in caller, over all addresses
LOGIN_FAILURES_FREE, LOGIN_WINDOW_S, LOGIN_WAIT_S_MAX = 10, 900, 300
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('TTL', KEYS[1])}
"""


async def count(redis: Any, name: str, *, window_s: int) -> tuple[int, int]:
    """(calls in this window with this one, seconds until it ends)."""
    calls, left = await redis.eval(_COUNT, 1, f"mx:limit:{name}", window_s)
    return int(calls), max(int(left), 1)


async def check_below(redis: Any, name: str, *, most: int) -> None:
    """Raises Refusal 429 when a count of failures has reached `most`."""
    held = await redis.get(f"mx:limit:{name}")
    if held is not None and int(held) >= most:
        raise rate_limited(max(int(await redis.ttl(f"mx:limit:{name}")), 1))


async def admit(redis: Any, name: str, *, most: int, window_s: int, fail_open: bool = True) -> None:
    """Raises Refusal 429 beyond `most`; 503 when Redis is away and the limit must hold."""
    try:
        calls, left = await count(redis, name, window_s=window_s)
    except (RedisError, OSError) as error:
        if fail_open:
            return
        raise Refusal("limiter_unavailable", "Please try again later.", status=503) from error
    if calls > most:
        raise rate_limited(left)


def rate_limited(wait_s: int) -> Refusal:
    return Refusal("rate_limited", "Too many requests.", status=429, retry_after_s=wait_s)


async def check_login(redis: Any, account: str) -> None:
    """Raises Refusal 429 while the account waits after many wrong passwords."""
    left = await redis.ttl(f"mx:limit:wait:{account}")
    if left > 0:
        raise rate_limited(left)


async def login_failed(redis: Any, account: str) -> None:
    """A wrong password: after ten in a quarter of an hour each one makes the next wait longer, at most five minutes."""
    failures, _ = await count(redis, f"login:{account}", window_s=LOGIN_WINDOW_S)
    if failures >= LOGIN_FAILURES_FREE:
        wait = min(LOGIN_WAIT_S_MAX, 5 << min(failures - LOGIN_FAILURES_FREE, 10))
        await redis.set(f"mx:limit:wait:{account}", 1, ex=wait)


def address_name(address: str) -> str:
    """The name under which an address is counted: IPv6 by its /64."""
    try:
        parsed = read_address(address)
    except ValueError:
        return address or "unknown"
    return f"{int(parsed) >> 64:x}::/64" if isinstance(parsed, IPv6Address) else str(parsed)
