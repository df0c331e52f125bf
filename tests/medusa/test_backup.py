"""A backup taken while calls are settled, put back after a disaster: no record lost, none charged twice."""

import asyncio
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import text, update

from medusa.backup import archive, records
from medusa.cannot_start import CannotStart
from medusa.commands.backup import _backup, _restore
from schema.config import read_config
from schema.ledger.keys import WORKERS, Keys
from schema.redis_losses import read_losses
from schema.tables import Log, User
from tests.schema.ledger.books import PARTITIONS, make_record, open_books
from tests.services import find_binary, new_mariadb, new_postgres
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers.redis_memory import RedisMemory

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def books(request, tmp_path, valkey_server):
    """(books, config that means them)."""
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "backup")
        find_binary("pg_dump")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "backup")
        find_binary("mariadb-dump", "mysqldump")
    environ = {"SQL_DSN": dsn, "SQLITE_PATH": str(tmp_path / "books.db"), "DATA_DIR": str(tmp_path / "data")}
    config = read_config({**environ, "REDIS_CONN_STRING": valkey_server, "LEDGER_PARTITIONS": str(PARTITIONS)})
    async with open_books(tmp_path, valkey_server, dsn) as opened:
        await opened.add_channel()
        await opened.add_user(1, 10_000, t5=5_000)
        await opened.add_user(2, 10_000)
        yield opened, config


async def call(opened, times):
    """Calls that ended: their records stand in the streams."""
    for number in range(times):
        record = make_record(user_id=1 + number % 2, token_id=5 if number % 2 == 0 else 0, quota=10)
        await opened.hot.settle(record)


async def test_there_and_back(books, tmp_path):
    opened, config = books
    file = tmp_path / "one.backup"
    await call(opened, 6)
    await settle_all(make_settler(opened))
    everything = set(range(PARTITIONS))
    await RedisMemory(opened.engine, opened.redis, opened.execute, Keys(PARTITIONS)).look(everything)
    await call(opened, 8)  # in Redis alone when the backup is taken
    manifest = await _backup(config, file)
    assert manifest.entries == 8
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob(".medusa-*")) == [], "nothing is left behind"

    await settle_all(make_settler(opened))  # the disaster: time goes on, then somebody empties what he should not
    await call(opened, 4)
    async with opened.engine.begin() as db:
        await db.execute(update(User).values(quota=1))
    await opened.redis.set("mx:stale", 1)
    await opened.redis.set("theirs", 1)
    await opened.engine.dispose()

    assert await _restore(config, file) == 8
    assert (await opened.one(User, 1)).quota == 10_000 - 30
    if opened.engine.dialect.name == "postgresql":
        async with opened.engine.connect() as db:
            known = await db.execute(text("SELECT count(*) FROM pg_stats WHERE tablename = 'users'"))
            assert known.scalar_one() > 0, "plans are made from what is there"
    assert not await opened.redis.exists("mx:stale")
    assert await opened.redis.exists("theirs"), "what is not ours stays"
    assert await settle_all(make_settler(opened)) == 8
    assert [(await opened.one(User, user)).quota for user in (1, 2)] == [9_930, 9_930]
    assert len(await opened.all(Log)) == 14
    assert await find_drifts(opened) == []
    assert await settle_all(make_settler(opened)) == 0
    await RedisMemory(opened.engine, opened.redis, opened.execute, Keys(PARTITIONS)).look(everything)
    assert await read_losses(opened.engine) == [], "Redis was emptied on purpose"


async def test_records_settled_while_the_database_is_copied_are_in_the_backup(books, tmp_path, monkeypatch):
    opened, config = books
    from medusa.backup import dumps

    plain, began = dumps.dump, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(url, target):
        plain(url, target)
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(settled.wait(), loop).result(30)

    settled = asyncio.Event()
    monkeypatch.setattr(dumps, "dump", slow)
    task = asyncio.create_task(_backup(config, tmp_path / "one.backup"))
    await began.wait()  # the database is copied, without these calls
    await call(opened, 5)
    await settle_all(make_settler(opened))
    settled.set()
    assert (await task).entries == 5
    await opened.engine.dispose()
    assert await _restore(config, tmp_path / "one.backup") == 5
    await settle_all(make_settler(opened))
    assert await find_drifts(opened) == []


async def test_records_that_share_an_entry_there_and_back(books, tmp_path):
    opened, config = books
    await opened.hot.load(1, 5)
    for name in "abcd":
        await opened.hot.reserve(request_id=name, user_id=1, token_id=5, amount=20, deadline_ms=10**14)
    await asyncio.gather(*(opened.hot.settle(make_record(name, token_id=5, quota=10)) for name in "abcd"))
    await call(opened, 1)
    before = await opened.redis.xrange("mx:{1}:usage")
    assert len(before) == 2
    manifest = await _backup(config, tmp_path / "one.backup")
    assert manifest.entries == 5, "records"
    await opened.engine.dispose()
    assert await _restore(config, tmp_path / "one.backup") == 5
    assert await opened.redis.xrange("mx:{1}:usage") == before
    assert await settle_all(make_settler(opened)) == 5
    assert (await opened.one(User, 1)).quota == 9_950
    assert await find_drifts(opened) == []


