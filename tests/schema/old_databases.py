"""Copies of databases that predecessors wrote, on any engine; One API's on PostgreSQL is made from its SQLite file."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.services import find_binary, new_mariadb, new_postgres, run_mariadb_sql

OLD = Path(__file__).parent.parent / "fixtures" / "databases"
ALL = [(engine, writer) for engine in ("sqlite", "postgres", "mariadb") for writer in ("one-api", "new-api")]


def load_old(request, folder: Path, engine_name: str, writer: str, name: str = "old") -> str:
    """Returns the SQL_DSN of a fresh copy."""
    if engine_name == "sqlite":
        file = folder / f"{name}.db"
        shutil.copyfile(OLD / f"{writer}.sqlite3", file)
        return f"sqlite:///{file}"
    if engine_name == "mariadb":
        server = request.getfixturevalue("mariadb_server")
        dsn = new_mariadb(server, f"{name}_{writer.replace('-', '_')}")
        run_mariadb_sql(server, (OLD / f"{writer}.mysql.sql").read_text(), f"{name}_{writer.replace('-', '_')}")
        return dsn
    dsn = new_postgres(request.getfixturevalue("postgres_server"), f"{name}_{writer.replace('-', '_')}")
    script = OLD / f"{writer}.postgres.sql"
    told = (
        {"args": ["-f", str(script)]}
        if script.exists()
        else {"args": [], "input": _as_postgres(OLD / f"{writer}.sqlite3")}
    )
    command = [find_binary("psql"), dsn, "-q", "-v", "ON_ERROR_STOP=1", *told.pop("args")]
    subprocess.run(command, check=True, capture_output=True, text=True, **told)
    return dsn


def _as_postgres(file: Path) -> str:
    """What the same program would have made there: 64-bit integers, sequences behind the ids, booleans, quoted names."""
    out = []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        tables = [
            row[0]
            for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        ]
        for table in tables:
            columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
            keys = [column[1] for column in columns if column[5]]
            kinds = {
                column[1]: _kind(column[2], serial=keys == [column[1]] and column[1] == "id") for column in columns
            }
            parts = [f'"{name}" {kind}{_default(columns, name, kind)}' for name, kind in kinds.items()]
            named = ", ".join(f'"{key}"' for key in keys)
            out.append(f'CREATE TABLE "{table}" ({", ".join(parts)}, PRIMARY KEY ({named}));')
            for row in db.execute(f'SELECT * FROM "{table}"'):
                values = ", ".join(_literal(value, kind) for value, kind in zip(row, kinds.values(), strict=True))
                out.append(f'INSERT INTO "{table}" VALUES ({values});')
            if "bigserial" in kinds.values():
                out.append(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT coalesce(max(id), 1) FROM \"{table}\"));"
                )
        for (statement,) in db.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"):
            out.append(statement.replace("`", '"') + ";")
    return "\n".join(out)


def _kind(kind: str, *, serial: bool) -> str:
    if serial:
        return "bigserial"
    return {"integer": "bigint", "numeric": "boolean", "real": "numeric", "text": "text"}.get(kind.lower(), kind)


def _default(columns, name: str, kind: str) -> str:
    default = next(column[4] for column in columns if column[1] == name)
    if default is None or kind == "bigserial":
        return ""
    return " DEFAULT " + re.sub(r'^"(.*)"$', r"'\1'", default)


def _literal(value, kind: str) -> str:
    if value is None:
        return "NULL"
    if kind == "boolean":
        return "true" if value in (1, "1", "true") else "false"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
