"""The notice of a low balance after a task's charge, as settlement sends it after calls: once an hour, at the threshold."""

import time
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from schema.database import Engine
from schema.options import Options
from schema.redis_client import queue_of
from schema.tables import User

log = structlog.get_logger(__name__)


class _Setting(Struct):
    """Of users.setting."""

    quota_warning_threshold: float | None = None


async def warn_if_low(engine: Engine, redis: Any, options: Options, user_id: int, charged: int) -> None:
    """A failure costs a notice, never money."""
    try:
        async with engine.connect() as db:
            row = (await db.execute(select(User.quota, User.setting).where(User.id == user_id))).first()
        if row is None:
            return
        threshold = _threshold(row.setting, options)
        left = row.quota or 0
        if left < threshold <= left + charged:
            queue = queue_of(redis)
            await queue.enqueue_job(
                "notify", user_id, "quota_exceed", {"quota": left, "threshold": threshold},
                _job_id=f"notify:quota_exceed:{user_id}:{int(time.time()) // 3600}",
            )  # fmt: skip
    except (SQLAlchemyError, RedisError, OSError, TimeoutError) as error:
        log.warning("low_balance_not_told", error=type(error).__name__)


def _threshold(setting: str | None, options: Options) -> int:
    try:
        own = msgspec.json.decode(setting or "{}", type=_Setting).quota_warning_threshold
    except msgspec.MsgspecError:
        own = None
    return int(own) if own is not None else int(options.quota_remind_threshold)
