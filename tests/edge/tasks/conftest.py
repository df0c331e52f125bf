"""A whole gateway in this process: the edge as it is served, a worker whose jobs the test runs, real databases, a stand-in upstream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis.asyncio
from arq.connections import ArqRedis
from sqlalchemy import delete, insert, select, update

from edge.app import Edge
from schema.config import read_config
from schema.database import make_engine
from schema.ledger.connection import over_redis_py
from schema.ledger.keys import Keys
from schema.ledger.signals import changed
from schema.migrate import migrate
from schema.secrets import Vault
from schema.tables import AsyncTask, Channel, LedgerEntry, Log, Midjourney, OptionRow, Task, Token, User
from schema.tasks.wire import TaskWire
from tests.services import free_port, new_mariadb, new_postgres
from tests.system import until
from tests.task_upstream import TaskUpstream, open_task_upstream
from workers.context import OptionStore, Worker
from workers.poll import ChannelPoller, Looked
from workers.reconcile import reconcile
from workers.task_sweep import sweep

PARTITIONS = 4
BALANCE = 1_000_000
KEY = "k" * 47
MJ_MODELS = (
    "mj_imagine,mj_variation,mj_reroll,mj_blend,mj_upscale,mj_describe,mj_upload,mj_shorten,mj_zoom,mj_pan,"
    "mj_high_variation,mj_low_variation,mj_modal,mj_inpaint,mj_custom_zoom,swap_face"
)


class Bed:
    """Users 1 and 2 with an unlimited token each; user 1 also has token 3, limited to 120 000."""

    def __init__(self, edge: Edge, worker: Worker, upstream: TaskUpstream) -> None:
        self.edge, self.worker, self.upstream, self.engine = edge, worker, upstream, worker.engine
        self.wire = TaskWire()
        self.http = self.client(1)

    def client(self, token: int, **more: Any) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer sk-{KEY}{token}"}
        transport = httpx.ASGITransport(self.edge, raise_app_exceptions=True)
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers, **more)

    async def imagine(self, prompt: str = "a cat", **more: Any) -> dict[str, Any]:
        answer = await self.http.post("/mj/submit/imagine", json={"prompt": prompt, **more})
        return {"status": answer.status_code, **answer.json()}

    async def set_options(self, **options: str) -> None:
        async with self.engine.begin() as db:
            for key, value in options.items():
                await db.execute(delete(OptionRow).where(OptionRow.key == key))
                await db.execute(insert(OptionRow).values(key=key, value=value))
        await self.reload()

    async def set_channel(self, channel_id: int, **values: Any) -> None:
        async with self.engine.begin() as db:
            await db.execute(update(Channel).where(Channel.id == channel_id).values(**values))
        await self.reload()

    async def reload(self) -> None:
        await changed(self.worker.redis, "options")
        await self.edge.snapshots.read()
        self.worker.options._checked_s = 0.0
        await self.worker.options.refresh()

    # the worker's jobs
    async def look(self, *, channel: int = 1) -> Looked:
        """Poll now, whatever the schedule says."""
        await self.make_due()
        return await ChannelPoller(self.worker, self.wire, channel).run()

    async def make_due(self) -> None:
        async with self.engine.begin() as db:
            due = update(AsyncTask).where(AsyncTask.next_poll_at > 0)
            await db.execute(due.values(next_poll_at=1, lease_until=0))

    async def sweep(self) -> dict[str, int]:
        return await sweep(self.worker)

    async def age(self, **milliseconds: int) -> None:
        """Move times of all tasks into the past."""
        async with self.engine.begin() as db:
            values = {name: getattr(AsyncTask, name) - ms for name, ms in milliseconds.items()}
            await db.execute(update(AsyncTask).values(**values))

    # books
    async def task(self, *where: Any) -> Any:
        async with self.engine.connect() as db:
            found = select(AsyncTask.__table__).where(*where).order_by(AsyncTask.id.desc()).limit(1)
            return (await db.execute(found)).one()

    async def rows(self, model: Any, *where: Any) -> list[Any]:
        async with self.engine.connect() as db:
            return list((await db.execute(select(model.__table__).where(*where).order_by(model.id))).all())

    async def user(self, user_id: int = 1) -> Any:
        return (await self.rows(User, User.id == user_id))[0]

    async def token(self, token_id: int) -> Any:
        return (await self.rows(Token, Token.id == token_id))[0]

    async def logs(self, kind: int) -> list[Any]:
        return await self.rows(Log, Log.type == kind)

    async def moves(self) -> list[tuple[str, int]]:
        """Kind and sum of every ledger entry but the openings."""
        return [(row.kind, row.delta) for row in await self.rows(LedgerEntry, LedgerEntry.kind != "opening")]

    async def check_books(self, *, spent: int, user: int = 1) -> None:
        """The user has spent so much, no hold is left, hot balance, ledger and counters agree."""
        account = await self.user(user)
        assert (account.quota, account.used_quota) == (BALANCE - spent, spent)
        await self.edge.relay.hot.load(user)

        async def available() -> bool:  # what the edge had set aside goes back within a second
            return await self.edge.relay.hot.available(user) == BALANCE - spent

        await until(available, "the hot balance is another one", within_s=5)
        report = await reconcile(self.engine, over_redis_py(self.worker.redis), PARTITIONS)
        assert report.drifts == []


async def seed(engine: Any, upstream: TaskUpstream) -> None:
    async with engine.begin() as db:
        for user in (1, 2):
            await db.execute(
                insert(User).values(
                    id=user, username=f"user{user}", password="", role=1, status=1, quota=BALANCE, aff_code=f"a{user}"
                )
            )
            opening = {"kind": "opening", "reference": f"user:{user}", "user_id": user, "delta": BALANCE, "at_ms": 1}
            await db.execute(insert(LedgerEntry).values(**opening))
            await db.execute(
                insert(Token).values(id=user, user_id=user, key=f"{KEY}{user}", name="t", unlimited_quota=True)
            )
        await db.execute(
            insert(Token).values(
                id=3, user_id=1, key=f"{KEY}3", name="small", remain_quota=120_000, unlimited_quota=False
            )
        )
        await db.execute(
            insert(LedgerEntry).values(
                kind="opening", reference="token:3", balance="token", user_id=1, token_id=3, delta=0,
                token_delta=120_000, at_ms=1,
            )
        )  # fmt: skip
        common = {"status": 1, "weight": 0, "base_url": upstream.address, "group": "default", "priority": 0}
        channels = [
            {"id": 1, "type": 5, "key": "mj-secret", "models": MJ_MODELS, "provider": "midjourney_plus"},
            {"id": 2, "type": 36, "key": "suno-secret", "models": "suno_music,suno_lyrics", "provider": "suno"},
            {"id": 3, "type": 1, "key": "video-secret", "models": "sora-2", "provider": "openai"},
        ]
        for channel in channels:
            await db.execute(insert(Channel).values(**common, **channel, name=f"c{channel['id']}"))
        await db.execute(insert(OptionRow).values(key="ServerAddress", value="https://gateway.example.com"))
        prices = {"mj_imagine": 0.1, "mj_upscale": 0.05, "swap_face": 0.05, "sora-2": 0.1, "suno_music": 0.1,
                  "suno_lyrics": 0.01, "mj_modal": 0.1, "mj_inpaint": 0, "mj_upload": 0.05}  # fmt: skip
        await db.execute(insert(OptionRow).values(key="ModelPrice", value=json.dumps(prices)))


_EMPTY: dict[str, bytes] = {}  # a migrated SQLite file: making it anew would cost every test half of its time


async def _make_tables(folder: Path, engine: Any, log_engine: Any) -> None:
    if engine.dialect.name != "sqlite" or log_engine is not engine:
        await migrate(engine, log_engine=log_engine if log_engine is not engine else None)
        return
    file = folder / "books.db"
    if not _EMPTY:
        await migrate(engine)
        await engine.dispose()
        _EMPTY["books"] = file.read_bytes()
    file.write_bytes(_EMPTY["books"])


@asynccontextmanager
async def open_bed(folder: Path, valkey: str, dsn: str = "", **environ: str) -> AsyncIterator[Bed]:
    config = read_config(
        {"DATA_DIR": str(folder), "REDIS_CONN_STRING": valkey, "SQL_DSN": dsn, "SQLITE_PATH": str(folder / "books.db"),
         "LEDGER_PARTITIONS": str(PARTITIONS), "SESSION_SECRET": "s" * 32, "CRYPTO_SECRET": "c" * 32,
         "HOST": "127.0.0.1", "PORT": str(free_port()), "SHUTDOWN_TIMEOUT": "0", **environ}
    )  # fmt: skip
    engine = make_engine(config.sql_dsn, sqlite_path=config.sqlite_file)
    log_engine = make_engine(config.log_sql_dsn, sqlite_path="") if config.log_sql_dsn else engine
    pool: Any = redis.asyncio.ConnectionPool.from_url(valkey)
    client: Any = ArqRedis(pool)
    await client.flushall()
    execute = over_redis_py(client)
    worker = Worker(
        config=config, engine=engine, log_engine=log_engine, redis=client, execute=execute, keys=Keys(PARTITIONS),
        options=OptionStore(engine, execute, Vault("c" * 32)), node="test:worker:1",
    )  # fmt: skip
    edge = Edge(config, str(folder / "back.sock"))
    async with open_task_upstream() as upstream:
        try:
            await _make_tables(folder, engine, log_engine)
            await seed(engine, upstream)
            await edge.start()
            await worker.options.refresh()
            bed = Bed(edge, worker, upstream)
            yield bed
            await bed.wire.close()
        finally:
            await edge.stop()
            await client.aclose()
            await pool.disconnect()
            await engine.dispose()
            if log_engine is not engine:
                await log_engine.dispose()
            await asyncio.sleep(0)


@pytest.fixture
async def bed(tmp_path: Path, valkey_server: str) -> AsyncIterator[Bed]:
    async with open_bed(tmp_path, valkey_server) as opened:
        yield opened


@pytest.fixture(params=["postgresql", "mariadb"])
async def served_bed(request: pytest.FixtureRequest, tmp_path: Path, valkey_server: str) -> AsyncIterator[Bed]:
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "tasks")
    else:
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "tasks")
    async with open_bed(tmp_path, valkey_server, dsn) as opened:
        yield opened


__all__ = ["BALANCE", "Midjourney", "Task"]
