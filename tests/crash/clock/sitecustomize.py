"""Loaded by Python itself in processes whose PYTHONPATH names this folder: their wall clock is off by as many seconds as the file
MEDUSA_TEST_CLOCK says at each moment."""

import mmap
import os
import struct
import time

if path := os.environ.get("MEDUSA_TEST_CLOCK"):
    with open(path, "rb") as file:
        _page = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    _time, _time_ns = time.time, time.time_ns

    def _off_s() -> int:
        return int(struct.unpack("<q", _page[:8])[0])

    time.time = lambda: _time() + _off_s()
    time.time_ns = lambda: _time_ns() + _off_s() * 1_000_000_000
