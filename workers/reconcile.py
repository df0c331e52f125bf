"""Proof of the books: the ledger sums up to the balances, and the hot balances are truth - holds - pending records.

Reads only, unless asked to repair; then a difference becomes an explicit `adjust` entry of the ledger, so that it can be
seen for ever. The balance itself is what the account sees and is never changed here.
"""

import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, case, false, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import Keys
from schema.ledger.loading import Wanted, count_backlogs
from schema.ledger.truth import make_truth_reader
from schema.migrate import read_meta
from schema.tables import LedgerEntry, Token, User

PAGE = 500  # hot balances compared at once
SETTLED_KINDS = ("settle", "settle_rest", "refund")  # what moves used quota
DRIFTS_MAX = 10_000  # differences reported; the sum covers all


class Drift(Struct, frozen=True):
    """One difference. `found` is what the account has, `expected` what the books say."""

    kind: str  # user, token, used, hot, hot_token
    user_id: int
    token_id: int
    found: int
    expected: int

    def __str__(self) -> str:
        who = f"user {self.user_id}" + (f", token {self.token_id}" if self.token_id else "")
        what = {
            "user": "balance", "token": "remaining quota", "used": "used quota", "hot": "hot balance",
            "hot_token": "hot remaining quota",
        }[self.kind]  # fmt: skip
        return f"{who}: {what} {self.found}, expected {self.expected}, difference {self.found - self.expected:+}"


class Report(Struct, frozen=True):
    """What was compared, and what did not agree."""

    users: int
    tokens: int
    hot: int
    drifts: list[Drift]

    @property
    def units(self) -> int:
        """Sum of all differences without their signs: the gauge ledger_drift_units."""
        return sum(abs(drift.found - drift.expected) for drift in self.drifts)


async def reconcile(engine: AsyncEngine, execute: Execute | None, partitions: int) -> Report:
    """Compare everything. `execute`: None leaves the hot balances out (Redis is away)."""
    users, drifts = await _check_users(engine)
    tokens, more = await _check_tokens(engine)
    drifts += more
    hot = 0
    if execute is not None:
        hot, more = await check_hot(engine, execute, Keys(partitions))
        drifts += more
    return Report(users, tokens, hot, drifts[:DRIFTS_MAX])


async def _check_users(engine: AsyncEngine) -> tuple[int, list[Drift]]:
    """One statement, so one moment, whatever is settled meanwhile."""
    settled = LedgerEntry.kind.in_(SETTLED_KINDS)
    books = (
        select(
            LedgerEntry.user_id.label("user_id"),
            func.sum(case((LedgerEntry.balance == "user", LedgerEntry.delta), else_=0)).label("total"),
            func.sum(case((settled, -LedgerEntry.delta), else_=0)).label("used"),
        )
        .group_by(LedgerEntry.user_id)
        .subquery()
    )
    statement = select(
        User.id, func.coalesce(User.quota, 0), func.coalesce(User.used_quota, 0), books.c.total, books.c.used
    ).outerjoin(books, books.c.user_id == User.id)
    is_new = await read_meta(engine, "origin") == "new"  # an adopted account has used what our ledger never saw
    drifts: list[Drift] = []
    async with engine.connect() as db:
        rows = (await db.execute(statement)).all()
    for user_id, quota, used, total, settled_quota in rows:
        if int(quota) != int(total or 0):
            drifts.append(Drift("user", user_id, 0, int(quota), int(total or 0)))
        if is_new and int(used) != int(settled_quota or 0):
            drifts.append(Drift("used", user_id, 0, int(used), int(settled_quota or 0)))
    return len(rows), drifts


async def _check_tokens(engine: AsyncEngine) -> tuple[int, list[Drift]]:
    books = (
        select(LedgerEntry.token_id.label("token_id"), func.sum(LedgerEntry.token_delta).label("total"))
        .where(LedgerEntry.token_id != 0)
        .group_by(LedgerEntry.token_id)
        .subquery()
    )
    statement = (
        select(Token.id, func.coalesce(Token.user_id, 0), func.coalesce(Token.remain_quota, 0), books.c.total)
        .outerjoin(books, books.c.token_id == Token.id)
        .where(
            func.coalesce(Token.unlimited_quota, false()) == false(),
            func.coalesce(Token.remain_quota, 0) != func.coalesce(books.c.total, 0),
        )
    )
    async with engine.connect() as db:
        count = (await db.execute(select(func.count()).select_from(Token))).scalar_one()
        rows = (await db.execute(statement)).all()
    return count, [Drift("token", user, token, int(left), int(total or 0)) for token, user, left, total in rows]


