"""The embedded Valkey: reachable by its owner alone, evicts nothing, remembers what was written before an orderly end."""

import asyncio
import stat

import pytest
from redis.asyncio import Redis

from medusa.cannot_start import CannotStart
from medusa.child import Child
from medusa.preflight import lock_folder
from medusa.valkey import find_socket, valkey_command, wait_for_valkey


async def start(data_dir: str) -> tuple[Child, Redis]:
    socket = find_socket(data_dir)
    socket.unlink(missing_ok=True)
    child = Child("valkey", valkey_command(data_dir, socket), {}, grace_s=20)
    await child.start()
    await wait_for_valkey(socket, patience_s=20)
    return child, Redis.from_url(f"unix://{socket}")


@pytest.mark.parametrize("depth", [pytest.param(0, id="short path"), pytest.param(3, id="path too long for a socket")])
async def test_what_was_written_is_there_after_a_restart(tmp_path, depth):
    folder = tmp_path.joinpath(*["a-folder-with-quite-a-long-name-that-goes-on"] * depth)
    child, redis = await start(str(folder))
    assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
    assert (await redis.config_get("appendonly"))["appendonly"] == "yes"
    await redis.set("kept", "yes")
    await redis.aclose()
    await child.stop()
    child, redis = await start(str(folder))
    assert await redis.get("kept") == b"yes"
    await redis.aclose()
    await child.stop()


async def test_it_comes_back_by_itself_with_its_data(tmp_path):
    child, redis = await start(str(tmp_path))
    await redis.set("kept", "yes")
    await asyncio.sleep(1.5)  # the append-only file is synced every second
    await redis.aclose()
    first = child.pid
    Child._kill_group(first)
    for _ in range(500):
        if child.pid != first:
            break
        await asyncio.sleep(0.01)
    await wait_for_valkey(find_socket(str(tmp_path)), patience_s=20)
    redis = Redis.from_url(f"unix://{find_socket(str(tmp_path))}")
    assert await redis.get("kept") == b"yes"
    await redis.aclose()
    await child.stop()


def test_only_the_owner_may_reach_it(tmp_path):
    assert stat.S_IMODE(find_socket(str(tmp_path)).parent.stat().st_mode) == 0o700


def test_one_gateway_per_folder(tmp_path):
    with lock_folder(str(tmp_path)), pytest.raises(CannotStart, match="already running"):
        lock_folder(str(tmp_path))
    lock_folder(str(tmp_path)).close()
