"""The spool: records of finished calls on the edge's disk while Redis is away, replayed once it is back.

File: frames one after another. A frame is b"MXS1", length of the payload (u32, little endian), CRC-32 of the payload (u32),
payload (a usage record as `schema.usage.write_record` makes it). A torn last frame (the machine died while writing) is cut
off when the file is opened again; bytes that are no frame are skipped up to the next frame that is whole. Replaying is safe
to repeat: every replayed record is checked against the ledger.

SpoolError
├── SpoolFull       the configured size is reached
└── SpoolUnusable   the disk is full, read-only or gone
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from schema.usage import UsageRecord, read_record, write_record

_MAGIC = b"MXS1"
_HEAD = struct.Struct("<4sII")  # magic, length, CRC-32
RECORD_BYTES_MAX = 1 << 20  # a longer length is a damaged head
READ_BYTES = 1 << 20


class SpoolError(Exception):
    """The record is not on disk."""


class SpoolFull(SpoolError):
    """The configured size is reached."""


class SpoolUnusable(SpoolError):
    """The disk refuses."""


class Frame(Struct, frozen=True):
    """One record of the file and where it ends."""

    record: UsageRecord
    end: int  # offset in bytes behind it


class Spool:
    """One file, written by one process. `append` returns when the record is on disk (fsync)."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        """Opens the file, cuts off a torn tail. Raises SpoolUnusable; also when another process has it open."""
        self.path = path
        self.bytes_max = bytes_max
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise SpoolUnusable(f"the spool {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = self._cut_torn_tail()
        except OSError as error:
            os.close(self._fd)
            raise SpoolUnusable(f"the spool {path} cannot be used: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes that wait for a replay."""
        return self._size

    def append(self, records: list[UsageRecord]) -> None:
        """Write and sync; blocks for some milliseconds, so call it in a thread. All records or none.

        Raises SpoolFull or SpoolUnusable; then the file is as before.
        """
        frames = b"".join(_frame(write_record(record)) for record in records)
        if self._size + len(frames) > self.bytes_max:
            raise SpoolFull(f"the spool {self.path} has reached {self.bytes_max} bytes (SPOOL_MAX_MB)")
        try:
            written = 0
            while written < len(frames):
                written += os.write(self._fd, frames[written:])
            os.fdatasync(self._fd)
        except OSError as error:
            self._restore()
            raise SpoolUnusable(f"the spool {self.path} cannot be written: {error.strerror}") from error
        self._size += len(frames)

    def _restore(self) -> None:
        """Take back a half-written frame; where even that fails, the reader skips it."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._size = os.fstat(self._fd).st_size

    def read(self) -> Iterator[Frame]:
        """Every whole record in the order written, also after damaged places."""
        yield from _read_frames(self._fd, self._size)

    def drop(self, end: int) -> None:
        """Forget what was replayed up to the offset `end`. Killed in here, the file is as before or as after.

        Records appended meanwhile stay.
        """
        if end >= self._size:
            os.ftruncate(self._fd, 0)
            os.fsync(self._fd)
            self._size = 0
            return
        rest = os.pread(self._fd, self._size - end, end)
        fresh = self.path.with_suffix(".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        written = 0
        while written < len(rest):
            written += os.write(fd, rest[written:])
        os.fsync(fd)
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        os.close(self._fd)
        self._fd, self._size = fd, len(rest)

    def close(self) -> None:
        os.close(self._fd)

    def _cut_torn_tail(self) -> int:
        size = os.fstat(self._fd).st_size
        end = 0
        for frame in _read_frames(self._fd, size):
            end = frame.end
        if end < size:
            os.ftruncate(self._fd, end)
        return end


def _frame(payload: bytes) -> bytes:
    assert len(payload) <= RECORD_BYTES_MAX, len(payload)
    return _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def _read_frames(fd: int, size: int) -> Iterator[Frame]:
    at = 0
    buffer, start = b"", 0  # the file from `start` on
    while at + _HEAD.size <= size:
        need = at + _HEAD.size + RECORD_BYTES_MAX
        if start + len(buffer) < min(need, size):
            start, buffer = at, os.pread(fd, READ_BYTES + RECORD_BYTES_MAX + _HEAD.size, at)
            buffer = buffer[: size - start]
        record, length = _whole_frame(buffer, at - start)
        if record is not None:
            at += length
            yield Frame(record, at)
            continue
        found = buffer.find(_MAGIC, at - start + 1)
        if found >= 0:
            at = start + found
        else:
            at = max(at + 1, start + len(buffer) - len(_MAGIC) + 1)


def _whole_frame(buffer: bytes, at: int) -> tuple[UsageRecord | None, int]:
    """The record whose frame begins at `at`, and the frame's length; None when there is no whole frame."""
    magic, length, crc = _HEAD.unpack_from(buffer, at) if at + _HEAD.size <= len(buffer) else (b"", 0, 0)
    payload = buffer[at + _HEAD.size : at + _HEAD.size + length]
    if magic != _MAGIC or length > RECORD_BYTES_MAX or len(payload) != length or zlib.crc32(payload) != crc:
        return None, 0
    try:
        return read_record(payload), _HEAD.size + length
    except ValueError:  # msgspec.DecodeError: the frame is whole, but no record that this version reads
        return None, 0
