"""Which rows a list request asks for, in the paging families that clients of new-api already speak."""

from enum import Enum
from typing import Any

from msgspec import Struct

_SIZE_DEFAULT = 10  # rows
_INT64_MAX = 2**63 - 1


class Family(Enum):
    """Value: (number of the first page, name of the size parameter or None, most rows to a page)."""

    USERS = (1, "page_size", 1000)  # users, user search, all logs (admin)
    OWN_LOGS = (1, "page_size", 100)
    REDEMPTIONS = (1, "page_size", 1000)
    TOKENS = (0, "size", 100)
    FOUND_TOKENS = (0, "size", 1000)
    CHANNELS = (0, "page_size", 1000)
    TASKS = (0, None, _SIZE_DEFAULT)  # a fixed size


class Page(Struct, frozen=True):
    """One page; `number` counts as its family does, `size` and `offset` are rows."""

    number: int
    size: int
    offset: int
    bare: bool = False  # an array without its total

    def wrap(self, items: list[Any], total: int) -> dict[str, Any]:
        """The reply of lists that state their total, and of any list asked with `envelope=1`."""
        return {"items": items, "total": total, "page": self.number, "page_size": self.size}


def read_int(text: str | None) -> int:
    """A number of a query; 0 when absent, malformed or beyond 64 bits: a bad number is never an error."""
    try:
        number = int(text or "0")
    except ValueError:
        return 0
    return number if -_INT64_MAX <= number <= _INT64_MAX else 0


def read_bare_page(p: str | None) -> Page:
    """One API's form of any list: `p` counts from 0, ten rows, a bare array."""
    number = min(max(read_int(p), 0), _INT64_MAX // _SIZE_DEFAULT)
    return Page(number, _SIZE_DEFAULT, number * _SIZE_DEFAULT, bare=True)


def read_page(family: Family, *, p: str | None, size: str | None) -> Page:
    """The page asked for. A size that is missing or below 1 means 10; a list without parameters is never empty."""
    first, size_name, size_max = family.value
    wanted = read_int(size) if size_name else 0
    rows = min(wanted, size_max) if wanted >= 1 else _SIZE_DEFAULT
    number = min(max(read_int(p), first), _INT64_MAX // size_max)  # the offset stays within 64 bits
    return Page(number, rows, (number - first) * rows)
