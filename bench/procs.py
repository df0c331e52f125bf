"""CPU and memory of a process tree, read from /proc (Linux)."""

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def tree(root_pid: int) -> list[int]:
    """The process and all its descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root_pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from `state` on (proc(5) counts it as the third); [] when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def cpu_s(root_pid: int) -> float:
    """User and system time of the tree, children that have ended included."""
    return sum(sum(map(int, fields[11:15])) for pid in tree(root_pid) if (fields := _stat(pid))) * _TICK_S


def memory_bytes(root_pid: int, *, store: bool = True) -> int:
    """Proportional set size of the tree: shared pages are counted once, split among those who share them.

    `store`: count Valkey, which keeps applied records for a minute and so grows with the load up to a level.
    """
    total = 0
    for pid in tree(root_pid):
        if not store and _name(pid).startswith("valkey"):
            continue
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0) * 1024
    return total
