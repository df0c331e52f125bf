"""Commands whose database cannot be used end with status 1 and one sentence that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medusa import cli
from tests.services import free_port, new_mariadb, new_postgres

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "migrate", "migrate --check", "reconcile", "explain 2025", "secrets encrypt", "rebuild-totals", "rebuild-abilities",
    "reprice --since 2025-04-01", "reset-root-password", "logs partition --check", "backup x.backup",
)  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """One command; returns its status and what it wrote to stderr, of which ours is one line."""
    monkeypatch.chdir(tmp_path)
    for name in ("LOG_SQL_DSN", "REDIS_CONN_STRING", "SQLITE_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr("getpass.getpass", lambda _: "long enough 1")

    def call(dsn, line):
        monkeypatch.setenv("SQL_DSN", dsn)
        monkeypatch.setattr(sys, "argv", ["medusa", *line.split()])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        ours = [one for one in capfd.readouterr().err.splitlines() if one.startswith("medusa: ")]
        assert len(ours) == 1 and "secret" not in ours[0], ours
        return ended.value.code, ours[0].removeprefix("medusa: ")

    return call


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize("scheme", ["postgres://us:secret@127.0.0.1:{}/x", "us:secret@tcp(127.0.0.1:{})/x"])
def test_nobody_listens(run, scheme, line):
    status, sentence = run(scheme.format(free_port()), line)
    assert status == 1
    assert "Connect" in sentence or "connect" in sentence


def test_the_name_of_the_host_is_wrong(run):
    status, sentence = run("postgres://us:secret@nowhere.invalid:5432/x", "migrate")
    assert status == 1 and "check SQL_DSN" in sentence


@pytest.mark.parametrize("line", [one for one in COMMANDS if not one.startswith(("migrate", "logs"))])
@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"])
def test_there_are_no_tables_yet(request, run, engine, line):
    dsn = ""
    if engine == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "unusable")
    elif engine == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "unusable")
    status, sentence = run(dsn, line)
    assert status == 1 and "medusa migrate" in sentence


def test_the_database_does_not_exist(run, postgres_server):
    status, sentence = run(f"{postgres_server}/nothere", "migrate")
    assert status == 1 and sentence == 'The database refuses us (database "nothere" does not exist); check SQL_DSN.'


def test_the_file_cannot_be_opened(tmp_path):
    """In a process of its own: SQLite's driver may leave a thread behind that complains of a closed loop."""
    (tmp_path / "one.db").mkdir()
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "SQLITE_PATH": str(tmp_path / "one.db")}
    command = [sys.executable, "-m", "medusa.cli", "migrate"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "medusa: The SQLite file cannot be opened; check SQLITE_PATH and DATA_DIR." in done.stderr.splitlines()


def test_our_own_mistakes_keep_their_traceback(monkeypatch):
    def broken(*_):
        raise KeyError("a mistake")

    monkeypatch.setattr("medusa.commands.explain.load_config", broken)
    monkeypatch.setattr(sys, "argv", ["medusa", "explain", "2025"])
    with pytest.raises(KeyError):
        cli.main()
