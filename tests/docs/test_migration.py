"""The steps of the page about moving, walked on databases that the predecessors wrote: there, sealed, and back again."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.docs.test_commands import APP

ROOT = Path(__file__).parents[2]
DATABASES = ROOT / "tests/fixtures/databases"
SUMS = (
    "SELECT count(*), sum(quota), sum(used_quota) FROM users", "SELECT count(*), sum(remain_quota) FROM tokens",
    "SELECT count(*), sum(used_quota) FROM channels", "SELECT id, key FROM channels ORDER BY id",
    "SELECT id, password FROM users ORDER BY id", "SELECT count(*), sum(quota) FROM logs",
)  # fmt: skip


@pytest.mark.parametrize("origin", ["new-api", "one-api"])
@pytest.mark.parametrize("named", [True, False], ids=["the file is named", "the folder is that of the predecessor"])
def test_there_and_back_again(tmp_path, origin, named, monkeypatch):
    database = tmp_path / "one-api.db"
    shutil.copy(DATABASES / f"{origin}.sqlite3", database)
    monkeypatch.chdir(tmp_path)
    for name in ("SQL_DSN", "LOG_SQL_DSN", "REDIS_CONN_STRING", "CRYPTO_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SQLITE_PATH", raising=False)
    place = {"DATA_DIR": str(tmp_path / "d"), "SQLITE_PATH": str(database)} if named else {"DATA_DIR": str(tmp_path)}
    environ = {**place, "SESSION_SECRET": "s" * 40}

    def run(*words):
        done = CliRunner().invoke(APP, words, env=environ)
        assert done.exit_code in (0, 1), done.output
        return done.output

    def sums():
        with closing(sqlite3.connect(database)) as db:
            return [db.execute(statement).fetchall() for statement in SUMS]

    def dump():
        with closing(sqlite3.connect(database)) as db:
            return list(db.iterdump())

    before, whole = sums(), dump()
    assert f"origin of the database: {origin}" in run("migrate", "--check")
    assert dump() == whole, "a check changes nothing"
    run("migrate")
    assert sums() == before
    assert "database: sqlite, adopted from: " + origin in run("doctor")
    run("backup", "before-encryption.backup")
    run("secrets", "encrypt")
    sealed = dict(sums()[3])
    assert all(key.startswith("enc1:") for key in sealed.values() if key)
    assert "sealed secrets: all can be opened" in run("doctor")
    run("secrets", "decrypt")
    assert sums() == before, "the predecessor reads what it wrote"
    assert run("migrate", "--check").strip() == "nothing to do"
