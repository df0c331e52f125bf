"""Telling every process that something changed in SQL. Call these after the commit; each may be repeated or lost.

A lost signal heals: snapshots are read again every minute, hot balances are refreshed every minute while in use.
"""

from typing import Any

from schema.ledger import scripts
from schema.ledger.connection import evaluate, over_redis_py
from schema.ledger.keys import EPOCH_LIFETIME_S, SIGNAL, VERSIONS, Keys


async def balance_changed(redis: Any, user_id: int, *, partitions: int) -> None:
    """A user's balance, or the remaining quota of one of his tokens, moved outside settlement: it is loaded again.

    Args:
        redis: a redis.asyncio client.
        partitions: LEDGER_PARTITIONS, from the config.
    """
    tag = Keys(partitions).tag(user_id)
    names = (f"{tag}e:{user_id}", f"{tag}b:{user_id}")
    await evaluate(over_redis_py(redis), scripts.CHANGED, names, (EPOCH_LIFETIME_S,))


async def changed(redis: Any, what: str) -> None:
    """`what`: channels, options, models ...: its version counter grows, and every edge is woken to read it again."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hincrby(VERSIONS, what, 1)
        pipe.publish(SIGNAL, what)
        await pipe.execute()


async def user_changed(redis: Any, user_id: int) -> None:
    """Group, status or settings of a user changed: edges forget what they cached of this account."""
    await _caller_changed(redis, f"user:{user_id}")


async def token_changed(redis: Any, token_id: int) -> None:
    """A token was edited, disabled or deleted: edges forget it."""
    await _caller_changed(redis, f"token:{token_id}")


async def _caller_changed(redis: Any, who: str) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hincrby(VERSIONS, "callers", 1)
        pipe.publish(SIGNAL, who)
        await pipe.execute()
