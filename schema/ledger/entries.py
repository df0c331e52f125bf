"""The SQL side of money outside settlement: one function moves a balance and writes the ledger entry that says why.

LedgerError
├── AlreadyPosted     this (kind, reference) stands in the ledger: the movement has happened before
├── NoSuchAccount     there is no such user or token
├── BalanceTooLow     the guard NOT_NEGATIVE: the balance would fall below zero
└── BalanceMoved      the guard Expect: the balance is not what the editor saw
"""

import time
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from schema.quota import Quota
from schema.tables import LedgerEntry, Token, User

KINDS = frozenset(
    {
        "opening",  # what an account had when its database was adopted, or when it was first reconciled
        "settle",  # a call
        "settle_rest",  # what a call cost beyond the checkpoint charged while its process was thought dead
        "reserve",  # an amount taken in advance for a task
        "release",  # such an amount given back
        "refund",  # a charge given back
        "topup",  # paid online
        "redeem",  # a redemption code
        "gift",  # given to a new account
        "invite",  # reward for an invitation
        "transfer",  # reward moved to the balance
        "adjust",  # edited by an administrator or a token's owner, repaired, or repriced
    }
)


class LedgerError(Exception):
    """Nothing was moved; the caller rolls its transaction back."""


class AlreadyPosted(LedgerError):
    """This (kind, reference) stands in the ledger."""


class NoSuchAccount(LedgerError):
    """There is no such user or token."""


class BalanceTooLow(LedgerError):
    """The balance would fall below zero."""

    def __init__(self, *, needed: Quota, available: Quota) -> None:
        super().__init__(f"needs {needed} quota, has {available}")
        self.needed, self.available = needed, available


class BalanceMoved(LedgerError):
    """The balance is not what the editor saw."""

    def __init__(self, *, expected: Quota, found: Quota) -> None:
        super().__init__(f"the balance was {expected} and is {found} now")
        self.expected, self.found = expected, found


class NotNegative(Struct, frozen=True):
    """Guard: only if the balance stays at or above zero."""


class Expect(Struct, frozen=True):
    """Guard: only if the balance is still what the editor saw."""

    balance: int


NOT_NEGATIVE = NotNegative()
Database = AsyncConnection | AsyncSession


async def post(
    db: Database,
    *,
    kind: str,
    reference: str,
    user_id: int,
    delta: int,
    token_id: int | None = None,
    token_delta: int = 0,
    balance: str = "user",
    actor: str = "system",
    reason: str = "",
    guard: NotNegative | Expect | None = None,
    at_ms: int | None = None,
) -> None:
    """Move a balance in the caller's transaction. After its commit the caller awaits `signals.balance_changed`.

    Args:
        kind, reference: unique together; a second post of them raises AlreadyPosted and moves nothing.
        delta: quota, signed; moves `users.quota` (or `users.aff_quota` with balance="aff").
        token_id, token_delta: a limited token whose `remain_quota` moves as well; with balance="token" it alone moves,
            and `delta` is 0.
        actor: `system`, `user:<id>`, or a command's name.
        guard: checked on the balance that moves: the user's, or the token's with balance="token".
    """
    assert kind in KINDS, kind
    assert balance in ("user", "token", "aff"), balance
    assert balance != "token" or (delta == 0 and token_id), "a movement of a token alone has delta 0"
    entry = {
        "kind": kind,
        "reference": reference[:255],
        "balance": balance,
        "user_id": user_id,
        "token_id": token_id or 0,
        "delta": delta,
        "token_delta": token_delta,
        "actor": actor[:64],
        "reason": reason[:255],
        "at_ms": at_ms if at_ms is not None else time.time_ns() // 1_000_000,
    }
    if not await _insert_new(db, entry):
        raise AlreadyPosted(f"{kind} {reference}")
    if balance == "token":
        await _move(db, Token.remain_quota, Token.id, token_id or 0, token_delta, guard)
        return
    await _move(db, User.aff_quota if balance == "aff" else User.quota, User.id, user_id, delta, guard)
    if token_id and token_delta:
        await _move(db, Token.remain_quota, Token.id, token_id, token_delta, None)


async def _insert_new(db: Database, entry: dict[str, Any]) -> bool:
    """False when (kind, reference) is taken; the transaction stays usable, which a failed INSERT would not leave it."""
    dialect = db.dialect.name if isinstance(db, AsyncConnection) else db.get_bind().dialect.name
    if isinstance(db, AsyncSession):
        await db.flush()
    connection = db if isinstance(db, AsyncConnection) else await db.connection()
    if dialect == "mysql":  # there a failed statement does not end the transaction
        try:
            await connection.execute(insert(LedgerEntry).values(entry))
        except IntegrityError:
            return False
        return True
    dialect_insert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    result = await connection.execute(dialect_insert(LedgerEntry).values(entry).on_conflict_do_nothing())
    return bool(result.rowcount == 1)


async def _move(
    db: Database, column: Any, key: Any, row_id: int, delta: int, guard: NotNegative | Expect | None
) -> None:
    current: ColumnElement[int] = func.coalesce(column, 0)
    conditions = [key == row_id]
    if isinstance(guard, NotNegative):
        conditions.append(current + delta >= 0)
    elif isinstance(guard, Expect):
        conditions.append(current == guard.balance)
    statement = (
        update(column.class_)
        .where(*conditions)
        .values({column: current + delta})
        .execution_options(synchronize_session=False)
    )
    result: Any = await db.execute(statement)
    if result.rowcount == 1:  # rows found, on MySQL as well
        return
    found = (await db.execute(select(current).where(key == row_id))).scalar_one_or_none()
    if found is None:
        raise NoSuchAccount(f"{column.class_.__tablename__} {row_id}")
    if isinstance(guard, Expect):
        raise BalanceMoved(expected=Quota(guard.balance), found=Quota(found))
    raise BalanceTooLow(needed=Quota(-delta), available=Quota(found))
