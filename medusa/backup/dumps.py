"""One database to a file and back: SQLite by its online backup, PostgreSQL and MySQL by their own tools."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from medusa.cannot_start import CannotStart

TOOLS = {  # engine -> (tools that dump, tools that load)
    "postgresql": (("pg_dump",), ("pg_restore",)),
    "mysql": (("mariadb-dump", "mysqldump"), ("mariadb", "mysql")),
}
ERROR_CHARS_MAX = 500  # of what a tool complains


def check_tools(url: URL, *, load: bool) -> None:
    """Raises CannotStart when the tool for this database is not installed."""
    engine = url.get_backend_name()
    if engine != "sqlite":
        _find(TOOLS[engine][load])


def dump(url: URL, target: Path) -> None:
    """Write the database as it is at one moment, while others go on using it. Raises CannotStart."""
    match url.get_backend_name():
        case "sqlite":
            _copy_sqlite(Path(str(url.database)), target)
        case "postgresql":
            tool = _find(TOOLS["postgresql"][0])
            command = [tool, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
            _run(command, _postgres_environment(url))
        case _:
            tool = _find(TOOLS["mysql"][0])
            options = ["--single-transaction", "--quick", "--hex-blob", "--skip-lock-tables", f"--result-file={target}"]
            _run([tool, *_mysql_options(url), *options, str(url.database)], _mysql_environment(url))


def load(url: URL, source: Path) -> None:
    """Put the database back as it was. SQLite's former file stays beside it. Raises CannotStart."""
    match url.get_backend_name():
        case "sqlite":
            _replace_sqlite(source, Path(str(url.database)))
        case "postgresql":
            tool = _find(TOOLS["postgresql"][1])
            options = [
                "--clean",
                "--if-exists",
                "--no-owner",
                "--no-privileges",
                "--single-transaction",
                "--exit-on-error",
            ]
            _run([tool, *options, f"--dbname={url.database}", str(source)], _postgres_environment(url))
        case _:
            tool = _find(TOOLS["mysql"][1])
            with source.open("rb") as text:
                _run([tool, *_mysql_options(url), str(url.database)], _mysql_environment(url), text.fileno())


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise CannotStart(f"There is no database at {source}.")
    with closing(sqlite3.connect(source, timeout=60)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=-1)  # one step: the copy is of one moment
        (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        raise CannotStart(f"The database at {source} is damaged: {verdict}")


def _replace_sqlite(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".restoring")
    shutil.copyfile(source, fresh)
    fresh.chmod(0o600)
    for suffix in ("", "-wal", "-shm"):  # the log belongs to the former file
        former = target.with_name(target.name + suffix)
        if former.exists():
            former.replace(target.with_name(f"{target.name}.before-restore{suffix}"))
    fresh.replace(target)


def _find(names: tuple[str, ...]) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise CannotStart(f"{' or '.join(names)} is not installed; it is needed for this database.")


def _run(command: list[str], environment: dict[str, str], stdin: int | None = None) -> None:
    """Passwords go by the environment, which other users of the machine cannot read; a command line they can."""
    done = subprocess.run(  # noqa: S603  # tools by their full path, arguments of ours
        command, env={**os.environ, **environment}, stdin=stdin, capture_output=True, check=False
    )
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()[-ERROR_CHARS_MAX:]
        raise CannotStart(f"{Path(command[0]).name} failed: {reason}")


def _postgres_environment(url: URL) -> dict[str, str]:
    query = url.query
    values = {
        "PGHOST": url.host or query.get("host"),
        "PGPORT": str(url.port) if url.port else query.get("port"),
        "PGUSER": url.username,
        "PGDATABASE": url.database,
        "PGPASSWORD": str(url.password) if url.password is not None else None,
        "PGSSLMODE": query.get("ssl"),
    }
    return {name: str(value) for name, value in values.items() if value}


def _mysql_options(url: URL) -> list[str]:
    options = [f"--user={url.username or 'root'}", "--default-character-set=utf8mb4"]
    if socket := url.query.get("unix_socket"):
        return [*options, f"--socket={socket}"]
    return [*options, f"--host={url.host or '127.0.0.1'}", f"--port={url.port or 3306}", "--protocol=tcp"]


def _mysql_environment(url: URL) -> dict[str, str]:
    return {"MYSQL_PWD": str(url.password)} if url.password is not None else {}
