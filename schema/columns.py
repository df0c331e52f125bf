"""Column types that read and write what the predecessors stored, on SQLite, MySQL/MariaDB and PostgreSQL alike."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

from sqlalchemy import CHAR, BigInteger, Boolean, DateTime, Float, Integer, Numeric, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

# 64 bits everywhere: one ancestor gives its root account 500 000 000 000 000 units.
Int = BigInteger().with_variant(Integer(), "sqlite")
UInt = BigInteger().with_variant(Integer(), "sqlite").with_variant(mysql.BIGINT(unsigned=True), "mysql", "mariadb")
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
IndexedText = Text().with_variant(String(191), "mysql", "mariadb")  # MySQL indexes 191 utf8mb4 characters at most
Real = (
    Float()
    .with_variant(mysql.DOUBLE(), "mysql", "mariadb")
    .with_variant(Numeric(asdecimal=False), "postgresql")  # numeric in the adopted tables
)

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def read_time(text: str) -> datetime | None:
    """A time as any of the writers stored it, in UTC: up to 9 digits of fraction, offset or none (then UTC).

    None when it is not a time, so that one odd row does not hide a whole list.
    """
    match = _TIME.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    zone: timezone = UTC
    if offset and offset != "Z":
        digits = offset.replace(":", "")
        ahead = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
        zone = timezone(-ahead if digits[0] == "-" else ahead)
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro, zone)
    except ValueError:
        return None
    return local.astimezone(UTC)


class _SqliteTime(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "datetime"


class Moment(TypeDecorator[datetime]):
    """A point in time, UTC in Python. SQLite holds text in it, written as `2025-04-11 23:31:32.123456+00:00`."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SqliteTime())
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=3))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        assert value.tzinfo is not None, "times carry their zone"
        utc = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return utc.strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
        return utc.replace(tzinfo=None) if dialect.name in ("mysql", "mariadb") else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return read_time(str(value))


class Padded(TypeDecorator[str]):
    """`char(n)`: PostgreSQL pads it with blanks, so they are stripped on read."""

    impl = CHAR
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value.rstrip(" ") if value is not None else None


class Flag(TypeDecorator[bool]):
    """A boolean: `numeric` on SQLite (0, 1, and now and then a word), `tinyint(1)` on MySQL. NULL reads as false."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric(asdecimal=False) if dialect.name == "sqlite" else Boolean())

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return int(value) if dialect.name == "sqlite" else bool(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bool:
        if isinstance(value, str | bytes):
            return value in ("1", "true", "TRUE", b"1", b"true")
        return bool(value)


class Base(DeclarativeBase):
    """Every table of ours and of the predecessors."""


BigId = Annotated[int, mapped_column(Int, primary_key=True, autoincrement=True)]
