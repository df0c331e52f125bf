"""A running gateway with two edges, a worker and people of every rank: what the attacks are made on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bcrypt
import httpx
from sqlalchemy import insert, select, update

from schema.tables import Log, Redemption, Token, User
from tests.system import KEY, System, open_system

PASSWORD = "a very good password"
HASHED = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12, prefix=b"2a")).decode()
SITE = "https://gate.example.com"
# id -> (name, role)
PEOPLE = {1: ("ann", 1), 2: ("bob", 1), 3: ("adele", 10), 4: ("albert", 10), 5: ("rooty", 100), 6: ("vic", 1)}
ANN, BOB, ADELE, ALBERT, ROOT, VIC = PEOPLE


class House:
    """`people`: signed-in browsers by user id; `as_of` a new one that nobody knows."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.people: dict[int, httpx.AsyncClient] = {}

    def visitor(self, edge: int = 0, address: str = "", **headers: str) -> httpx.AsyncClient:
        """Somebody behind the trusted proxy on loopback, from an address of its own where one is given."""
        told = {"x-forwarded-for": address} if address else {}
        return httpx.AsyncClient(
            base_url=self.system.address(edge), headers={**told, **headers}, timeout=60, trust_env=False
        )

    async def sign_in(self, user_id: int, edge: int = 0, **headers: str) -> httpx.AsyncClient:
        http = self.visitor(edge, **headers)
        reply = await http.post("/api/user/login", json={"username": PEOPLE[user_id][0], "password": PASSWORD})
        assert reply.json().get("data", {}).get("id") == user_id, reply.text
        cookie = reply.headers["set-cookie"].partition(";")[0]  # bound to https by the address in the settings
        http.headers.update({"cookie": cookie, "new-api-user": str(user_id)})
        return http

    async def row(self, user_id: int) -> Any:
        async with self.system.engine.connect() as db:
            return (await db.execute(select(User.__table__).where(User.id == user_id))).one()

    async def set_user(self, user_id: int, **values: Any) -> None:
        async with self.system.engine.begin() as db:
            await db.execute(update(User).where(User.id == user_id).values(**values))


async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    """An upstream that fails."""
    body = b'{"error":{"message":"no","type":"invalid_request_error","code":"bad"}}'
    writer.write(
        b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    environ = {"GLOBAL_API_RATE_LIMIT_ENABLE": "false", "CRITICAL_RATE_LIMIT": "100000", "GENERATE_DEFAULT_TOKEN": "true", "ERROR_LOG_ENABLED": "true"}  # fmt: skip
    async with open_system(folder, environ=environ, broken=break_off) as system:
        await system.seed(users=len(PEOPLE), ServerAddress=SITE, Notice="", PasskeyLoginEnabled="true")
        async with system.engine.begin() as db:
            for user_id, (name, role) in PEOPLE.items():
                values = {"username": name, "role": role, "password": HASHED, "email": f"{name}@example.com"}
                await db.execute(update(User).where(User.id == user_id).values(values))
            await db.execute(insert(Log).values(user_id=BOB, username="bob", type=2, content="bob's", created_at=1))
            await db.execute(
                insert(Redemption).values(id=1, user_id=ROOT, key="r" * 32, status=1, name="x", quota=5, created_time=1)
            )
        system.add_edge()
        system.add_edge(TRUSTED_PROXIES="203.0.113.0/24")
        system.add_worker()
        await system.ready(0)
        await system.ready(1)
        house = House(system)
        for user_id in PEOPLE:
            if user_id != VIC:
                house.people[user_id] = await house.sign_in(user_id)
        try:
            yield house
        finally:
            for http in house.people.values():
                await http.aclose()


def token_of(user_id: int) -> str:
    return f"sk-{KEY}{user_id}"


async def new_token(system: System, user_id: int, key: str, **values: Any) -> None:
    """A relay token with limits of its own."""
    row = {
        "user_id": user_id, "key": key, "name": "t", "status": 1, "expired_time": -1, "unlimited_quota": True,
        "remain_quota": 0, "created_time": int(time.time()), **values,
    }  # fmt: skip
    async with system.engine.begin() as db:
        await db.execute(insert(Token).values(row))
