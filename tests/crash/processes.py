"""Worker processes that a test starts and kills for real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class WorkerProcess:
    """`python -m workers` on the books of a test."""

    def __init__(self, folder: Path, valkey: str, *, partitions: int, dsn: str = "") -> None:
        self._folder = folder
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SQL_DSN": dsn,
            "SQLITE_PATH": str(folder / "books.db"),
            "REDIS_CONN_STRING": valkey,
            "LEDGER_PARTITIONS": str(partitions),
            "DATA_DIR": str(folder),
            "SESSION_SECRET": "s" * 32,
            "CRYPTO_SECRET": "c" * 32,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / f"worker-{id(self)}.log"

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers"], cwd=ROOT, env=self._environ, stdout=out, stderr=out
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> tuple[int, float]:
        """SIGTERM. Returns the exit status and how long it took, s."""
        assert self._process is not None
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20), time.monotonic() - started

    def __enter__(self) -> "WorkerProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
