"""The relay's one door to channel health: choose, begin, tell how it ended."""

import time
from collections.abc import Collection
from random import Random
from typing import Any

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from edge.channels import RoutedChannel
from edge.health.board import Attempt, Board
from edge.health.breaker import read_rules
from edge.health.pick import Picker, Wish
from edge.health.recent import Recent
from edge.health.samples import Samples
from edge.health.sharing import Sharing
from edge.health.verdicts import Verdicts, find_verdict
from edge.relay.retry import Failure
from edge.snapshot import EdgeSnapshot
from schema.cluster_pipe import Pipe
from schema.dialects.neutral import UpstreamError
from schema.options import Options
from schema.upstreams.rules import NO_FAULT, class_of
from schema.upstreams.status import Evidence
from schema.usage import UsageRecord

monotonic, wall = time.monotonic, time.time
CUTS_MAX = 10_000  # calls whose stream was cut and which have not ended yet


class Health:
    """One per process."""

    def __init__(
        self, engine: AsyncEngine, redis: Any, pipe: Pipe, *, host: str = "", recent: Recent | None = None
    ) -> None:
        """`recent`: where One API's rule of recent results is wished."""
        self.recent = recent
        self.board = Board()
        self.picker = Picker(self.board, Random())
        self.samples = Samples()
        self.sharing = Sharing(self.board, self.samples, pipe, host)
        self.verdicts = Verdicts(engine, redis, self.board)
        self._options: Options | None = None
        self._cuts: set[str] = set()
        self.left = self.board.left  # a call of its own would cost as much as what it does

    def choose(
        self, snapshot: EdgeSnapshot, wish: Wish, *, attempt: int, tried: Collection[int]
    ) -> RoutedChannel | None:
        """`attempt` 0 is the first one; see Picker.pick."""
        if snapshot.options is not self._options:
            self._options = snapshot.options
            self.board.rules = read_rules(snapshot.options)
            self.sharing.settings_version = snapshot.options.version
            self.board.compares = snapshot.options.channel_choice == "fastest"
        return self.picker.pick(snapshot, wish, attempt=attempt, tried=tried, now=time.monotonic())

    def begin(self, channel: RoutedChannel, model: str) -> Attempt:
        """Every attempt that began must also be `left`."""
        return self.board.begin(channel, model, monotonic())

    def settled(self, record: UsageRecord, prompt_tokens: int, completion_tokens: int) -> None:
        """A call's charge; comes before the attempt is told to have succeeded."""
        if record.error_code:
            return
        self.board.spent((record.channel_id, record.model), prompt_tokens, completion_tokens, record.quota)
        if record.cut and len(self._cuts) < CUTS_MAX:
            self._cuts.add(record.request_id)

    def succeeded(
        self, attempt: Attempt, request_id: str, first_byte_unix_ms: int, *, stream: bool, gone: bool
    ) -> None:
        """The client got its answer, whole or cut.

        Args:
            first_byte_unix_ms: when the upstream's first byte came, Unix ms.
            gone: the client left, or we ended the call: a cut is not the channel's fault.
        """
        now = monotonic()
        if self._cuts and request_id in self._cuts:
            self._cuts.discard(request_id)
            self.board.failed(attempt, now, "client_gone" if gone else "bad_response")
            if not gone:
                text, model = "The upstream broke off its stream.", attempt.key[1]
                self.samples.note(attempt.key[0], "bad_response", 200, text, model, request_id, int(time.time()))
            return
        if attempt.channel.key_name:
            self.verdicts.worked(attempt.channel)
        if self.recent is not None:
            self.recent.note(attempt.key[0], good=True)
        since_first_byte_ms = wall() * 1000 - first_byte_unix_ms
        took_ms = (now - attempt.started) * 1000
        first_byte_ms = took_ms - since_first_byte_ms
        self.board.succeeded(attempt, now, first_byte_ms if first_byte_ms > 0 else 0.0, stream=stream)

    def failed(
        self, attempt: Attempt, failure: Failure, error: UpstreamError, options: Options, *, request_id: str, gone: bool
    ) -> Failure:
        """The failure as the retry policy must see it: whether the account is dead is known here."""
        now = time.monotonic()
        channel, model = attempt.channel, attempt.key[1]
        if gone:
            self.board.failed(attempt, now, "client_gone")
            return failure
        kind = class_of(failure.status, error.code, error.type)
        verdict = find_verdict(channel, failure.status, failure.mapped_status, error, options)
        if verdict is not None and kind in ("other", "bad_response"):
            kind = "quota" if verdict.rule in (6, 7) else "auth"  # some providers report dead accounts as 400
        self.board.failed(attempt, now, kind, retry_after_s=failure.retry_after_s)
        self.samples.note(channel.id, kind, failure.status, error.message, model, request_id, int(time.time()))
        if self.recent is not None and kind not in NO_FAULT:
            self._judge_recent(channel, options, error.message, model=model, request_id=request_id)
        if verdict is None:
            return failure
        evidence = Evidence(
            actor=f"rule:{verdict.rule}", message=error.message or f"bad response status code {failure.status}",
            status_code=failure.status, keyword=verdict.keyword, model=model, request_id=request_id,
            attempts=self.verdicts.attempts(channel.id),
        )  # fmt: skip
        self.verdicts.consider(channel, verdict, options, now=now, evidence=evidence)
        return replace(failure, dead_account=True)

    def _judge_recent(
        self, channel: RoutedChannel, options: Options, message: str, *, model: str, request_id: str
    ) -> None:
        assert self.recent is not None
        share = self.recent.note(channel.id, good=False)
        if share is not None and channel.auto_ban:
            text = f"only {share:.0%} of the last calls succeeded; the last error: {message}"
            evidence = Evidence(actor="rule:recent", message=text, model=model, request_id=request_id)
            self.verdicts.switch_off(channel, options, evidence)

    def lost(self, attempt: Attempt) -> None:
        """Another channel answered first and this one was cut: that says nothing of it."""
        self.board.failed(attempt, monotonic(), "hedge_lost")

    async def close(self) -> None:
        await self.verdicts.close()
        await self.sharing.publish()
