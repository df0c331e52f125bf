"""The Lua scripts of the ledger, read once; each runs as one atomic step on the server."""

import hashlib
from pathlib import Path

from msgspec import Struct


class Script(Struct, frozen=True):
    """Source and the name under which the server knows it."""

    name: str
    source: bytes
    sha: bytes  # hex SHA-1, for EVALSHA


def read_script(name: str) -> Script:
    source = (Path(__file__).parent / f"{name}.lua").read_bytes()
    return Script(name, source, hashlib.sha1(source).hexdigest().encode())  # noqa: S324  # the server's own naming


RESERVE = read_script("reserve")
SETTLE = read_script("settle")
ALLOWANCE = read_script("allowance")
PROMOTE = read_script("promote")
RELEASE = read_script("release")
GROW = read_script("grow")
EXTEND = read_script("extend")
LOAD = read_script("load")
CHANGED = read_script("changed")
REAP = read_script("reap")
RETIRE = read_script("retire")
LEASE = read_script("lease")
LIVING = read_script("living")
ADVANCE = read_script("advance")
TURN = read_script("turn")
SPEND = read_script("spend")
BEAT = read_script("beat")
