"""Balances as SQL has them, each together with the stream position that it contains: one statement, so one moment."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import String, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from schema.database import read_within
from schema.ledger.loading import Truth, Wanted
from schema.tables import SettleCursor, Token, User

READ_S_MAX = 10.0  # somebody waits for a balance


def make_truth_reader(
    engine: AsyncEngine, partitions: int
) -> Callable[[Sequence[Wanted]], Awaitable[dict[Wanted, Truth]]]:
    """For HotLedger: reads users and limited tokens. Accounts that do not exist are missing in the answer.

    Raises DatabaseAway.
    """

    async def read_truth(batch: Sequence[Wanted]) -> dict[Wanted, Truth]:
        users = {user for user, _ in batch}
        tokens = {token for _, token in batch if token}
        statement = (
            select(
                User.id,
                func.coalesce(User.quota, 0),
                Token.id,
                func.coalesce(Token.remain_quota, 0),
                func.coalesce(cast(SettleCursor.position, String(64)), "0-0"),
            )
            .select_from(User)
            .outerjoin(Token, and_(Token.user_id == User.id, Token.id.in_(tokens or {0})))
            .outerjoin(SettleCursor, SettleCursor.partition == User.id % partitions)
            .where(User.id.in_(users))
        )
        async with read_within(engine, READ_S_MAX) as db:
            rows = (await db.execute(statement)).all()
        found: dict[Wanted, Truth] = {}
        for user_id, quota, token_id, remaining, position in rows:
            found[(user_id, 0)] = Truth(quota, 0, position)
            if token_id is not None:
                found[(user_id, token_id)] = Truth(quota, remaining, position)
        return {wanted: found[wanted] for wanted in batch if wanted in found}

    return read_truth
