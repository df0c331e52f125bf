"""A client whose requests are known to the door from the second on, and what became of its calls."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from schema.tables import Log
from tests.system import BALANCE, KEY, Behaviour, System, plain, until

CHAT = "/v1/chat/completions"


class Answer(Struct, frozen=True):
    status: int
    head: str
    body: bytes

    @property
    def request_id(self) -> str:
        return re.search(r"x-request-id: (\S+)", self.head)[1]

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


class Client:
    """One connection that says the same head each time, each request in one write."""

    def __init__(self, system: System, *, user: int = 1, path: str = CHAT, **headers: str) -> None:
        self._port = system.ports[0]
        told = {"host": "x", "authorization": f"Bearer sk-{KEY}{user}", "content-type": "application/json", **headers}
        self._head = f"POST {path} HTTP/1.1\r\n" + "".join(
            f"{k.replace('_', '-')}: {v}\r\n" for k, v in told.items() if v
        )

    async def __aenter__(self) -> "Client":
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, model: str, body: bytes = b"", **more: Any) -> None:
        said = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
        body = body or json.dumps(said).encode()
        self.writer.write(f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def answer(self) -> Answer:
        return await asyncio.wait_for(self._read(), 60)

    async def _read(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"content-length: (\d+)", head)
        if found is not None:
            body = await self._reader.readexactly(int(found[1]))
        else:
            body = b"".join([part async for part in self.parts()])
        return Answer(int(head.split()[1]), head, body)

    async def head(self) -> str:
        """Of an answer whose body is read by `parts`."""
        return (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 30)).decode()

    async def parts(self) -> AsyncIterator[bytes]:
        """Chunks as they were sent."""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield await self._reader.readexactly(size)
            assert await self._reader.readexactly(2) == b"\r\n"
        assert await self._reader.readexactly(2) == b"\r\n"

    async def ask(self, model: str, body: bytes = b"", **more: Any) -> Answer:
        self.send(model, body, **more)
        return await self.answer()


def turning(*later: Behaviour, at: int = 2, first: Behaviour = plain) -> Behaviour:
    """`first` before call `at`, so that the way is known and a connection idle; then as told, the last for ever."""
    calls = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
        nonlocal calls
        calls += 1
        wanted = first if calls < at else later[min(calls - at, len(later) - 1)]
        await wanted(reader, writer, body)

    return answer


def whole(body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (status, kind, len(body)) + body


async def expressed(system: System) -> int:
    """Calls on the express way so far, those that were answered a moment ago among them."""
    async with system.client() as http:
        told = (await http.get("/metrics")).text
    found = re.search(r"^medusa_express_calls_total (\S+)$", told, re.MULTILINE)
    assert found is not None, told
    return int(float(found[1]))


async def rows(system: System, *answers: Answer) -> list[dict[str, Any]]:
    """The log rows of answered calls, without what differs from call to call."""
    wanted = [answer.request_id for answer in answers]

    async def there() -> list[dict[str, Any]]:
        async with system.engine.connect() as db:
            found = (
                (await db.execute(select(*Log.__table__.columns).where(Log.request_id.in_(wanted)))).mappings().all()
            )
        return [dict(row) for row in found] if len(found) == len(wanted) else []

    found = await until(there, "the calls are not in the log")
    for row in found:
        for name in ("id", "created_at", "request_id", "use_time", "elapsed_time"):
            row.pop(name, None)
        other = json.loads(row["other"])
        row["other"] = {k: v for k, v in other.items() if k not in ("frt", "request_id")}
    return found


async def settled(system: System, before: int, charged: int, user: int = 1) -> None:
    async def there() -> bool:
        return await system.balance(user) == before - charged and await no_holds(system)

    await until(there, f"{before} - {charged} is not {await system.balance(user)}, or a hold is left")


async def no_holds(system: System) -> bool:
    """Allowances aside: they are holds of an edge, not of a call."""
    return await system.holds() == 0


async def replayed(system: System, answer: Answer, charged: int) -> None:
    """What was answered while Redis was dead lies on the disk, and is in the books when it is back."""
    assert sum(file.stat().st_size for file in (system.folder / "spool").glob("*.spool")) > 0
    system.valkey.start()
    await system.valkey_ready()
    system.add_worker()

    async def booked() -> bool:
        return answer.request_id in await system.charged()

    await until(booked, "the spooled record is not in the books")
    await settled(system, BALANCE, charged)
