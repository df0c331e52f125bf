"""Every minute: tokens past their time become expired, used-up ones exhausted, and credited ones usable again."""

import time
from typing import Any

from sqlalchemy import false, func, select, update

from schema.ledger.signals import token_changed
from schema.tables import Token
from workers.context import Worker
from workers.jobs.job import Job

BATCH_MAX = 1_000  # tokens changed in one transaction
ENABLED, EXPIRED, EXHAUSTED = 1, 3, 4  # tokens.status


async def expire_tokens(ctx: dict[str, Any]) -> int:
    """Returns how many tokens changed."""
    worker: Worker = ctx["worker"]
    now_s = int(time.time())
    limited = func.coalesce(Token.unlimited_quota, false()) == false()
    in_time = (Token.expired_time == -1) | (Token.expired_time >= now_s)
    changes = (
        (ENABLED, EXPIRED, (Token.expired_time != -1, Token.expired_time < now_s)),
        (ENABLED, EXHAUSTED, (limited, Token.remain_quota <= 0)),
        (EXHAUSTED, ENABLED, (~limited | (Token.remain_quota > 0), in_time)),
    )
    changed = 0
    for old, new, conditions in changes:
        wanted = select(Token.id).where(Token.status == old, Token.deleted_at.is_(None), *conditions).limit(BATCH_MAX)
        async with worker.engine.connect() as db:
            ids = list((await db.execute(wanted)).scalars())
        if not ids:
            continue
        async with worker.engine.begin() as db:
            await db.execute(
                update(Token).where(Token.id.in_(ids), Token.status == old, *conditions).values(status=new)
            )
        for token_id in ids:
            await token_changed(worker.redis, token_id)
        changed += len(ids)
    return changed


JOBS = [Job(name="token_expiry", run=expire_tokens, every_s=60, timeout_s=50)]
