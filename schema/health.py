"""Figures of attempts per channel and model: counted by an edge, merged by whoever wants to know. No prompt, no user in them."""

from collections.abc import Iterable, Sequence

import msgspec

# Upper bounds of durations in ms, log-spaced: 50 ms to 10 min, about 1.33 apart
BOUNDS = (
    50, 70, 100, 140, 200, 270, 370, 500, 680, 900, 1200, 1600, 2200, 3000, 4000, 5500, 7500, 10_000, 13_500, 18_000,
    24_000, 32_000, 43_000, 60_000, 80_000, 110_000, 150_000, 200_000, 270_000, 360_000, 480_000, 600_000,
)  # fmt: skip
BUCKETS = len(BOUNDS) + 1
NODES = "mx:health:nodes"  # hash: edge -> NodeState
MINUTE = "mx:health:m:"  # + minute of Unix time: hash edge -> list of MinuteCell
MINUTE_KEPT_S = 2 * 3600
NODE_S_MAX = 15  # an edge that was silent for so long is gone


class Cell(msgspec.Struct, array_like=True):
    """Attempts of one channel and model in one span of time. Durations of successful attempts only."""

    ok: int = 0
    failed: int = 0  # by the channel's fault
    excused: int = 0  # by the request's or the client's
    streams: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    quota: int = 0  # charged
    last_ok_s: int = 0  # Unix s
    last_failed_s: int = 0
    latency: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)
    first_byte: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)  # streams only
    errors: dict[str, int] = {}  # class -> attempts, excused ones too

    @property
    def calls(self) -> int:
        """Attempts that say something of the channel."""
        return self.ok + self.failed

    def add(self, other: "Cell") -> None:
        self.ok += other.ok
        self.failed += other.failed
        self.excused += other.excused
        self.streams += other.streams
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.quota += other.quota
        self.last_ok_s = max(self.last_ok_s, other.last_ok_s)
        self.last_failed_s = max(self.last_failed_s, other.last_failed_s)
        if other.ok:
            self.latency = [a + b for a, b in zip(self.latency, other.latency, strict=True)]
            self.first_byte = [a + b for a, b in zip(self.first_byte, other.first_byte, strict=True)]
        for name, count in other.errors.items():
            self.errors[name] = self.errors.get(name, 0) + count


class MinuteCell(msgspec.Struct, array_like=True):
    channel_id: int
    model: str
    cell: Cell


class Gate(msgspec.Struct, array_like=True):
    """A breaker that is not closed. `until_ms`: Unix ms; `model` '' = the whole channel."""

    channel_id: int
    model: str
    state: int  # 1 half open, 2 open
    until_ms: int
    cool_until_ms: int
    reason: str


class NodeState(msgspec.Struct, array_like=True):
    """What one edge tells the others each second."""

    at_ms: int
    in_flight: dict[int, int] = {}  # channel -> calls
    gates: list[Gate] = []
    started_s: int = 0  # Unix s
    version: str = ""
    settings_version: int = 0


def percentile(histogram: Sequence[int], share: float) -> int | None:
    """ms, interpolated inside its bucket; None without any."""
    total = sum(histogram)
    if not total:
        return None
    wanted = share * total
    seen = 0
    for place, count in enumerate(histogram):
        if count and seen + count >= wanted:
            low = BOUNDS[place - 1] if place else 0
            high = BOUNDS[min(place, len(BOUNDS) - 1)]
            return int(low + (high - low) * (wanted - seen) / count)
        seen += count
    return BOUNDS[-1]


def merge(cells: Iterable[Cell]) -> Cell:
    """All together; ten times cheaper than adding one after the other (40 us for 60 cells)."""
    held = list(cells)
    if not held:
        return Cell()
    errors: dict[str, int] = {}
    for cell in held:
        for name, count in cell.errors.items():
            errors[name] = errors.get(name, 0) + count
    good = [cell for cell in held if cell.ok]
    return Cell(
        ok=sum(cell.ok for cell in good),
        failed=sum(cell.failed for cell in held),
        excused=sum(cell.excused for cell in held),
        streams=sum(cell.streams for cell in good),
        prompt_tokens=sum(cell.prompt_tokens for cell in held),
        completion_tokens=sum(cell.completion_tokens for cell in held),
        quota=sum(cell.quota for cell in held),
        last_ok_s=max(cell.last_ok_s for cell in held),
        last_failed_s=max(cell.last_failed_s for cell in held),
        latency=_sum([cell.latency for cell in good]),
        first_byte=_sum([cell.first_byte for cell in good]),
        errors=errors,
    )


def _sum(histograms: list[list[int]]) -> list[int]:
    return list(map(sum, zip(*histograms, strict=True))) if histograms else [0] * BUCKETS


write_cells = msgspec.msgpack.Encoder().encode
read_cells = msgspec.msgpack.Decoder(list[MinuteCell]).decode
write_node = msgspec.msgpack.Encoder().encode
read_node = msgspec.msgpack.Decoder(NodeState).decode
write_cell = msgspec.msgpack.Encoder().encode
read_cell = msgspec.msgpack.Decoder(Cell).decode
STEPS = {600: 48 * 3600, 3600: 90 * 86_400, 86_400: 730 * 86_400}  # spans of SQL's cells and how long each is kept, s
THROUGH = "channel_health_through"  # in mx_meta: the first minute that is not merged yet
ERRORS = "mx:health:e:"  # + channel: hash of edge and fingerprint -> Sample
ERRORS_KEPT_S = 7 * 86_400


class Sample(msgspec.Struct, array_like=True):
    """Failures of a channel that look alike, as one edge met them."""

    error_class: str
    status: int
    message: str  # of the first one, without keys, addresses and numbers
    model: str
    first_s: int
    last_s: int
    count: int
    request_ids: list[str]  # the newest few


write_sample = msgspec.msgpack.Encoder().encode
read_sample = msgspec.msgpack.Decoder(Sample).decode
