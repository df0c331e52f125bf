"""A provider's bill beside our books: read its CSV, sum ours by channel, model and day, and name what does not agree."""

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TextIO, TypeVar

from msgspec import Struct

DAY_S = 86_400
ROWS_MAX = 5_000_000
# Names of columns that exports of providers use, best first; compared in lower case with other signs as `_`.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "day": ("day", "date", "usage_date_utc", "usage_date", "start_time_iso", "start_time", "timestamp", "time"),
    "model": ("model", "model_name", "model_version", "snapshot_id", "line_item", "sku", "name"),
    "cost": ("cost", "amount", "cost_usd", "amount_value", "total_cost", "billed", "spend", "usd"),
    "prompt": ("prompt_tokens", "input_tokens", "n_context_tokens_total", "context_tokens"),
    "completion": ("completion_tokens", "output_tokens", "n_generated_tokens_total", "generated_tokens"),
    "channel": ("channel", "channel_id"),
}
NEEDED = ("day", "model")


class InvoiceError(Exception):
    """One sentence about the file."""


class Cell(Struct, frozen=True):
    """What is compared: an account, a model under its upstream name, a day (UTC, ISO)."""

    channel: int  # 0: all the channels of the account together
    day: str
    model: str


class Sum(Struct):
    """`money` in USD: billed by the provider, or charged by us; None when not said. Model tokens likewise."""

    money: Decimal | None = None
    prompt: int | None = None
    completion: int | None = None
    calls: int = 0

    def add(self, money: Decimal | None, prompt: int | None, completion: int | None, calls: int = 0) -> None:
        self.money = _plus(self.money, money)
        self.prompt, self.completion = _plus(self.prompt, prompt), _plus(self.completion, completion)
        self.calls += calls


class Line(Struct, frozen=True):
    """One cell on both sides, and what is wrong with it: '' when it agrees."""

    cell: Cell
    theirs: Sum
    ours: Sum
    finding: str


N = TypeVar("N", int, Decimal)


def _plus(a: N | None, b: N | None) -> N | None:
    """Of two numbers, either of which may be unknown."""
    return b if a is None else a if b is None else a + b


def read_invoice(text: TextIO, names: Mapping[str, str], *, with_channels: bool) -> dict[Cell, Sum]:
    """The bill by cell.

    Args:
        names: columns named by the operator, over those that are recognised: day, model, cost, prompt, completion.
        with_channels: the file tells our channel in a column; otherwise all of it is channel 0.
    Raises: InvoiceError with the line that cannot be read.
    """
    reader = csv.DictReader(text)
    found = _find_columns(reader.fieldnames or (), names, with_channels=with_channels)
    sums: dict[Cell, Sum] = {}
    for number, row in enumerate(reader, 2):
        if number > ROWS_MAX:
            raise InvoiceError(f"the file has more than {ROWS_MAX} rows")
        try:
            model = (row[found["model"]] or "").strip()
            if not model:
                continue  # a total, or a fee
            channel = int(row[found["channel"]]) if with_channels else 0
            cell = Cell(channel, read_day(row[found["day"]]), model)
            money = _money(row.get(found["cost"])) if "cost" in found else None
            tokens = [_whole(row.get(found[kind])) if kind in found else None for kind in ("prompt", "completion")]
        except (ValueError, TypeError, InvalidOperation) as error:
            raise InvoiceError(f"line {number} cannot be read: {error}") from None
        sums.setdefault(cell, Sum()).add(money, tokens[0], tokens[1])
    return sums


def _find_columns(header: Iterable[str], names: Mapping[str, str], *, with_channels: bool) -> dict[str, str]:
    plain = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in header}
    found: dict[str, str] = {}
    for kind, known in COLUMNS.items():
        wanted = names.get(kind, "")
        if wanted and wanted not in plain.values():
            raise InvoiceError(f"there is no column {wanted}; there are: {', '.join(plain.values())}")
        match = wanted or next((plain[name] for name in known if name in plain), "")
        if match:
            found[kind] = match
    missing = [kind for kind in (*NEEDED, *(("channel",) if with_channels else ())) if kind not in found]
    if missing or not {"cost", "prompt", "completion"} & found.keys():
        raise InvoiceError(
            f"no column is recognised as {', '.join(missing) or 'cost or tokens'}; name it with an option. "
            f"There are: {', '.join(plain.values())}"
        )
    return found


def read_day(text: str | None) -> str:
    """A date, a time with or without zone, or Unix seconds, as the day in UTC. Raises ValueError."""
    word = (text or "").strip()
    if re.fullmatch(r"\d{9,11}(\.\d+)?", word):
        return datetime.fromtimestamp(float(word), UTC).date().isoformat()
    if re.fullmatch(r"\d{8}", word):
        word = f"{word[:4]}-{word[4:6]}-{word[6:]}"
    when = datetime.fromisoformat(word)
    return (when.astimezone(UTC) if when.tzinfo else when).date().isoformat()


def _money(text: str | None) -> Decimal | None:
    word = (text or "").strip().removeprefix("$").replace(",", "")
    if not word:
        return None
    value = Decimal(word)
    if not value.is_finite():
        raise ValueError(f"{word} is not an amount")
    return value


def _whole(text: str | None) -> int | None:
    word = (text or "").strip().replace(",", "")
    return int(Decimal(word)) if word else None


def day_of(hour_s: int) -> str:
    """The UTC day of an hour of the roll-up."""
    return datetime.fromtimestamp(hour_s - hour_s % DAY_S, UTC).date().isoformat()


def compare(theirs: Mapping[Cell, Sum], ours: Mapping[Cell, Sum], *, tolerance: Decimal) -> list[Line]:
    """Every cell of either side, in order.

    Args:
        tolerance: how far model tokens may differ, as a part of what the provider counted (0.01 = one per cent).
    """
    cells = sorted({*theirs, *ours}, key=lambda cell: (cell.channel, cell.day, cell.model))
    lines = []
    for cell in cells:
        bill, book = theirs.get(cell), ours.get(cell)
        lines.append(Line(cell, bill or Sum(), book or Sum(), _judge(bill, book, tolerance)))
    return lines


def _judge(bill: Sum | None, book: Sum | None, tolerance: Decimal) -> str:
    if book is None:
        return "billed, but not in our books"
    if bill is None:
        return "in our books, but not billed"
    for kind, counted, known in (
        ("prompt", bill.prompt, book.prompt),
        ("completion", bill.completion, book.completion),
    ):
        if counted is not None and abs(counted - (known or 0)) > tolerance * max(counted, 1):
            return f"{kind} tokens differ by {(known or 0) - counted:+}"
    if bill.money is not None and (book.money or 0) < bill.money:
        return f"charged {bill.money - (book.money or 0):.4f} USD less than billed"
    return ""
