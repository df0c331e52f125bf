"""What follows a settled batch: balances that may have counted a duplicate are loaded again, users near zero are told."""

import time
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from schema.ledger.signals import balance_changed
from schema.redis_client import queue_of
from workers.batch import Batch
from workers.store import Store

log = structlog.get_logger(__name__)

THRESHOLDS_MAX = 50_000  # users whose own threshold is remembered
THRESHOLD_AGE_S = 60.0


class _Setting(Struct):
    """Of users.setting, what we read."""

    quota_warning_threshold: float | None = None


class _Threshold(Struct, frozen=True):
    quota: int
    read_s: float


_decode_setting = msgspec.json.Decoder(_Setting).decode


class AfterBatch:
    """Called by the settler after every commit. A failure here costs a notice, never money."""

    def __init__(self, store: Store, redis: Any, *, partitions: int, default_threshold: Any) -> None:
        """
        Args:
            redis: an ArqRedis, for `enqueue_job`.
            default_threshold: callable, the option QuotaRemindThreshold.
        """
        self._store = store
        self._redis = redis
        self._partitions = partitions
        self._default = default_threshold
        self._thresholds: dict[int, _Threshold] = {}

    async def __call__(self, batch: Batch) -> None:
        try:
            for user_id in batch.checked_users:
                await balance_changed(self._redis, user_id, partitions=self._partitions)
            await self._notify(batch)
        except (RedisError, OSError) as error:
            log.warning("after_batch_failed", error=type(error).__name__)

    async def _notify(self, batch: Batch) -> None:
        charged = {user_id: quota for user_id, (quota, _) in batch.users.items() if quota > 0}
        if not charged:
            return
        for user_id, (after, setting) in (await self._store.balances(list(charged))).items():
            threshold = self._threshold(user_id, setting)
            if after < threshold <= after + charged[user_id]:
                hour = int(time.time()) // 3600
                log.info("balance_low", user_id=user_id)
                await queue_of(self._redis).enqueue_job(
                    "notify", user_id, "quota_exceed", {"quota": after, "threshold": threshold},
                    _job_id=f"notify:quota_exceed:{user_id}:{hour}",
                )  # fmt: skip

    def _threshold(self, user_id: int, setting: str) -> int:
        known = self._thresholds.get(user_id)
        if known is not None and time.monotonic() - known.read_s < THRESHOLD_AGE_S:
            return known.quota
        own: float | None = None
        if setting:
            try:
                own = _decode_setting(setting).quota_warning_threshold
            except msgspec.DecodeError:
                own = None  # written by hand or by another program: the default holds
        quota = int(own) if own is not None else int(self._default())
        if len(self._thresholds) >= THRESHOLDS_MAX:
            self._thresholds.clear()
        self._thresholds[user_id] = _Threshold(quota, time.monotonic())
        return quota
