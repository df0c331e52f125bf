"""Counters in Redis: so many calls per window and name. One script per count, so they are exact under any load."""

import hashlib
from typing import Any

from redis.exceptions import RedisError

from edge.console.envelope import Refusal
from schema.addresses import name_of, read_address

USER_CALLS, USER_WINDOW_S = 600, 180  # of a signed-in caller, over all addresses
LOGIN_FAILURES_FREE, LOGIN_WINDOW_S, LOGIN_WAIT_S_MAX = 10, 900, 300
# KEYS: times of admitted calls; ARGV: most, window in ms. Returns 0 admitted, else ms until a place is free.
# The server's clock counts: the edges' clocks may differ.
_ADMIT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
local used = redis.call('ZCARD', KEYS[1])
if used >= tonumber(ARGV[1]) then
  return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + ARGV[2] - now
end
redis.call('ZADD', KEYS[1], now, t[1] .. '.' .. t[2] .. '.' .. used)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
"""
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
    """Raises Refusal 429 beyond `most` in any span of `window_s`; 503 when Redis is away and the limit must hold."""
    try:
        wait_ms = int(await redis.eval(_ADMIT, 1, f"mx:window:{name}", most, window_s * 1000))
    except (RedisError, OSError) as error:
        if fail_open:
            return
        raise Refusal("limiter_unavailable", "Please try again later.", status=503) from error
    if wait_ms > 0:
        raise rate_limited(-(-wait_ms // 1000))


def rate_limited(wait_s: int) -> Refusal:
    return Refusal("rate_limited", "Too many requests.", status=429, retry_after_s=wait_s)


def account_name(user_id: int, typed: str) -> str:
    """The name under which an account's failures are counted, however its owner is called; unknown ones alike."""
    return f"id:{user_id}" if user_id else f"name:{hashlib.sha256(typed.lower().encode()).hexdigest()[:32]}"


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
        return name_of(read_address(address))
    except ValueError:
        return address or "unknown"
