"""Rows of the log in files before they are deleted: one file for each month, gzip, one JSON object a line.

Appended in whole gzip members and synced before anything is deleted, so a crash may write rows twice (ids tell) and loses none.
"""

import gzip
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec


class Archive:
    """A folder of such files."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder cannot be made."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, rows: Sequence[Any]) -> None:
        """`rows`: whole rows of `logs`. Raises OSError; then nothing may be deleted."""
        by_month: dict[str, list[bytes]] = {}
        for row in rows:
            month = f"{datetime.fromtimestamp(row.created_at or 0, UTC):%Y-%m}"
            by_month.setdefault(month, []).append(msgspec.json.encode(dict(row._mapping)))
        for month, lines in by_month.items():
            data = gzip.compress(b"\n".join(lines) + b"\n", compresslevel=6)
            with (self._folder / f"logs-{month}.jsonl.gz").open("ab") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())


def read_archive(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file, as they were written."""
    with gzip.open(file, "rb") as lines:
        for line in lines:
            yield msgspec.json.decode(line)
