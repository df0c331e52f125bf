"""A supervised child comes back when it dies, ends when told, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from medusa.child import Child

WRITE_PID = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
DEAF = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'a').write('1\\n'); time.sleep(60)"
WITH_GRANDCHILD = textwrap.dedent(
    """
    import subprocess, sys, time
    grandchild = subprocess.Popen(["sleep", "60"])
    open(sys.argv[1], "a").write(f"{grandchild.pid}\\n")
    time.sleep(60)
    """
)


async def lines_of(file: Path, count: int) -> list[int]:
    for _ in range(500):
        if file.exists() and len(lines := file.read_text().splitlines()) >= count:
            return [int(line) for line in lines]
        await asyncio.sleep(0.02)
    raise AssertionError(f"{file} never had {count} lines")


async def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        await asyncio.sleep(0.02)
    return False


def child(script: str, file: Path, grace_s: float = 5) -> Child:
    return Child("sleeper", [sys.executable, "-c", script, str(file)], os.environ, grace_s=grace_s)


async def test_a_killed_child_is_started_again(tmp_path):
    sleeper = child(WRITE_PID, tmp_path / "pids")
    await sleeper.start()
    (first,) = await lines_of(tmp_path / "pids", 1)
    os.kill(first, signal.SIGKILL)
    assert len(set(await lines_of(tmp_path / "pids", 2))) == 2
    await sleeper.stop()
    assert sleeper.restarts == 1
    assert await gone(sleeper.pid)


async def test_a_deaf_child_is_killed_after_its_grace(tmp_path):
    sleeper = child(DEAF, tmp_path / "up", grace_s=0.3)
    await sleeper.start()
    await lines_of(tmp_path / "up", 1)
    async with asyncio.timeout(4):
        await sleeper.stop()
    assert await gone(sleeper.pid)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_what_the_child_started_goes_with_it(tmp_path, how):
    sleeper = child(WITH_GRANDCHILD, tmp_path / "pids")
    await sleeper.start()
    (grandchild,) = await lines_of(tmp_path / "pids", 1)
    if how == "killed":
        os.kill(sleeper.pid, signal.SIGKILL)
    else:
        await sleeper.stop()
    assert await gone(grandchild)
    await sleeper.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
async def test_kill_9_of_the_supervisor_leaves_no_child(tmp_path):
    script = textwrap.dedent(
        f"""
        import asyncio, os, sys
        from medusa.child import Child
        async def main():
            await Child("sleeper", [sys.executable, "-c", {WRITE_PID!r}, sys.argv[1]], os.environ, grace_s=1).start()
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path / "pids"))
    (pid,) = await lines_of(tmp_path / "pids", 1)
    supervisor.kill()
    await supervisor.wait()
    assert await gone(pid)
