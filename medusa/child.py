"""A child process that is kept alive: started in a group of its own, restarted when it dies, ended in order."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

log = structlog.get_logger(__name__)

RESTART_FIRST_S = 0.2
RESTART_MAX_S = 10.0
STEADY_S = 30.0  # a child that lived so long starts over with the first delay
_PR_SET_PDEATHSIG = 1  # Source: prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def follow_parent() -> None:
    """Runs in the child before exec: the kernel sends SIGTERM when the supervisor is gone, even by SIGKILL."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One supervised process and, through its group, whatever it starts itself."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], *, grace_s: float) -> None:
        """`grace_s`: how long it may take to end after SIGTERM, before its whole group is killed."""
        self.name = name
        self.restarts = 0
        self._command = list(command)
        self._environ = dict(environ)
        self._grace_s = grace_s
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.name}")

    async def _spawn(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environ, start_new_session=True, preexec_fn=follow_parent
        )
        log.info("child_started", child=self.name, pid=self._process.pid)

    async def _keep(self) -> None:
        """Wait for its end and start it again, slower each time it fails quickly."""
        delay_s = RESTART_FIRST_S
        while self._process is not None:
            started = time.monotonic()
            status = await self._process.wait()
            self._kill_group(self._process.pid)  # what the dead one had started would hold its port
            if self._stopping:
                return
            delay_s = RESTART_FIRST_S if time.monotonic() - started > STEADY_S else delay_s
            log.error("child_died", child=self.name, status=status, restart_s=delay_s)
            await asyncio.sleep(delay_s)
            if self._stopping:
                return
            delay_s = min(delay_s * 2, RESTART_MAX_S)
            self.restarts += 1
            await self._spawn()

    async def stop(self) -> None:
        """SIGTERM, wait for at most `grace_s`, then SIGKILL to the group. Safe to call twice."""
        self._stopping = True
        if self._keeper is None or self._process is None:
            return
        _send(os.kill, self._process.pid, signal.SIGTERM)
        done, _ = await asyncio.wait({self._keeper}, timeout=self._grace_s)
        if not done:
            log.warning("child_killed", child=self.name, after_s=self._grace_s)
            self.kill()
            await asyncio.wait({self._keeper}, timeout=5)

    def kill(self) -> None:
        """End it and all it has started, at once."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            self._kill_group(self._process.pid)

    @staticmethod
    def _kill_group(pid: int) -> None:
        _send(os.killpg, pid, signal.SIGKILL)


def _send(call: Callable[[int, int], None], pid: int, number: signal.Signals) -> None:
    try:
        call(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it is gone already; macOS says "not permitted" of a group of zombies
