"""The running minute of one channel and model, in the form that costs a call least: sums are taken when it is told."""

from schema.health import BOUNDS, BUCKETS, Cell

BOUNDS_MS = tuple(map(float, BOUNDS))  # floats compare twice as fast with floats


class Tally:
    """Becomes a Cell when it leaves the process."""

    __slots__ = (
        "completion_tokens", "errors", "excused", "failed", "first_byte", "latency", "prompt_tokens", "quota", "seen_failed",
        "seen_ok", "told",
    )  # fmt: skip

    def __init__(self) -> None:
        self.latency = [0] * BUCKETS  # one for each good attempt
        self.first_byte = [0] * BUCKETS  # one for each good stream
        self.failed = self.excused = 0
        self.prompt_tokens = self.completion_tokens = self.quota = 0
        self.errors: dict[str, int] = {}
        self.seen_ok = self.seen_failed = 0  # Unix s, to the nearest telling
        self.told = (0, 0)

    @property
    def ok(self) -> int:
        return sum(self.latency)

    @property
    def calls(self) -> int:
        return self.ok + self.failed

    def cell(self, unix_s: int) -> Cell:
        """All so far."""
        ok, failed = self.ok, self.failed
        if ok > self.told[0]:
            self.seen_ok = unix_s
        if failed > self.told[1]:
            self.seen_failed = unix_s
        self.told = (ok, failed)
        return Cell(
            ok=ok,
            failed=failed,
            excused=self.excused,
            streams=sum(self.first_byte),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            quota=self.quota,
            last_ok_s=self.seen_ok,
            last_failed_s=self.seen_failed,
            latency=self.latency,
            first_byte=self.first_byte,
            errors=self.errors,
        )
