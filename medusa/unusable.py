"""What a command says when database, Redis or a file cannot be used: one sentence in place of a traceback."""

import errno

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from medusa.cannot_start import CannotStart
from medusa.preflight import find_reason, is_absent
from schema.migrate import SchemaTooNew

_NO_TABLE = ("no such table", "does not exist", "doesn't exist")  # SQLite, PostgreSQL, MySQL
_TABLE_ERRORS = ("OperationalError", "ProgrammingError")
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM})
_DRIVERS = ("asyncpg", "pymysql", "aiomysql", "asyncmy")


def find_sentence(error: Exception) -> str | None:
    """For the operator, without a password; None for what is our own mistake."""
    match error:
        case CannotStart() | SchemaTooNew():
            return str(error)
        case RedisError():
            return f"Redis cannot be used ({find_reason(error)}); start it or check REDIS_CONN_STRING."
        case DBAPIError() if _lacks_table(error):
            return "The database has no tables of ours yet, or not all of them: run `medusa migrate` first."
        case DBAPIError() if "unable to open database file" in str(error.orig):
            return "The SQLite file cannot be opened; check SQLITE_PATH and DATA_DIR."
        case OSError() if error.filename is not None:
            return f"{error.filename} cannot be used ({find_reason(error)})."
        case OSError() if error.errno in _OF_THE_DISK:
            return f"The disk cannot be used ({find_reason(error)}); make room, or check DATA_DIR."
        case OSError() | DBAPIError() if is_absent(error):
            return f"The database cannot be reached ({find_reason(error)}); start it or check SQL_DSN."
    if isinstance(error, OSError) or _while_connecting(error):
        return f"The database refuses us ({find_reason(error)}); check SQL_DSN."
    return None


def _lacks_table(error: DBAPIError) -> bool:
    return type(error).__name__ in _TABLE_ERRORS and any(words in str(error.orig) for words in _NO_TABLE)


def _while_connecting(error: Exception) -> bool:
    """Drivers raise errors of their own, or SQLAlchemy's without a statement, before anything was asked."""
    if isinstance(error, DBAPIError):
        return error.statement is None
    return type(error).__module__.partition(".")[0] in _DRIVERS
