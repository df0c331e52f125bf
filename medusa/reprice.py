"""What logged calls would have cost under other prices: from a row of the log back to usage, and to another charge. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schema.options import OPTIONS, Options
from schema.pricing import IMAGE_PRICE_PER_RATIO, PriceMissing, charge, find_price
from schema.quota import Quota
from schema.usage import TokenUsage

DAY_S = 86_400
SETTABLE = (
    "ModelRatio", "CompletionRatio", "ModelPrice", "CacheRatio", "CacheCreationRatio", "AudioRatio", "AudioCompletionRatio",
    "ImageRatio", "GroupRatio",
)  # fmt: skip


class RepriceError(Exception):
    """One sentence for whoever runs the command."""


class Call(Struct, frozen=True):
    """One charged call as the log has it."""

    user_id: int
    token_id: int
    channel_id: int
    model: str
    group: str
    day: int  # Unix s of its UTC midnight
    quota: int  # charged
    usage: TokenUsage
    times: Decimal | None = None  # of pictures priced by the picture: size, quality and count
    per_call: bool = False
    task: bool = False  # an asynchronous one: without a price it costs the default, and stays as it is


class Cell(Struct, frozen=True, order=True):
    """What is corrected together: one entry of the ledger."""

    user_id: int
    token_id: int
    channel_id: int
    model: str
    group: str
    day: int

    def digest(self) -> str:
        """Names the cell in the reference of its entry, whatever characters the names have."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.astuple(self))).hexdigest()[:32]


class Sum(Struct):
    calls: int = 0
    charged: int = 0
    would: int = 0  # under the other prices
    kept: int = 0  # calls of which the log does not tell the usage: they stay as they are

    def add(self, charged: int, would: int | None) -> None:
        self.calls += 1
        self.charged += charged
        self.would += charged if would is None else would
        self.kept += would is None


def read_call(row: Any) -> Call:
    """`row`: columns of `logs`, type 2."""
    try:
        other = msgspec.json.decode(row.other or "{}")
    except msgspec.DecodeError:
        other = {}
    if not isinstance(other, dict):
        other = {}
    cached, written = _count(other, "cache_tokens"), _count(other, "cache_creation_tokens")
    hour = min(_count(other, "cache_creation_tokens_1h"), written)
    spoken, heard, seen = _count(other, "audio_output"), _count(other, "audio_input"), _count(other, "image_tokens")
    prompt, completion = row.prompt_tokens or 0, row.completion_tokens or 0
    usage = TokenUsage(
        input_text=prompt - cached - written - heard - seen,
        input_cached=cached,
        input_cache_write=written - hour,
        input_audio=heard,
        input_image=seen,
        output_text=completion - spoken,
        output_audio=spoken,
        input_cache_write_1h=hour,
    )
    created = row.created_at or 0
    price = other.get("model_price", -1)
    return Call(
        row.user_id or 0, row.token_id or 0, row.channel_id or 0, row.model_name or "", row.group or "",
        created - created % DAY_S, row.quota or 0, usage, _times(other.get("times")),
        isinstance(price, int | float) and price >= 0, "task_id" in other,
    )  # fmt: skip


def _count(other: Mapping[str, Any], name: str) -> int:
    value = other.get(name, 0)
    return value if isinstance(value, int) and value > 0 else 0


def _times(text: Any) -> Decimal | None:
    try:
        return Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None


def cell_of(call: Call) -> Cell:
    return Cell(call.user_id, call.token_id, call.channel_id, call.model, call.group, call.day)


class Prices:
    """Other prices, remembered by what they depend on.

    Args:
        groups: user -> his group, for GroupGroupRatio.
        cache_ratios: channel -> its own cache ratio, which wins over the option.
        channel_types: channel -> its type, for a database adopted from One API.
    """

    def __init__(
        self,
        options: Options,
        groups: Mapping[int, str],
        cache_ratios: Mapping[int, Decimal | None],
        channel_types: Mapping[int, int],
    ) -> None:
        self._options, self._groups = options, groups
        self._cache_ratios, self._types = cache_ratios, channel_types

    def charge(self, call: Call) -> Quota | None:
        """None: the log does not tell enough of this call. Raises RepriceError for a model without a price."""
        price = find_price(
            self._options,
            model=call.model,
            group=call.group,
            user_group=self._groups.get(call.user_id, ""),
            channel_cache_ratio=self._cache_ratios.get(call.channel_id),
            channel_type=self._types.get(call.channel_id, 0),
        )
        if call.task and (isinstance(price, PriceMissing) or not price.per_call):
            return None
        if isinstance(price, PriceMissing):
            raise RepriceError(f"model {call.model} has no price; give one: --set ModelRatio.{call.model}=1")
        if call.times is not None:
            unit = price.model_price if price.per_call else price.model_ratio * IMAGE_PRICE_PER_RATIO
            return charge(call.usage, replace(price, per_call=True, model_price=unit, times=call.times))
        if not price.per_call and call.quota and not call.usage.total_tokens:
            return None  # the rest of a call that was charged in two parts, or a price per call that had no tokens
        return charge(call.usage, price)


def add_calls(sums: dict[Cell, Sum], calls: Iterable[Call], prices: Prices) -> None:
    """Raises RepriceError."""
    for call in calls:
        sums.setdefault(cell_of(call), Sum()).add(call.quota, prices.charge(call))


def change_options(options: Options, changes: Iterable[str]) -> Options:
    """`changes`: `ModelRatio.gpt-4o=1.25`; -1 takes an entry out. Raises RepriceError."""
    tables: dict[str, dict[str, Decimal]] = {}
    for text in changes:
        where, sign, number = text.partition("=")
        key, dot, name = where.partition(".")
        if not sign or not dot or not name or key not in SETTABLE:
            raise RepriceError(f"--set {text}: write TABLE.NAME=NUMBER; tables are {', '.join(SETTABLE)}")
        try:
            value = Decimal(number)
        except InvalidOperation:
            raise RepriceError(f"--set {text}: {number} is not a number") from None
        if not value.is_finite():
            raise RepriceError(f"--set {text}: {number} is not a number")
        field = OPTIONS[key].field
        tables.setdefault(field, dict(getattr(options, field)))[name] = value
    return replace(options, **tables)


class Correction(Struct, frozen=True):
    """One entry to post. `delta` is signed: a refund is positive."""

    cell: Cell
    reference: str
    delta: int


def corrections(run: str, sums: Mapping[Cell, Sum], earlier: Mapping[str, int], posted: set[str]) -> list[Correction]:
    """What is missing until every cell has cost what it would.

    Args:
        earlier: digest of a cell -> what former runs gave back, all together.
        posted: references of this run that stand in the ledger already.
    """
    found = []
    for cell, total in sorted(sums.items()):
        digest = cell.digest()
        reference = f"reprice:{run}:{digest}"
        delta = total.charged - earlier.get(digest, 0) - total.would
        if delta and reference not in posted:
            found.append(Correction(cell, reference, delta))
    return found


def group_sums(sums: Mapping[Cell, Sum], by: str) -> dict[str, Sum]:
    """`by`: model, user, token, channel, group or day."""
    names = {"user": "user_id", "token": "token_id", "channel": "channel_id"}
    found: dict[str, Sum] = {}
    for cell, one in sums.items():
        total = found.setdefault(str(getattr(cell, names.get(by, by))), Sum())
        total.calls += one.calls
        total.charged += one.charged
        total.would += one.would
        total.kept += one.kept
    return found
