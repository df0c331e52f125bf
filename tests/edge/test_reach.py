"""Options, channels, tokens and bans that are changed on one edge are in force on all three within two seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, update

from schema.tables import Channel, User
from tests.services import new_postgres
from tests.system import System, open_system

EDGES, WITHIN_S, ROUNDS = 3, 2.0, 2
ADMIN = "a" * 32
Condition = Callable[[int], Awaitable[bool]]


class Reach:
    """Changes through the console of the first edge, and when each edge acts on them."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.took_s: dict[str, list[float]] = {}

    async def change(self, method: str, path: str, token: str, body: dict[str, object]) -> None:
        headers = {"authorization": token}
        async with httpx.AsyncClient(base_url=self._system.address(), headers=headers, trust_env=False) as http:
            answer = (await http.request(method, path, json=body)).json()
            assert answer["success"], answer

    async def call(self, edge: int, user: int, content: str = "hi") -> int:
        body = {"model": "plain", "messages": [{"role": "user", "content": content}]}
        async with self._system.client(edge, user=user) as http:
            return (await http.post("/v1/chat/completions", json=body)).status_code

    async def everywhere(self, kind: str, condition: Condition) -> None:
        begun_s = time.monotonic()

        async def on(edge: int) -> float:
            while not await condition(edge):
                assert time.monotonic() < begun_s + 10 * WITHIN_S, f"edge {edge} does not know: {kind}"
                await asyncio.sleep(0.02)
            return time.monotonic() - begun_s

        self.took_s.setdefault(kind, []).extend(await asyncio.gather(*map(on, range(EDGES))))


@pytest.mark.timeout(180)
async def test_a_change_on_one_edge_is_in_force_on_all(tmp_path: Path, postgres_server: str):
    dsn = new_postgres(postgres_server, "reach")
    async with open_system(tmp_path, dsn) as system:
        await system.seed(users=3, CheckSensitiveEnabled="true", CheckSensitiveOnPromptEnabled="true", RetryTimes="0")
        async with system.engine.begin() as db:
            root = {"username": "root", "password": "", "role": 100, "status": 1, "quota": 0, "aff_code": "r"}
            await db.execute(insert(User).values(id=99, access_token=ADMIN, **root))
            await db.execute(update(User).where(User.id == 2).values(access_token="b" * 32))
            await db.execute(update(Channel).values(auto_ban=0))
        for number in range(EDGES):
            system.add_edge(NODE_NAME=f"edge{number}")
        for number in range(EDGES):
            await system.ready(number)
        reach = Reach(system)

        async def expect(kind: str, user: int, *statuses: int, content: str = "hi") -> None:
            async def there(edge: int) -> bool:
                return await reach.call(edge, user, content) in statuses

            await reach.everywhere(kind, there)

        for user in (1, 2, 3):
            await expect("warm", user, 200)
        for number in range(ROUNDS):
            word = f"forbidden{number}"
            await reach.change("PUT", "/api/option/", ADMIN, {"key": "SensitiveWords", "value": word})
            await expect("option", 1, 400, content=f"a {word} word")
            for status, answers in ((2, (503,)), (1, (200,))):
                await reach.change("PUT", "/api/channel/", ADMIN, {"id": 1, "status": status})
                await expect("channel", 1, *answers)
            for status, answers in ((2, (401, 403)), (1, (200,))):
                await reach.change("PUT", "/api/token/?status_only=true", "b" * 32, {"id": 2, "status": status})
                await expect("token", 2, *answers)
            for action, answers in (("disable", (401, 403)), ("enable", (200,))):
                await reach.change("POST", "/api/user/manage", ADMIN, {"id": 3, "action": action})
                await expect("ban", 3, *answers)
        del reach.took_s["warm"]
        for kind, took_s in reach.took_s.items():
            print(f"\n{kind}: {len(took_s)} edges told, at most {max(took_s):.2f} s after the answer", end="")
        assert {kind for kind, took_s in reach.took_s.items() if max(took_s) > WITHIN_S} == set()
