"""The filtered log as a file, CSV or JSON lines: read and sent piece by piece, so that a large one holds nobody up."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from blacksheep import Response, StreamedContent
from sqlalchemy import ColumnElement, select, tuple_

from edge.services import Services
from schema.tables import Log

ROWS_MAX = 1_000_000
CHUNK = 2_000
COLUMNS = tuple(Log.__table__.columns)
View = Callable[[Any], Any]  # a row of the log -> what its reader may see of it


def export(
    services: Services, where: Sequence[ColumnElement[bool]], view: View, names: tuple[str, ...], *, json_lines: bool
) -> Response:
    """The newest first. `names`: the members of a view."""
    write = _json_lines if json_lines else _csv

    async def pieces() -> AsyncIterator[bytes]:
        if not json_lines:
            yield write([names])
        async for rows in _read(services, where):
            shown = [view(row) for row in rows]
            yield write(shown if json_lines else [msgspec.structs.astuple(one) for one in shown])

    kind, name = (b"application/x-ndjson", "log.jsonl") if json_lines else (b"text/csv; charset=utf-8", "log.csv")
    response = Response(200, content=StreamedContent(kind, pieces))
    response.add_header(b"Content-Disposition", f'attachment; filename="{name}"'.encode())
    return response


async def _read(services: Services, where: Sequence[ColumnElement[bool]]) -> AsyncIterator[Sequence[Any]]:
    sent = 0
    behind: list[Any] = []
    while sent < ROWS_MAX:
        wanted = select(*COLUMNS).where(*where, *behind).order_by(Log.created_at.desc(), Log.id.desc()).limit(CHUNK)
        async with services.log_engine.connect() as db:
            rows = (await db.execute(wanted)).all()
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        sent += len(rows)
        last = rows[-1]
        behind = [Log.created_at <= last.created_at, tuple_(Log.created_at, Log.id) < (last.created_at, last.id)]


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _json_lines(rows: Sequence[Any]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