async def test_nothing_is_replaced_while_workers_run(books, tmp_path):
    opened, config = books
    await _backup(config, tmp_path / "one.backup")
    await opened.redis.zadd(WORKERS, {"somebody": 10**14})
    with pytest.raises(CannotStart, match="stop every edge and worker"):
        await _restore(config, tmp_path / "one.backup")


def test_positions_are_compared_as_numbers():
    assert sorted(["10-0", "9-0", "9-12", "9-2", "0-0"], key=records.order) == ["0-0", "9-0", "9-2", "9-12", "10-0"]


def make_archive(tmp_path, content=b"x" * 100_000):
    (tmp_path / "database.dump").write_bytes(content)
    (tmp_path / archive.RECORDS).write_bytes(b"")
    roles = {archive.RECORDS: ("records", ""), "database.dump": ("database", "sqlite")}
    archive.write(tmp_path / "a.backup", tmp_path, roles, partitions=8, entries=0)
    return tmp_path / "a.backup"


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.97])
def test_a_backup_that_was_cut_is_refused(tmp_path, keep):
    file = make_archive(tmp_path, os.urandom(100_000))
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    (tmp_path / "out").mkdir()
    with pytest.raises(CannotStart):
        archive.read(file, tmp_path / "out")


def test_a_backup_that_was_changed_is_refused(tmp_path):
    file = make_archive(tmp_path)
    (tmp_path / "database.dump").write_bytes(b"y" * 100_000)
    with tarfile.open(file, "w:gz") as tar:
        for name in (archive.MANIFEST, archive.RECORDS, "database.dump"):
            tar.add(tmp_path / name, arcname=name)
    (tmp_path / "out").mkdir()
    with pytest.raises(CannotStart, match="digest"):
        archive.read(file, tmp_path / "out")


def test_the_commands_with_the_embedded_valkey_and_sqlite(tmp_path):
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path / "d")}

    def run(*words):
        command = [sys.executable, "-m", "medusa.cli", *words]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    early = run("backup", "a.backup")
    assert early.returncode == 1
    assert "medusa migrate" in early.stderr or "no database" in early.stderr
    assert not (tmp_path / "a.backup").exists()
    assert run("migrate").returncode == 0
    done = run("backup", "a.backup")
    assert done.returncode == 0, done.stderr
    assert "session_secret" in done.stdout
    assert run("backup", "a.backup").returncode == 1, "an old backup is not overwritten by mistake"
    (tmp_path / "d" / "one-api.db").write_bytes(b"not a database at all, " * 100)
    asked = run("restore", "a.backup")
    assert asked.returncode == 1
    assert (
        f"Replace {tmp_path / 'd' / 'one-api.db'}, and empty our part of the Valkey in {tmp_path / 'd'}?"
        in asked.stdout
    )
    back = run("restore", "a.backup", "--yes")
    assert back.returncode == 0, back.stderr
    assert "restored" in back.stdout
    assert run("migrate", "--check").stdout.strip().endswith("nothing to do")


def test_a_trial_stays_away_from_the_gateway_whose_variables_lie_beside_it(tmp_path):
    """The commands of the page on backup, in a folder whose `.env` names a database and a Redis."""
    lines = [line.strip() for line in (ROOT / "docs/backup.md").read_text().splitlines()]
    trial = [line for line in lines if "DATA_DIR=/tmp/trial" in line]
    assert [line.split()[4] for line in trial] == ["restore", "doctor"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    def run(line):
        program = f"{sys.executable} -m medusa.cli"
        script = line.replace("medusa ", f"{program} ", 1).replace("/tmp/trial", str(tmp_path / "trial"))
        script = script.replace("/backups/", f"{tmp_path}/")
        command = ["/bin/sh", "-c", script]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert run(f"DATA_DIR={tmp_path}/d medusa migrate").returncode == 0
    assert run(f"DATA_DIR={tmp_path}/d medusa backup /backups/monday.backup").returncode == 0
    (tmp_path / ".env").write_text("SQL_DSN=postgres://u:p@127.0.0.1:1/live\nREDIS_CONN_STRING=redis://127.0.0.1:1/0\n")
    restored, seen = (run(line) for line in trial)
    assert restored.returncode == 0, restored.stderr
    assert (tmp_path / "trial" / "one-api.db").exists()
    assert "ok    database: sqlite" in seen.stdout, seen.stdout + seen.stderr