async def check_hot(engine: AsyncEngine, execute: Execute, keys: Keys) -> tuple[int, list[Drift]]:
    """Hot balances alone: how many were compared, and those that are not truth - holds - pending."""
    compared = 0
    drifts: list[Drift] = []
    for partition in range(keys.partitions):
        cursor = b"0"
        prefix = f"mx:{{{partition}}}:b:"
        while True:
            cursor, names = await execute(b"SCAN", cursor, b"MATCH", prefix + "*", b"COUNT", PAGE)
            wanted: list[Wanted] = []
            for name in names:
                user_id = int(name.rsplit(b":", 1)[1])
                fields = await execute(b"HKEYS", name)
                if b"q" in fields:
                    wanted.append((user_id, 0))
                    wanted += [(user_id, int(field[1:])) for field in fields if field.startswith(b"t")]
            for start in range(0, len(wanted), PAGE):
                part = wanted[start : start + PAGE]
                drifts += await _audit(engine, execute, keys, part)
                compared += len(part)
            if int(cursor) == 0:
                break
    return compared, drifts


async def _audit(engine: AsyncEngine, execute: Execute, keys: Keys, wanted: Sequence[Wanted]) -> list[Drift]:
    epochs = [await execute(b"GET", f"{keys.tag(user)}e:{user}") or b"0" for user, _ in wanted]
    truths = await make_truth_reader(engine, keys.partitions)(wanted)
    backlogs = await count_backlogs(execute, keys, truths)
    drifts: list[Drift] = []
    for (user_id, token_id), epoch in zip(wanted, epochs, strict=True):
        truth = truths.get((user_id, token_id))
        if truth is None:
            continue  # the account was deleted meanwhile; its hot balance expires
        tag, backlog = keys.tag(user_id), backlogs[keys.partition(user_id)]
        answer = await evaluate(
            execute,
            scripts.LOAD,
            (keys.balance(user_id), f"{tag}e:{user_id}", f"{tag}usage"),
            (
                epoch, user_id, truth.quota - backlog.users.get(user_id, 0), backlog.position, 0, 0, token_id,
                truth.remaining - backlog.tokens.get(token_id, 0), b"audit",
            ),
        )  # fmt: skip
        if answer[0] == 0:
            continue  # it moved while we looked: it is loaded again anyway
        kind, hot, expected = ("hot_token", *answer[3:5]) if token_id else ("hot", *answer[1:3])
        if hot != b"" and int(hot) != expected:
            drifts.append(Drift(kind, user_id, token_id, int(hot), expected))
    return drifts


async def repair(
    engine: AsyncEngine, execute: Execute | None, partitions: int, drifts: Sequence[Drift], actor: str
) -> int:
    """Write an `adjust` entry for each difference between ledger and balance; drop hot balances that are wrong.

    Returns how many were repaired. Used quota is left alone: it is a statistic, not a balance.
    """
    keys = Keys(partitions)
    now_ms = time.time_ns() // 1_000_000
    repaired = 0
    for drift in drifts:
        if drift.kind in ("hot", "hot_token"):
            if execute is not None:
                names = (f"{keys.tag(drift.user_id)}e:{drift.user_id}", keys.balance(drift.user_id))
                await evaluate(execute, scripts.CHANGED, names, (3600,))
                repaired += 1
        elif drift.kind in ("user", "token"):
            repaired += await _write_adjustment(engine, drift, actor, now_ms)
    return repaired


async def _write_adjustment(engine: AsyncEngine, drift: Drift, actor: str, now_ms: int) -> int:
    """The difference is taken again inside the transaction: it may have been repaired by somebody else."""
    is_token = drift.kind == "token"
    async with engine.begin() as db:
        if is_token:
            found = select(func.coalesce(Token.remain_quota, 0)).where(Token.id == drift.token_id)
            total = select(func.coalesce(func.sum(LedgerEntry.token_delta), 0)).where(
                LedgerEntry.token_id == drift.token_id
            )
        else:
            found = select(func.coalesce(User.quota, 0)).where(User.id == drift.user_id)
            total = select(func.coalesce(func.sum(LedgerEntry.delta), 0)).where(
                and_(LedgerEntry.user_id == drift.user_id, LedgerEntry.balance == "user")
            )
        row: Any = (await db.execute(select(found.scalar_subquery(), total.scalar_subquery()))).one()
        if row[0] is None or int(row[0]) == int(row[1]):
            return 0
        difference = int(row[0]) - int(row[1])
        await db.execute(
            insert(LedgerEntry).values(
                kind="adjust",
                reference=f"reconcile:{drift.kind}:{drift.token_id if is_token else drift.user_id}:{now_ms}",
                balance="token" if is_token else "user",
                user_id=drift.user_id,
                token_id=drift.token_id,
                delta=0 if is_token else difference,
                token_delta=difference if is_token else 0,
                actor=actor,
                reason="difference between balance and ledger found by reconcile",
                at_ms=now_ms,
            )
        )
    return 1
