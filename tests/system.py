"""A gateway of real processes under a test's hands: Valkey, edges, workers, a database, and an upstream that does as told."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import redis.asyncio
from sqlalchemy import func, insert, select

from medusa.valkey import valkey_command
from schema.database import Engine, make_engine
from schema.ledger.connection import over_redis_py
from schema.ledger.keys import Keys
from schema.migrate import migrate
from schema.tables import Ability, Channel, LedgerEntry, Log, OptionRow, Token, User
from tests.services import free_port
from workers.reap import read_holds
from workers.reconcile import Drift, reconcile

ROOT = Path(__file__).parent.parent
PARTITIONS = 4
PATIENCE_S = 60.0  # for anything to happen on a busy machine
PRICE = 225  # quota of one call of `plain` or `stream`
BALANCE = 10_000_000
KEY = "k" * 47  # + number of the user
USAGE = b'"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}'
ANSWER = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"hi"},"finish_reason":"stop"}],' + USAGE + b"}"
)
CHUNK = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"content":"hi "},"finish_reason":null}]}\n\n'
)
LAST = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],' + USAGE + b"}\n\n"
    b"data: [DONE]\n\n"
)
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


async def until(condition: Callable[[], Awaitable[Any]], what: str, *, within_s: float = PATIENCE_S) -> Any:
    """Poll until the condition holds; returns what it returned."""
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)
    return found


# -- upstream ----------------------------------------------------------------------------------------------------------


async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
    )


def raw(*parts: bytes | float, close: bool = False) -> Behaviour:
    """Bytes as they are, and pauses in s; perhaps the connection is cut then."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        for part in parts:
            if isinstance(part, float):
                await asyncio.sleep(part)
            else:
                writer.write(part)
                await writer.drain()
        if close:
            writer.close()

    return answer


