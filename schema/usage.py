"""What the edge hands to the workers when a call has ended: the usage record, with the price frozen at admission.

Wire form: msgpack arrays (field order is the format: append only, give every new field a default, and raise
`VERSION` when the meaning of an old one changes). Readers accept records of this and of the previous version.

Several records of one account are packed as a msgpack array of them: a header, and their bytes as they were written.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from schema.quota import Quota

VERSION = 1
PACKED = b"p"  # name of the field of a stream entry that holds several records


class TokenCounts(Struct, frozen=True, array_like=True):
    """Model tokens of one call; every count is disjoint from the others except `reasoning`.

    The prompt of OpenAI's `usage` is the sum of all `input_*`; Claude's `input_tokens` is `input_text` alone.
    `reasoning` is a part of `output_text` and is never priced by itself. Whoever makes them makes a `TokenUsage`; a record
    that was written is read as this, without a second check.
    """

    input_text: int = 0  # prompt tokens that were neither cached, nor written to a cache, nor audio, nor image
    input_cached: int = 0  # read from the provider's prompt cache
    input_cache_write: int = 0  # written to the provider's prompt cache for five minutes, or nobody said for how long
    input_audio: int = 0
    input_image: int = 0
    output_text: int = 0  # includes reasoning
    output_audio: int = 0
    reasoning: int = 0
    estimated: bool = False  # counted here because the provider sent no usage
    input_cache_write_1h: int = 0  # written to the provider's prompt cache for an hour

    @property
    def prompt_tokens(self) -> int:
        return (  # `cache_written` is written out: a property costs as much as all the rest
            self.input_text
            + self.input_cached
            + self.input_cache_write
            + self.input_cache_write_1h
            + self.input_audio
            + self.input_image
        )

    @property
    def cache_written(self) -> int:
        """All prompt tokens that were written to the provider's cache."""
        return self.input_cache_write + self.input_cache_write_1h

    @property
    def completion_tokens(self) -> int:
        return self.output_text + self.output_audio

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class TokenUsage(TokenCounts, frozen=True, array_like=True):
    """Model tokens as somebody reports them."""

    def __post_init__(self) -> None:
        """No provider's odd figure may pay the client: what is below zero is zero."""
        # written out: this runs for every record, and a loop would cost four times as much
        if (
            self.input_text < 0
            or self.output_text < 0
            or self.input_cached < 0
            or self.input_cache_write < 0
            or self.input_audio < 0
            or self.input_image < 0
            or self.output_audio < 0
            or self.reasoning < 0
            or self.input_cache_write_1h < 0
        ):
            for name in self.__struct_fields__:
                force_setattr(self, name, max(getattr(self, name), 0) if name != "estimated" else self.estimated)


class PriceRecord(Struct, frozen=True, array_like=True):
    """Everything that turns usage into quota, frozen when the call was admitted. Ratios are exact decimals."""

    per_call: bool  # True: `model_price` USD for the call, tokens do not matter
    model_ratio: Decimal
    completion_ratio: Decimal
    group_ratio: Decimal
    model_price: Decimal  # USD per call; -1 in ratio mode
    cache_ratio: Decimal  # of a cached prompt token, relative to an ordinary one
    cache_write_ratio: Decimal
    audio_ratio: Decimal
    audio_completion_ratio: Decimal
    image_ratio: Decimal
    quota_per_unit: Decimal  # quota units per USD
    times: Decimal = Decimal(1)  # size x quality x count of pictures; multiplies `model_price`
    group: str = "default"
    options_version: int = 0


class SessionRow(Struct, frozen=True, array_like=True):
    """What the log row of a session shows in place of one turn's figures."""

    request_id: str
    quota: Quota
    usage: TokenUsage
    started_ms: int  # Unix ms


class UsageRecord(Struct, frozen=True, array_like=True):
    """One ended call. `quota` is final: the workers store it and never compute it again."""

    version: int  # VERSION
    request_id: str
    user_id: int
    username: str
    token_id: int  # 0: no token (playground)
    token_name: str
    token_limited: bool  # False: an unlimited token; only its used_quota moves
    channel_id: int
    model: str  # the name that the client asked for
    upstream_model: str  # the name sent upstream
    group: str  # the group that priced the call
    dialect: str  # of the client: openai, claude, gemini, responses ...
    mode: str  # chat, completion, embedding, image, ...
    stream: bool
    status: int  # HTTP status that the client got
    started_ms: int  # Unix ms
    ended_ms: int  # Unix ms
    first_byte_ms: int  # ms from the start to the first upstream byte; -1 when none came
    usage: TokenUsage
    price: PriceRecord
    quota: Quota
    cut: bool = False  # ended early: client gone, upstream broke off, balance ran out, edge died
    use_channel: list[int] = []  # channels in the order tried
    error_code: str = ""  # public code of a failed call; such a record has quota 0
    error_message: str = ""  # what its owner may read; no keys, no upstream addresses
    ip: str = ""  # of the client; stored only where the operator asks for it
    content: str = ""  # text of the log row; empty: the worker writes the standard one
    other: dict[str, Any] = {}  # extra members of logs.other
    kind: str = "settle"  # settle, or a name of schema.ledger.entries for tasks and Realtime
    counted: bool = True  # False: does not count as a request (second and later turns of one session)
    logged: bool = True  # False: no log row (a turn of a session whose row comes with its last record)
    row: SessionRow | None = None  # sums of a session for its log row; None: this record's own figures


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode = msgspec.msgpack.Decoder(UsageRecord).decode
_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def write_record(record: UsageRecord) -> bytes:
    """The bytes of one record, for the stream, the hold's checkpoint and the spool file."""
    return _encode(record)


def read_record(data: bytes | msgspec.Raw) -> UsageRecord:
    """Raises msgspec.DecodeError when the bytes are not a record."""
    return _decode(data)


def pack_records(written: Sequence[bytes]) -> bytes:
    """The bytes of several records as those of one array. `written`: each as `write_record` made it, 65 535 at most."""
    count = len(written)
    head = bytes((0x90 + count,)) if count < 16 else bytes((0xDC, *count.to_bytes(2, "big")))
    return head + b"".join(written)


def records_in(fields: Sequence[bytes]) -> Sequence[bytes | msgspec.Raw]:
    """The records of one entry of a usage stream (see schema.ledger.keys), each as it was written.

    Raises msgspec.DecodeError when it is no array of records; whether each of them can be read, `read_record` tells.
    """
    return _split(fields[7]) if fields[6] == PACKED else (fields[7],)


def count_records(fields: Sequence[bytes]) -> int:
    """How many calls one entry of a usage stream tells of; an array that cannot be taken apart is charged as one."""
    try:
        return len(records_in(fields))
    except msgspec.DecodeError:
        return 1
