"""Failures that look alike, counted with a few request ids, for people who ask why a channel is ill. No content of calls."""

import re

from schema.cluster_pipe import Pipe
from schema.health import ERRORS, ERRORS_KEPT_S, Sample, write_sample

KINDS_MAX = 200  # of one channel in one process
CHANNELS_MAX = 5_000
IDS_KEPT = 5
MESSAGE_CHARS_MAX = 300
_VARYING = re.compile(r"[0-9a-fA-F]{8,}|\d+|[A-Za-z]+[-_][A-Za-z0-9]{12,}")

Kind = tuple[str, int, str, str]  # class, status, fingerprint, model


def fingerprint(message: str) -> str:
    """The same for messages that differ in numbers and ids alone."""
    return _VARYING.sub("#", message)[:120]


class Samples:
    """One per process; `write` every few seconds."""

    def __init__(self) -> None:
        self._held: dict[int, dict[Kind, Sample]] = {}
        self._fresh: set[tuple[int, Kind]] = set()

    def note(
        self, channel: int, error_class: str, status: int, message: str, model: str, request_id: str, now_s: int
    ) -> None:
        kinds = self._held.get(channel)
        if kinds is None:
            if len(self._held) >= CHANNELS_MAX:
                return
            kinds = self._held[channel] = {}
        kind = (error_class, status, fingerprint(message), model)
        sample = kinds.get(kind)
        if sample is None:
            if len(kinds) >= KINDS_MAX:
                return
            sample = kinds[kind] = Sample(error_class, status, message[:MESSAGE_CHARS_MAX], model, now_s, now_s, 0, [])
        sample.count += 1
        sample.last_s = now_s
        sample.request_ids = [*sample.request_ids, request_id][-IDS_KEPT:]
        self._fresh.add((channel, kind))

    async def write(self, pipe: Pipe, node: str) -> None:
        """Raises RedisAway; what was not written is written next time."""
        fresh, self._fresh = self._fresh, set()
        try:
            for channel, kind in fresh:
                name, field = f"{ERRORS}{channel}", f"{node}|{'|'.join(map(str, kind))}"
                written = pipe.execute("HSET", name, field, write_sample(self._held[channel][kind]))
                await pipe.execute("EXPIRE", name, ERRORS_KEPT_S)
                await written
        except Exception:
            self._fresh |= fresh
            raise

    def forget(self, before_s: int) -> None:
        """What did not happen again for so long makes room."""
        for channel in list(self._held):
            kept = {kind: sample for kind, sample in self._held[channel].items() if sample.last_s >= before_s}
            if kept:
                self._held[channel] = kept
            else:
                del self._held[channel]
        self._fresh = {(channel, kind) for channel, kind in self._fresh if kind in self._held.get(channel, {})}