def streamed(chunks: int, pause_s: float) -> Behaviour:
    """`chunks` times "hi " with a pause after each, then usage and the end."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for data in (*[CHUNK] * chunks, LAST):
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await writer.drain()
            await asyncio.sleep(pause_s)
        writer.write(b"0\r\n\r\n")

    return answer


class Upstream:
    """Answers by the name of the model. `calls`: how many requests came for each."""

    def __init__(self, **behaviours: Behaviour) -> None:
        self.behaviours = {"plain": plain, "stream": streamed(5, 0.0), "slow": streamed(40, 0.05), **behaviours}
        self.calls: dict[str, int] = {}
        self.broken = 0  # connections that the gateway cut while we were answering
        self.port = free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                found = re.search(rb'"model":\s*"([^"]*)"', body)
                name = found[1].decode() if found else ""
                self.calls[name] = self.calls.get(name, 0) + 1
                await self.behaviours[name](reader, writer, body)
                await writer.drain()
        except asyncio.IncompleteReadError:
            return
        except ConnectionError:
            self.broken += 1
        except asyncio.CancelledError:
            return  # the test is over
        finally:
            writer.close()


# -- processes ---------------------------------------------------------------------------------------------------------


class Process:
    """One child with its own log; started, killed and started again."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str], log: Path) -> None:
        self.name, self._command, self.environ, self.log = name, command, environ, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self.environ, stdout=out, stderr=out, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to the process and everything it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def terminate(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def wait(self, within_s: float = PATIENCE_S) -> int:
        """The exit status."""
        process = self._process
        assert process is not None

        async def ended() -> bool:
            return process.poll() is not None

        await until(ended, f"{self.name} did not end", within_s=within_s)
        return int(process.returncode)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


class System:
    """The whole gateway. Started pieces are listed in `edges` and `workers`; `valkey` runs from the beginning."""

    def __init__(self, folder: Path, engine: Engine, dsn: str, upstream: Upstream, environ: dict[str, str]) -> None:
        self.folder, self.engine, self.upstream = folder, engine, upstream
        self.socket = folder / "v" / "valkey.sock"
        self.redis = redis.asyncio.Redis(unix_socket_path=str(self.socket))
        self.edges: list[Process] = []
        self.workers: list[Process] = []
        self.ports: list[int] = []
        self.environ = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "HOST": "127.0.0.1", "DATA_DIR": str(folder),
            "SQL_DSN": dsn, "SQLITE_PATH": str(folder / "books.db"), "REDIS_CONN_STRING": f"unix://{self.socket}",
            "LEDGER_PARTITIONS": str(PARTITIONS), "EDGE_WORKERS": "1", "SESSION_SECRET": "s" * 32, "HOLD_DEADLINE": "10",
            "SHUTDOWN_TIMEOUT": "5", **environ,
        }  # fmt: skip
        (folder / "v").mkdir(exist_ok=True)
        (folder / "valkey").mkdir(exist_ok=True)
        command = valkey_command(str(folder), self.socket)
        self.valkey = Process("valkey", command, {"PATH": os.environ["PATH"]}, folder / "valkey.log")

    # pieces
    def add_edge(self, **environ: str) -> Process:
        port = free_port()
        return self._add(self.edges, "edge", {"PORT": str(port), **environ}, port)

    def add_worker(self, **environ: str) -> Process:
        return self._add(self.workers, "workers", environ, 0)

    def _add(self, to: list[Process], module: str, environ: dict[str, str], port: int) -> Process:
        name = f"{module}-{len(to)}"
        command = [sys.executable, "-m", module]
        piece = Process(name, command, {**self.environ, **environ}, self.folder / f"{name}.log")
        to.append(piece)
        if port:
            self.ports.append(port)
        piece.start()
        return piece

    def address(self, edge: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[edge]}"

    async def ready(self, edge: int = 0) -> None:
        async def answers() -> bool:
            assert self.edges[edge].running, self.edges[edge].tail()
            with contextlib.suppress(httpx.TransportError):
                async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
                    return (await http.get(f"{self.address(edge)}/readyz")).status_code == 200
            return False

        await until(answers, f"edge {edge} is not ready: {self.edges[edge].tail()}")

    async def valkey_ready(self) -> None:
        async def answers() -> bool:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                return bool(await self.redis.ping())
            return False

        await until(answers, "Valkey does not answer")

    def client(self, edge: int = 0, *, user: int | str = 1, **more: Any) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer sk-{KEY}{user}", **more.pop("headers", {})}
        return httpx.AsyncClient(base_url=self.address(edge), headers=headers, timeout=60, trust_env=False, **more)

    # books
    async def seed(
        self, *, users: int = 1, balance: int = BALANCE, models: tuple[str, ...] = (), **options: str
    ) -> None:
        """Users 1..n with one unlimited token each, and one channel to the upstream for all its models."""
        names = [*self.upstream.behaviours, *models]
        prices = ",".join(f'"{name}":0.00045' for name in names)
        async with self.engine.begin() as db:
            for user in range(1, users + 1):
                await db.execute(
                    insert(User).values(
                        id=user,
                        username=f"user{user}",
                        password="",
                        role=1,
                        status=1,
                        quota=balance,
                        aff_code=f"a{user}",
                    )
                )
                await db.execute(
                    insert(LedgerEntry).values(
                        kind="opening", reference=f"user:{user}", user_id=user, delta=balance, at_ms=1
                    )
                )
                await db.execute(
                    insert(Token).values(
                        id=user, user_id=user, key=f"{KEY}{user}", name="t", status=1, expired_time=-1,
                        unlimited_quota=True, remain_quota=0,
                    )
                )  # fmt: skip
            base_url = f"http://127.0.0.1:{self.upstream.port}"
            await db.execute(
                insert(Channel).values(
                    id=1, type=1, key="sk-up", status=1, name="c", weight=0, base_url=base_url, models=",".join(names),
                    group="default", priority=0, provider="openai",
                )
            )  # fmt: skip
            rows = [{"group": "default", "model": name, "channel_id": 1, "enabled": True} for name in names]
            await db.execute(insert(Ability), rows)
            settings = {"ModelPrice": "{" + prices + "}", **options}
            await db.execute(insert(OptionRow), [{"key": key, "value": value} for key, value in settings.items()])

    async def charged(self) -> list[str]:
        """Request ids in the books, refused and failed calls left out."""
        async with self.engine.connect() as db:
            wanted = select(LedgerEntry.reference).where(LedgerEntry.kind.in_(("settle", "settle_rest")))
            return [str(row[0]) for row in await db.execute(wanted)]

    async def logged(self) -> int:
        async with self.engine.connect() as db:
            return int((await db.execute(select(func.count()).select_from(Log).where(Log.type == 2))).scalar_one())

    async def balance(self, user: int = 1) -> int:
        async with self.engine.connect() as db:
            return int((await db.execute(select(User.quota).where(User.id == user))).scalar_one())

    async def holds(self) -> int:
        execute = over_redis_py(self.redis)
        found = [await read_holds(execute, Keys(PARTITIONS), partition) for partition in range(PARTITIONS)]
        return sum(map(len, found))

    async def no_holds(self) -> bool:
        """What edges set aside for busy accounts goes back within a second: ask with `until`."""
        return await self.holds() == 0

    async def drifts(self) -> list[Drift]:
        return (await reconcile(self.engine, over_redis_py(self.redis), PARTITIONS)).drifts

    async def check_books(self, answered: set[str], *, others: bool = False) -> None:
        """Every answered call is charged once, no hold is left, all books agree.

        `others`: calls whose answers were lost with a killed process may be charged as well.
        """

        async def all_charged() -> bool:
            return answered <= set(await self.charged())

        await until(self.no_holds, "holds are left")
        with contextlib.suppress(AssertionError):
            await until(all_charged, "late", within_s=30)
        charged = await self.charged()
        assert answered - set(charged) == set(), "answered and not charged"
        assert len(charged) == len(set(charged)), "charged twice"
        if not others:
            assert set(charged) - answered == set(), "charged and not answered"
        assert await self.drifts() == []


@asynccontextmanager
async def open_system(
    folder: Path, dsn: str = "", *, environ: dict[str, str] | None = None, **behaviours: Behaviour
) -> AsyncIterator[System]:
    """A migrated database, a running Valkey and upstream; edges and workers are added by the test."""
    engine = make_engine(dsn, sqlite_path=str(folder / "books.db"))
    upstream = Upstream(**behaviours)
    system = System(folder, engine, dsn, upstream, environ or {})
    try:
        await migrate(engine)
        system.valkey.start()
        await system.valkey_ready()
        async with await asyncio.start_server(upstream.serve, "127.0.0.1", upstream.port):
            yield system
    finally:
        for piece in (*system.edges, *system.workers, system.valkey):
            piece.kill()
        await system.redis.aclose()
        await engine.dispose()
