"""Reading usage records fast: the price, equal for thousands of calls, is decoded once per distinct price."""

from typing import Any

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from schema.pricing import ZERO, billed_name, content_text, other_members, quota_saved
from schema.quota import Quota
from schema.usage import VERSION, PriceRecord, TokenUsage, UsageRecord, write_record

log = structlog.get_logger(__name__)

REFERENCE_CHARS_MAX = 255  # column mx_ledger_entries.reference
PRICES_MAX = 5_000  # distinct prices remembered; about 1 KiB each

# UsageRecord with the price left as bytes: decoding its dozen decimals would cost more than all the rest.
_Wire: Any = msgspec.defstruct(
    "_Wire",
    [
        (field.name, msgspec.Raw if field.name == "price" else field.type)
        if field.required
        else (
            field.name,
            field.type,
            field.default
            if field.default is not msgspec.NODEFAULT
            else msgspec.field(default_factory=field.default_factory),
        )
        for field in msgspec.structs.fields(UsageRecord)
    ],
    array_like=True,
    kw_only=True,
)
_decode: Any = msgspec.msgpack.Decoder(_Wire).decode
_decode_price = msgspec.msgpack.Decoder(PriceRecord).decode
_write_json = msgspec.json.Encoder(decimal_format="number").encode

_NO_PRICE = PriceRecord(True, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
CONSUMED, FAILED = 2, 5  # logs.type
PICTURE_MODES = frozenset({"image", "image_edit", "image_variation"})


class Entry(Struct):
    """One entry of the usage stream."""

    position: str  # stream id
    mark: str  # '' | 1: may be a duplicate | 2: made by the reaper, may be one as well
    record: Any  # a UsageRecord whose price is still bytes


class _Priced(Struct, frozen=True):
    price: PriceRecord
    content: str  # of a text-only call
    other: str  # members of logs.other that depend on the price alone, without braces


_prices: dict[bytes, _Priced] = {}


def read_entry(partition: int, position: bytes, fields: list[bytes]) -> Entry:
    """One entry as XRANGE gives it. A record that cannot be read is still charged, by the figures beside it."""
    mark = fields[9].decode() if len(fields) > 9 else ""
    try:
        record = _decode(fields[7])
        if len(record.request_id) > REFERENCE_CHARS_MAX:
            record = replace(record, request_id=record.request_id[:REFERENCE_CHARS_MAX])
    except msgspec.DecodeError as error:
        log.error("record_unreadable", partition=partition, position=position.decode(), error=str(error))
        record = _unreadable(f"unreadable:{partition}:{position.decode()}", fields, position)
    return Entry(position.decode(), mark, record)


def _unreadable(reference: str, fields: list[bytes], position: bytes) -> Any:
    user_id, token_id, quota = int(fields[1]), int(fields[3]), int(fields[5])
    at_ms = int(position.split(b"-")[0])
    record = UsageRecord(
        version=VERSION, request_id=reference, user_id=user_id, username="", token_id=token_id, token_name="", token_limited=token_id > 0,
        channel_id=0, model="", upstream_model="", group="", dialect="", mode="", stream=False, status=200, started_ms=at_ms,
        ended_ms=at_ms, first_byte_ms=-1, usage=TokenUsage(estimated=True), price=_NO_PRICE, quota=Quota(quota),
        content="the details of this call could not be read",
    )  # fmt: skip
    return _decode(write_record(record))


def price_of(record: Any) -> PriceRecord:
    return _priced(record).price


def _priced(record: Any) -> _Priced:
    raw = bytes(record.price)
    found = _prices.get(raw)
    if found is None:
        if len(_prices) >= PRICES_MAX:
            _prices.clear()
        price = _decode_price(raw)
        members = {
            "model_ratio": float(price.model_ratio),
            "group_ratio": float(price.group_ratio),
            "completion_ratio": float(price.completion_ratio),
            "model_price": float(price.model_price * price.times) if price.per_call else -1,
            "cache_ratio": float(price.cache_ratio),
        }
        found = _Priced(price, content_text(price, TokenUsage()), _write_json(members)[1:-1].decode())
        _prices[raw] = found
    return found


def saved_by_cache(record: Any) -> Quota:
    return quota_saved(record.usage, _priced(record).price) if record.usage.input_cached else Quota(0)


def clean(text: str, chars_max: int) -> str:
    """Text that every database takes: no NUL (PostgreSQL refuses it), not longer than the column."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if len(text) <= chars_max else text[:chars_max]


def log_row(record: Any) -> tuple[Any, ...]:
    """The row of `logs`, in the order of LOG_COLUMNS."""
    if record.row is not None:
        sums = record.row
        record = replace(
            record, request_id=sums.request_id, quota=sums.quota, usage=sums.usage, started_ms=sums.started_ms, row=None
        )
    usage = record.usage
    failed = bool(record.error_code)
    model = billed_name(record.model)
    elapsed_ms = max(0, record.ended_ms - record.started_ms)
    return (
        record.user_id,
        record.ended_ms // 1000,
        FAILED if failed else CONSUMED,
        clean(_content(record, model, failed), 4000),
        clean(record.username, 191),
        clean(record.token_name, 191),
        clean(model, 191),
        record.quota,
        usage.prompt_tokens,
        usage.completion_tokens,
        elapsed_ms // 1000,
        record.stream,
        record.channel_id,
        record.token_id,
        clean(record.group, 191),
        _other(record, failed),
        clean(record.request_id, 191),
        elapsed_ms,
        clean(record.ip, 64),
        record.status,
    )


LOG_COLUMNS = (
    "user_id", "created_at", "type", "content", "username", "token_name", "model_name", "quota", "prompt_tokens",
    "completion_tokens", "use_time", "is_stream", "channel_id", "token_id", "group", "other", "request_id",
    "elapsed_time", "ip", "status_code",
)  # fmt: skip


def _content(record: Any, model: str, failed: bool) -> str:
    if failed:
        return str(record.error_message or record.error_code)
    if record.content:
        return str(record.content)
    usage, priced = record.usage, _priced(record)
    audio = usage.input_audio or usage.output_audio
    text = content_text(priced.price, usage) if audio else priced.content
    if model != record.model:
        text += f"，模型 {record.model}"
    if not usage.total_tokens and not priced.price.per_call:
        text += "（可能是上游超时）"
    return text


def _other(record: Any, failed: bool) -> str:
    usage = record.usage
    first_byte_ms = record.first_byte_ms if record.first_byte_ms >= 0 else -1000
    if failed:
        members: dict[str, Any] = {
            "error_code": record.error_code,
            "status_code": record.status,
            "frt": first_byte_ms,
            "request_id": record.request_id,
            "admin_info": {"use_channel": [str(channel) for channel in record.use_channel]},
        }
        return _json(members | record.other)
    plain = not (
        record.cut
        or record.other
        or record.upstream_model not in ("", record.model)
        or record.dialect == "claude"
        or usage.input_cache_write
        or usage.input_cache_write_1h
        or usage.input_image
        or usage.input_audio
        or usage.output_audio
        or usage.input_image
        or record.mode in PICTURE_MODES
    )
    if plain:  # the usual call: one string, a tenth of the cost of building and encoding the members
        channels = '","'.join(map(str, record.use_channel))
        return (
            f'{{{_priced(record).other},"cache_tokens":{usage.input_cached},"frt":{first_byte_ms},'
            f'"admin_info":{{"use_channel":[{chr(34) + channels + chr(34) if channels else ""}]}},'
            f'"request_id":{_json(record.request_id)},"estimated":{"true" if usage.estimated else "false"}}}'
        )
    return _json(
        other_members(
            usage,
            _priced(record).price,
            first_byte_ms=record.first_byte_ms,
            use_channel=record.use_channel,
            upstream_model=record.upstream_model if record.upstream_model != record.model else "",
            dialect=record.dialect,
            request_id=record.request_id,
            cut=record.cut,
            pictures=record.mode in PICTURE_MODES and _priced(record).price.per_call,
            more=record.other,
        )
    )


def _json(value: Any) -> str:
    return _write_json(value).decode()


def rest_of(record: Any, quota: int) -> Any:
    """What a call cost beyond the checkpoint that was charged while its edge was thought dead: money, no tokens."""
    return replace(
        record,
        kind="settle_rest",
        quota=Quota(quota),
        usage=TokenUsage(estimated=record.usage.estimated),
        counted=False,
        row=None,
        content="rest of a call whose first part was charged when its process was thought dead",
    )
