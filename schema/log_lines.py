"""Log lines: one JSON object each, on stdout and, where LOG_DIR is set, in files that are rotated."""

import fcntl
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import structlog

from schema.config import Config
from schema.log_secrets import mask_event

FILE_BYTES_MAX = 100 * 1024 * 1024
FILES_KEPT = 10  # besides the one that is written
_LOCAL = "%Y-%m-%dT%H:%M:%S.%f%z"  # TZ asks for it


class RotatedFile:
    """A text file that several processes append to; whoever finds it full moves it aside under a lock."""

    def __init__(self, path: Path, beside: TextIO, bytes_max: int = FILE_BYTES_MAX) -> None:
        """`beside`: where every line goes as well. Raises OSError."""
        self._path, self._beside, self._bytes_max = path, beside, bytes_max
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._open()

    def _open(self) -> None:
        self._file = self._path.open("a", encoding="utf-8", buffering=1)

    def write(self, text: str) -> int:
        self._beside.write(text)
        try:
            self._file.write(text)
            if self._file.tell() > self._bytes_max:
                self._rotate()
        except OSError:
            return len(text)  # a full disk costs lines, not calls
        return len(text)

    def flush(self) -> None:
        self._beside.flush()

    def _rotate(self) -> None:
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            present = self._path.stat() if self._path.exists() else None
            if present is not None and os.fstat(self._file.fileno()).st_ino == present.st_ino:  # nobody was quicker
                for number in range(FILES_KEPT - 1, 0, -1):
                    older = self._path.with_suffix(f".log.{number}")
                    if older.exists():
                        older.replace(self._path.with_suffix(f".log.{number + 1}"))
                self._path.replace(self._path.with_suffix(".log.1"))
            self._file.close()
            self._open()


def configure_logging(config: Config, name: str) -> None:
    """Once per process. `name`: edge, worker: that of the file in LOG_DIR."""
    level = logging.DEBUG if config.debug else getattr(logging, config.log_level.upper(), logging.INFO)
    if config.tz:  # of .env, too: the C library reads the process's own
        os.environ["TZ"] = config.tz
        time.tzset()
    out: Any = sys.stdout
    if config.log_dir:
        out = RotatedFile(Path(config.log_dir) / f"{name}.log", sys.stdout)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt=_LOCAL if config.tz else "iso", utc=not config.tz, key="time"),
            structlog.processors.format_exc_info,
            mask_event,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
