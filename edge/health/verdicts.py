"""Does a failed attempt switch its channel off? The rules say whether it may; a window of such errors says whether it does.

With the policy `original` the first such error is enough, as in new-api. What is decided here is written in the background:
no call waits for SQL.
"""

import asyncio
from collections import deque
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from edge.channels import RoutedChannel
from edge.health.board import Board
from schema.dialects.neutral import UpstreamError
from schema.options import Options
from schema.tables import Channel
from schema.upstreams.account import read_object
from schema.upstreams.rules import Verdict, find_rule
from schema.upstreams.status import BY_RULE, Evidence, retire_key, set_status

log = structlog.get_logger(__name__)

ERRORS_KEPT_MAX = 1_000  # of one channel, within the window
PENDING_MAX = 1_000  # changes under way

Account = tuple[int, str]  # channel, name of the key


def find_verdict(
    channel: RoutedChannel, status: int, mapped_status: int, error: UpstreamError, options: Options
) -> Verdict | None:
    """The rule that this failure of a channel meets. Our own failures (no answer came) meet none."""
    if status == 0:
        return None
    return find_rule(
        status=mapped_status,
        channel_type=channel.type,
        code=error.code,
        type=error.type,
        message=error.message,
        keywords=options.automatic_disable_keywords,
    )


class Verdicts:
    """One per process."""

    def __init__(self, engine: AsyncEngine, redis: Any, board: Board) -> None:
        self._engine, self._redis, self._board = engine, redis, board
        self._errors: dict[Account, deque[float]] = {}
        self._pending: dict[Account, asyncio.Task[None]] = {}

    def consider(
        self, channel: RoutedChannel, verdict: Verdict, options: Options, *, now: float, evidence: Evidence
    ) -> bool:
        """Called for every failure that meets a rule. True when the channel (or its key) is switched off now."""
        if not (options.automatic_disable_channel_enabled and channel.auto_ban):
            return False
        account = (channel.id, channel.key_name)
        attempts = 0 if channel.key_name else self.attempts(channel.id)  # one key of several: see `worked`
        if not self._enough(account, options, now, attempts):
            return False
        return self.switch_off(channel, options, evidence)

    def switch_off(self, channel: RoutedChannel, options: Options, evidence: Evidence) -> bool:
        """In the background; False while that is under way already."""
        account = (channel.id, channel.key_name)
        if account in self._pending or len(self._pending) >= PENDING_MAX:
            return False
        task = asyncio.get_running_loop().create_task(self._switch_off(channel, options, evidence))
        self._pending[account] = task
        task.add_done_callback(lambda _: self._pending.pop(account, None))
        return True

    def _enough(self, account: Account, options: Options, now: float, attempts: int) -> bool:
        if options.auto_disable_policy == "original":
            return True
        errors = self._errors.setdefault(account, deque(maxlen=ERRORS_KEPT_MAX))
        errors.append(now)
        while errors and errors[0] < now - options.auto_disable_window_seconds:
            errors.popleft()
        share = len(errors) / max(attempts, len(errors)) * 100
        enough = len(errors) >= options.auto_disable_errors and share >= options.auto_disable_error_percent
        if enough:
            errors.clear()
        return enough

    def worked(self, channel: RoutedChannel) -> None:
        """A key of several that serves is not dead, whatever happened before."""
        self._errors.pop((channel.id, channel.key_name), None)

    def attempts(self, channel_id: int) -> int:
        """Of the minute at hand, all models."""
        return sum(cell.calls for key, cell in self._board.cells.items() if key[0] == channel_id)

    async def _switch_off(self, channel: RoutedChannel, options: Options, evidence: Evidence) -> None:
        try:
            if channel.key_name:
                done = await retire_key(self._engine, self._redis, channel.id, channel.key_name, evidence)
                log.warning("channel_key_retired", channel=channel.id, key=channel.key_name, done=done)
                if not done or not await self._was_last_key(channel):
                    return
            done = await set_status(
                self._engine, self._redis, channel.id, to=BY_RULE, evidence=evidence,
                keep_last=options.auto_disable_keep_last,
            )  # fmt: skip
            log.warning("channel_switched_off", channel=channel.id, rule=evidence.actor, done=done)
        except Exception as error:
            log.error("channel_not_switched_off", channel=channel.id, error=type(error).__name__)

    async def _was_last_key(self, channel: RoutedChannel) -> bool:
        async with self._engine.connect() as db:
            text = (await db.execute(select(Channel.other_info).where(Channel.id == channel.id))).scalar()
        retired = read_object(text).get("retired_keys")
        return isinstance(retired, dict) and channel.key_names <= set(retired)

    async def close(self) -> None:
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
