"""What the console notes down: log rows for people, audit rows for operators."""

import time
from typing import Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.routes import Actor
from edge.services import Services
from schema.tables import AuditEntry, Log

TOP_UP, MANAGEMENT, SYSTEM = 1, 3, 4  # types of log rows


async def write_log(services: Services, kind: int, user_id: int, username: str, text: str, quota: int = 0) -> None:
    """One log row, after the commit of what it tells of: the log may live in another database."""
    row = {"user_id": user_id, "username": username, "type": kind, "content": text, "quota": quota}
    async with services.log_engine.begin() as db:
        await db.execute(insert(Log).values(created_at=int(time.time()), **row))


async def audit(
    db: AsyncConnection, actor: Actor, action: str, subject: str, subject_id: object, **detail: Any
) -> None:
    """One audit row in the transaction of the change. `detail` holds no secret."""
    row = {"at_ms": time.time_ns() // 1_000_000, "actor_id": actor.id, "actor": actor.username[:64], "action": action}
    row |= {"ip": actor.ip[:64]}
    text = msgspec.json.encode(detail).decode()
    await db.execute(insert(AuditEntry).values(**row, subject=subject, subject_id=str(subject_id)[:191], detail=text))
