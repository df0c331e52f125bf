"""Three edges and two workers behind a real nginx, on PostgreSQL and one Valkey: each is killed and restarted in turn under load.

No call fails but those that a killed edge had in flight; a restart by SIGTERM fails none at all; the books are exact.
"""

import asyncio
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services import find_binary, free_port, new_postgres
from tests.system import KEY, ROOT, Process, System, open_system, streamed, until

CLIENTS = 6
USERS = 3
CALLS_BETWEEN = 8  # answered calls between two kills
GRACE_S = 10.0  # by then nginx has told a client that its edge died, however busy the machine is


@contextmanager
def run_nginx(folder: Path, ports: list[int]) -> Iterator[str]:
    """The project's own configuration with these edges in it."""
    binary = find_binary("nginx", "/usr/sbin/nginx")
    port = free_port()
    text = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
    line = re.search(r"\n    server edge:3000 resolve([^;]*);[^\n]*", text)
    assert line is not None
    text = text.replace(line[0], "".join(f"\n    server 127.0.0.1:{one}{line[1]};" for one in ports))
    text = re.sub(r"\n  resolver [^\n]*", "", text).replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("worker_processes auto;", f"worker_processes 1; daemon off; pid {folder}/nginx.pid;")
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("access_log off;", f"access_log off; {places}")
    file = folder / "nginx.conf"
    file.write_text(text)
    process = subprocess.Popen([binary, "-c", str(file), "-e", str(folder / "nginx.log")])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


class Load:
    """Clients that call for ever and remember what came of each call, and when."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._running = True
        self.answered: set[str] = set()
        self.failed: list[tuple[float, float, str]] = []  # begin, end, what

    async def client(self, number: int) -> None:
        rng = random.Random(number)
        headers = {"authorization": f"Bearer sk-{KEY}{number % USERS + 1}"}
        async with httpx.AsyncClient(base_url=self._address, headers=headers, timeout=60, trust_env=False) as http:
            while self._running:
                model = rng.choice(["plain", "stream", "short", "slow"])
                begun = time.monotonic()
                try:
                    what = await self._call(http, model)
                except httpx.TransportError as error:
                    what = type(error).__name__
                if what:
                    self.failed.append((begun, time.monotonic(), what))
                    await asyncio.sleep(0.05)

    async def _call(self, http: httpx.AsyncClient, model: str) -> str:
        body = {"model": model, "stream": model != "plain", "messages": [{"role": "user", "content": "hello"}]}
        answer = await http.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text[:100]}"
        if model != "plain" and not answer.text.endswith("data: [DONE]\n\n"):
            return "broken stream"
        self.answered.add(answer.headers["x-request-id"])
        return ""

    async def more(self, count: int) -> None:
        """Wait until so many more calls were answered."""
        wanted = len(self.answered) + count

        async def there() -> bool:
            return len(self.answered) >= wanted

        await until(there, f"calls are not answered: {self.failed[-3:]}")

    def stop(self) -> None:
        self._running = False


async def restarted(system: System, piece: Process) -> None:
    piece.start()
    if piece in system.edges:
        await system.ready(system.edges.index(piece))


@pytest.mark.timeout(400)
@pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None, reason="nginx is not installed"
)
async def test_each_piece_is_killed_and_restarted_under_load(tmp_path: Path, postgres_server: str):
    dsn = new_postgres(postgres_server, "cluster")
    async with open_system(tmp_path, dsn, short=streamed(10, 0.03)) as system:
        await system.seed(users=USERS)
        for number in range(3):
            system.add_edge(NODE_NAME=f"edge{number}")
        for number in range(2):
            system.add_worker(NODE_NAME=f"worker{number}")
        for number in range(3):
            await system.ready(number)
        with run_nginx(tmp_path, system.ports) as address:
            load = Load(address)
            clients = [asyncio.create_task(load.client(number)) for number in range(CLIENTS)]
            killed: list[float] = []
            try:
                for piece in (*system.edges, *system.workers):
                    await load.more(CALLS_BETWEEN)
                    piece.kill()
                    killed += [time.monotonic()] if piece in system.edges else []
                    await load.more(CALLS_BETWEEN)  # the others carry on
                    await restarted(system, piece)
                await load.more(CALLS_BETWEEN)
                graceful_from = len(load.failed)
                for piece in (*system.edges, system.workers[0]):  # a rolling restart; streams of two seconds run
                    piece.terminate()
                    assert await piece.wait() == 0
                    await load.more(CALLS_BETWEEN)
                    await restarted(system, piece)
                await load.more(CALLS_BETWEEN)
                assert load.failed[graceful_from:] == [], "a restart by SIGTERM is not noticed"
                load.stop()
                await asyncio.wait_for(asyncio.gather(*clients), 60)
            finally:
                load.stop()
                for client in clients:
                    client.cancel()
                await asyncio.gather(*clients, return_exceptions=True)
        for begun, ended, what in load.failed:
            assert any(begun <= at and ended <= at + GRACE_S for at in killed), (begun, ended, killed, what)
        assert len(load.failed) <= CLIENTS * len(killed)
        await system.check_books(load.answered, others=True)
        extra = len(set(await system.charged()) - load.answered)
        print(
            f"\n3 edges and 2 workers, each killed once: {len(load.answered)} calls answered and charged once, {len(load.failed)} in"
            f" flight on a killed edge failed, {extra} of them charged"
        )
        assert extra <= len(load.failed), "whatever else was charged is a call that a killed edge had in flight"
