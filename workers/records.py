"""Reading usage records fast: the price, equal for thousands of calls, is decoded once per distinct price."""

from contextlib import suppress
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from schema.pricing import ZERO, billed_name, content_text, other_members, quota_saved
from schema.quota import Quota
from schema.usage import PACKED, VERSION, PriceRecord, TokenCounts, TokenUsage, UsageRecord, records_in, write_record

log = structlog.get_logger(__name__)

REFERENCE_CHARS_MAX = 255  # column mx_ledger_entries.reference
PRICES_MAX = 5_000  # distinct prices remembered; about 1 KiB each
TEXTS_MAX = 10_000  # accounts, routes and prices remembered; about 1 KiB each

# UsageRecord with the price left as bytes: decoding its dozen decimals would cost more than all the rest.
_TYPES: dict[str, Any] = {"price": msgspec.Raw, "usage": TokenCounts}
_Wire: Any = msgspec.defstruct(
    "_Wire",
    [
        (field.name, _TYPES.get(field.name, field.type))
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
    gc=False,  # thousands of them at once; none ever refers back to itself
)
_decode: Any = msgspec.msgpack.Decoder(_Wire).decode
_decode_packed: Any = msgspec.msgpack.Decoder(list[_Wire]).decode
_decode_price = msgspec.msgpack.Decoder(PriceRecord).decode
_write_json = msgspec.json.Encoder(decimal_format="number").encode

_NO_PRICE = PriceRecord(True, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
CONSUMED, FAILED = 2, 5  # logs.type
PICTURE_MODES = frozenset({"image", "image_edit", "image_variation"})


class Entry(Struct, gc=False):
    """One entry of the usage stream. Its records count together: there is no position between them."""

    position: bytes  # stream id
    mark: str  # '' | 1: may be duplicates | 2: made by the reaper, may be one as well
    records: list[Any]  # each a UsageRecord whose price is still bytes


class _Priced(Struct, frozen=True):
    price: PriceRecord
    content: str  # of a text-only call
    other: str  # members of logs.other that depend on the price alone, without braces


_prices: dict[bytes, _Priced] = {}


def read_entry(partition: int, position: bytes, fields: list[bytes]) -> Entry:
    """One entry as XREAD gives it. What cannot be read of it is still charged, by the figures beside the records."""
    try:
        records = _decode_packed(fields[7]) if fields[6] == PACKED else [_decode(fields[7])]
    except msgspec.DecodeError as error:
        log.error("record_unreadable", partition=partition, position=position.decode(), error=str(error))
        records = _readable(fields)
        rest = int(fields[5]) - sum([record.quota for record in records])
        records.append(_unreadable(f"unreadable:{partition}:{position.decode()}", fields, position, max(0, rest)))
    for at, record in enumerate(records):
        if len(record.request_id) > REFERENCE_CHARS_MAX:
            records[at] = replace(record, request_id=record.request_id[:REFERENCE_CHARS_MAX])
    return Entry(position, fields[9].decode() if len(fields) > 9 else "", records)


def _readable(fields: list[bytes]) -> list[Any]:
    """Those records of an entry that can be read."""
    found = []
    try:
        for written in records_in(fields):
            with suppress(msgspec.DecodeError):
                found.append(_decode(written))
    except msgspec.DecodeError:  # not even an array
        return []
    return found


def _unreadable(reference: str, fields: list[bytes], position: bytes, quota: int) -> Any:
    """One record for all that an entry says of no call: whose it is, and the quota that the others leave."""
    user_id, token_id = int(fields[1]), int(fields[3])
    at_ms = int(position.split(b"-")[0])
    record = UsageRecord(
        version=VERSION, request_id=reference, user_id=user_id, username="", token_id=token_id, token_name="", token_limited=token_id > 0,
        channel_id=0, model="", upstream_model="", group="", dialect="", mode="", stream=False, status=200, started_ms=at_ms,
        ended_ms=at_ms, first_byte_ms=-1, usage=TokenUsage(estimated=True), price=_NO_PRICE, quota=Quota(quota),
        content="the details of this call could not be read",
    )  # fmt: skip
    return _decode(write_record(record))


def price_of(record: Any) -> PriceRecord:
    return _priced(bytes(record.price)).price


def _priced(raw: bytes) -> _Priced:
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
    return quota_saved(record.usage, price_of(record)) if record.usage.input_cached else Quota(0)


def clean(text: str, chars_max: int) -> str:
    """Text that every database takes: no NUL (PostgreSQL refuses it), not longer than the column."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if len(text) <= chars_max else text[:chars_max]


class Texts(Struct, frozen=True):
    """What the log rows of calls by one account, over one route, at one price have in common."""

    username: str
    token_name: str
    model: str
    group: str
    content: str  # of a text-only call
    priced: _Priced
    mapped: bool  # the upstream knows the model by another name


_texts: dict[tuple[str, str, str, str, str, bytes], Texts] = {}


def texts_of(record: Any) -> Texts:
    """Remembered over batches: where many accounts call, each has few calls in a batch."""
    raw, name, upstream = bytes(record.price), record.model, record.upstream_model
    key = (record.username, record.token_name, name, upstream, record.group, raw)
    found = _texts.get(key)
    if found is None:
        if len(_texts) >= TEXTS_MAX:
            _texts.clear()
        model, priced = billed_name(name), _priced(raw)
        content = priced.content if model == name else f"{priced.content}，模型 {name}"
        found = _texts[key] = Texts(
            clean(record.username, 191), clean(record.token_name, 191), clean(model, 191), clean(record.group, 191),
            clean(content, 4000), priced, upstream not in ("", name),
        )  # fmt: skip
    return found


LOG_ROUTE = ("type", "content", "model_name", "is_stream", "channel_id", "group", "ip", "status_code")
LOG_SHARED = (*LOG_ROUTE, "user_id", "username", "token_name", "token_id")
LOG_OWN = (
    "created_at", "quota", "prompt_tokens", "completion_tokens", "use_time", "other", "request_id", "elapsed_time",
)  # fmt: skip
LOG_COLUMNS = LOG_SHARED + LOG_OWN


def log_row(record: Any) -> tuple[Any, ...]:
    """The row of `logs`, in the order of LOG_COLUMNS."""
    texts = texts_of(record)
    content = texts.content if has_standard_text(record) else log_content(record, texts)
    return log_shared(record, texts, content) + log_own(record, texts)


def has_standard_text(record: Any) -> bool:
    """Is its log row told by `log_own` and the `log_shared` of any other such record with the same account, route and price?"""
    usage = record.usage
    return not (
        record.error_code
        or record.content
        or record.row is not None
        or usage.input_audio
        or usage.output_audio
        or not (usage.output_text or usage.prompt_tokens)
    )


def is_plain(record: Any) -> bool:
    """Is it as nearly all are: a call that ended well, priced by text, with nothing to tell beside its figures?"""
    usage = record.usage
    return not (
        record.kind != "settle"
        or record.error_code
        or record.content
        or record.other
        or record.cut
        or record.row is not None
        or not record.counted
        or not record.logged
        or usage.input_cache_write
        or usage.input_cache_write_1h
        or usage.input_image
        or usage.input_audio
        or usage.output_audio
        or not (usage.output_text or usage.input_text or usage.input_cached)
        or record.dialect == "claude"
        or record.mode in PICTURE_MODES
    )


def log_shared(record: Any, texts: Texts, content: str) -> tuple[Any, ...]:
    """Values of LOG_SHARED: what calls of one account, over one route, at one price mostly have in common."""
    ip = record.ip
    return (
        FAILED if record.error_code else CONSUMED,
        content,
        texts.model,
        record.stream,
        record.channel_id,
        texts.group,
        clean(ip, 64) if ip else "",
        record.status,
        record.user_id,
        texts.username,
        texts.token_name,
        record.token_id,
    )


def log_own(record: Any, texts: Texts) -> tuple[Any, ...]:
    """Values of LOG_OWN: what is each call's own. A record with the sums of a session shows these."""
    figures = record if record.row is None else record.row
    usage, ended_ms = figures.usage, record.ended_ms
    elapsed_ms = ended_ms - figures.started_ms
    if elapsed_ms < 0:
        elapsed_ms = 0
    return (
        ended_ms // 1000,
        figures.quota,
        usage.prompt_tokens,
        usage.completion_tokens,
        elapsed_ms // 1000,
        _other(record, figures, texts),
        clean(figures.request_id, 191),
        elapsed_ms,
    )


def log_content(record: Any, texts: Texts) -> str:
    """Of a call whose row has not the standard text."""
    if record.error_code:
        return clean(record.error_message or record.error_code, 4000)
    if record.content:
        return clean(record.content, 4000)
    usage, price = (record if record.row is None else record.row).usage, texts.priced.price
    text = texts.content
    if usage.input_audio or usage.output_audio:
        text = content_text(price, usage)
        if billed_name(record.model) != record.model:
            text += f"，模型 {record.model}"
    if not usage.total_tokens and not price.per_call:
        text += "（可能是上游超时）"
    return clean(text, 4000)


def _other(record: Any, figures: Any, texts: Texts) -> str:
    """`figures`: the record itself, or the sums of its session."""
    usage, name = figures.usage, figures.request_id
    first_byte_ms = record.first_byte_ms if record.first_byte_ms >= 0 else -1000
    if record.error_code:
        members: dict[str, Any] = {
            "error_code": record.error_code,
            "status_code": record.status,
            "frt": first_byte_ms,
            "request_id": name,
            "admin_info": {"use_channel": [str(channel) for channel in record.use_channel]},
        }
        return _json(members | record.other)
    unusual = (
        record.cut
        or record.other
        or texts.mapped
        or record.dialect == "claude"
        or usage.input_cache_write
        or usage.input_cache_write_1h
        or usage.input_image
        or usage.input_audio
        or usage.output_audio
        or record.mode in PICTURE_MODES
    )
    if not unusual:
        return plain_other(texts.priced, usage, name, first_byte_ms, record.use_channel)
    price = texts.priced.price
    return _json(
        other_members(
            usage,
            price,
            first_byte_ms=record.first_byte_ms,
            use_channel=record.use_channel,
            upstream_model=record.upstream_model if texts.mapped else "",
            dialect=record.dialect,
            request_id=name,
            cut=record.cut,
            pictures=record.mode in PICTURE_MODES and price.per_call,
            more=record.other,
        )
    )


def plain_other(priced: _Priced, usage: Any, name: str, first_byte_ms: int, tried: list[int]) -> str:
    """One string: a tenth of the cost of building and encoding the members."""
    channels = f'"{tried[0]}"' if len(tried) == 1 else ",".join([f'"{channel}"' for channel in tried])
    return (
        f'{{{priced.other},"cache_tokens":{usage.input_cached},"frt":{first_byte_ms},'
        f'"admin_info":{{"use_channel":[{channels}]}},'
        f'"request_id":{_write_json(name).decode()},"estimated":{"true" if usage.estimated else "false"}}}'
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
