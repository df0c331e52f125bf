"""Old databases are adopted in place: nothing is lost, sums are equal, and a second start changes nothing."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from schema.database import make_engine
from schema.migrate import migrate, read_meta
from schema.tables import Base, Channel, LedgerEntry, Log, OptionRow, Redemption, Token, User
from tests.services import find_binary, new_mariadb, new_postgres, run_mariadb_sql

OLD = Path(__file__).parent.parent / "fixtures" / "databases"
SUMS = (
    "SELECT (SELECT count(*) FROM users), (SELECT sum(quota) FROM users), (SELECT sum(used_quota) FROM users),"
    " (SELECT count(*) FROM tokens), (SELECT sum(remain_quota) FROM tokens), (SELECT sum(used_quota) FROM tokens),"
    " (SELECT count(*) FROM channels), (SELECT count(*) FROM abilities), (SELECT count(*) FROM logs),"
    " (SELECT sum(quota) FROM logs), (SELECT count(*) FROM redemptions), (SELECT count(*) FROM options)"
)


def load(request, tmp_path: Path, engine_name: str, writer: str) -> str:
    """A copy of the old database (or an empty one for writer `new`); returns its SQL_DSN."""
    name = f"mx_{writer.replace('-', '_')}"
    if engine_name == "sqlite":
        file = tmp_path / "old.db"
        if writer != "new":
            shutil.copyfile(OLD / f"{writer}.sqlite3", file)
        return f"sqlite:///{file}"
    if engine_name == "postgres":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), name)
        if writer != "new":
            script = [find_binary("psql"), dsn, "-q", "-f", str(OLD / f"{writer}.postgres.sql")]
            subprocess.run(script, check=True, capture_output=True)
        return dsn
    server = request.getfixturevalue("mariadb_server")
    dsn = new_mariadb(server, name)
    if writer != "new":
        run_mariadb_sql(server, (OLD / f"{writer}.mysql.sql").read_text(), name)
    return dsn


@pytest.mark.parametrize(
    ("engine_name", "writer"),
    [
        ("sqlite", "new"),
        ("sqlite", "one-api"),
        ("sqlite", "new-api"),
        ("postgres", "new"),
        ("postgres", "new-api"),
        ("mariadb", "new"),
        ("mariadb", "one-api"),
        ("mariadb", "new-api"),
    ],
)
async def test_adoption(request, tmp_path, engine_name, writer):
    engine = make_engine(load(request, tmp_path, engine_name, writer))
    before = None
    if writer != "new":
        async with engine.connect() as db:
            before = (await db.execute(text(SUMS))).one()
    told = await migrate(engine, check=True)
    assert any("mx_ledger_entries" in step for step in told)
    done = await asyncio.gather(migrate(engine), migrate(engine))  # two processes at once
    assert any(done)
    assert await migrate(engine) == []
    assert await read_meta(engine, "origin") == writer
    async with engine.connect() as db:
        if before is not None:
            assert (await db.execute(text(SUMS))).one() == before
            nameless = select(func.count()).select_from(Channel).where(Channel.provider.is_(None))
            assert (await db.execute(nameless)).scalar() == 0
            held = (await db.execute(select(func.sum(User.quota)))).scalar()
            booked = select(func.sum(LedgerEntry.delta)).where(LedgerEntry.kind == "opening")
            assert (await db.execute(booked)).scalar() == held
        for table in Base.metadata.sorted_tables:  # every column we name is there and can be read
            (await db.execute(select(table))).all()
    async with engine.begin() as db:
        await db.execute(User.__table__.insert().values(username="newcomer", password="x"))
        await db.execute(Log.__table__.insert().values(user_id=1, created_at=1, type=2, request_id="r-1"))
    async with engine.connect() as db:
        row = (await db.execute(select(User).where(User.username == "newcomer"))).one()
        assert (row.quota, row.group, row.deleted_at) == (0, "default", None)
    await engine.dispose()


@pytest.mark.parametrize("writer", ["one-api", "new-api"])
async def test_what_people_hold_is_still_there(request, tmp_path, writer):
    engine = make_engine(load(request, tmp_path, "sqlite", writer))
    async with engine.connect() as db:
        keys = (await db.execute(text("SELECT key FROM tokens ORDER BY id"))).all()
        codes = (await db.execute(text("SELECT key FROM redemptions ORDER BY id"))).all()
        settings = (await db.execute(text("SELECT key, value FROM options ORDER BY key"))).all()
    await migrate(engine)
    async with engine.connect() as db:
        assert (await db.execute(select(Token.key).order_by(Token.id))).all() == keys
        assert (await db.execute(select(Redemption.key).order_by(Redemption.id))).all() == codes
        assert (await db.execute(select(OptionRow.key, OptionRow.value).order_by(OptionRow.key))).all() == settings
    await engine.dispose()
