"""`medusa up` that cannot start: one clear sentence, no traceback, a status other than 0, no process left."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medusa.cannot_start import CannotStart
from medusa.preflight import check_database, check_redis
from schema.database import make_engine, parse_dsn
from schema.migrate import migrate
from tests.crash.processes import WorkerProcess
from tests.services import free_port, run_valkey

ROOT = Path(__file__).parents[2]


def run_up(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    settings = {"DATA_DIR": str(tmp_path / "data"), "PORT": str(free_port()), "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(
        [sys.executable, "-m", "medusa.cli", "up"],
        env={**clean, **settings}, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    said = [line for line in done.stderr.splitlines() if line.startswith("medusa: ")]
    assert done.returncode not in (0, -9), done.stderr
    assert len(said) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in said[0]


def test_port_in_use(tmp_path):
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_one_sentence(run_up(tmp_path, PORT=str(port)), f"Port {port} is already in use")


def test_data_folder_is_a_file(tmp_path):
    (tmp_path / "data").write_text("in the way")
    assert_one_sentence(run_up(tmp_path), "data folder", "cannot be written", "DATA_DIR")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        pytest.param("SQL_DSN", "not a dsn", ["SQL_DSN"], id="a DSN of no known form"),
        pytest.param("PORT", "80000", ["PORT"], id="a port beyond 65535"),
        pytest.param("REDIS_CONN_STRING", "http://127.0.0.1", ["REDIS_CONN_STRING"], id="a Redis address that is none"),
        pytest.param(
            "REDIS_CONN_STRING",
            "redis+cluster://a:1",
            ["JOBS_REDIS_CONN_STRING"],
            id="a cluster, and no server for jobs",
        ),
        pytest.param("SESSION_SECRET", "random_string", ["SESSION_SECRET"], id="the example's secret"),
        pytest.param(
            "SQL_DSN", "postgres://u:hunter2@no.such.host.invalid/x", ["no.such.host.invalid"], id="unknown host"
        ),
    ],
)
def test_wrong_settings(tmp_path, variable, value, words):
    done = run_up(tmp_path, **{variable: value})
    assert_one_sentence(done, *words)
    assert "hunter2" not in done.stdout + done.stderr


async def test_redis_that_nobody_runs():
    with pytest.raises(CannotStart, match=r"^Redis at 127.0.0.1:\d+ cannot be reached .*REDIS_CONN_STRING\.$"):
        await check_redis(f"redis://127.0.0.1:{free_port()}/0", patience_s=0.5)


async def test_redis_that_wants_another_password():
    with run_valkey("--requirepass", "right") as address, pytest.raises(CannotStart, match="refuses us"):
        await check_redis(address.replace("redis://", "redis://:wrong@"))


async def test_redis_that_drops_keys(tmp_path):
    with run_valkey("--maxmemory-policy", "allkeys-lru") as address:
        with pytest.raises(CannotStart, match=r"maxmemory-policy allkeys-lru .* ALLOW_EVICTION=1"):
            await check_redis(address)
        await check_redis(address, allow_eviction=True)
        engine = make_engine("", sqlite_path=str(tmp_path / "books.db"))
        await migrate(engine)
        await engine.dispose()
        with WorkerProcess(tmp_path, address, partitions=2) as worker:
            assert await asyncio.to_thread(worker._process.wait, 60) == 1
            assert "maxmemory-policy allkeys-lru" in worker.log.read_text()


@pytest.mark.parametrize("scheme", ["postgres://u:hunter2@127.0.0.1:{}/x", "u:hunter2@tcp(127.0.0.1:{})/x"])
async def test_database_that_nobody_runs(scheme):
    url = parse_dsn(scheme.format(free_port()))
    engine = make_engine(url)
    with pytest.raises(CannotStart, match=r"cannot be reached .*SQL_DSN") as caught:
        await check_database(engine, url, patience_s=0.5)
    await engine.dispose()
    assert "hunter2" not in str(caught.value)


async def test_database_that_does_not_exist_is_refused_at_once(postgres_server):
    url = parse_dsn(f"{postgres_server}/no_such_database")
    engine = make_engine(url)
    with pytest.raises(CannotStart, match=r'refuses us \(database "no_such_database" does not exist\)'):
        await check_database(engine, url, patience_s=30)
    await engine.dispose()
