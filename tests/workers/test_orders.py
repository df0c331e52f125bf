"""Orders end when their time is over; paid ones and those of other people's time stay."""

import time
from types import SimpleNamespace

from sqlalchemy import insert, select

from schema.tables import TopUp, TopUpOrder
from workers.jobs.orders import AGE_S, expire_orders


def rows():
    """(id, status, own time: seconds from now or None, age in s)."""
    return [
        (1, "pending", -5, 60),
        (2, "pending", 500, 60),
        (3, "success", -5, 60),
        (4, "pending", None, 60),
        (5, "pending", None, AGE_S + 60),
        (6, "pending", 500, AGE_S + 60),
    ]


async def test_overdue_orders_expire(any_books):
    now_s = int(time.time())
    engine = any_books.engine
    async with engine.begin() as db:
        for number, status, left, age in rows():
            shown = {"user_id": 1, "amount": 1, "money": 7.3, "trade_no": f"N{number}", "create_time": now_s - age}
            await db.execute(insert(TopUp).values(id=number, status=status, **shown))
            own = {"user_id": 1, "provider": "epay", "money_minor": 730, "currency": "CNY", "quota": 500_000}
            times = {"created_ms": (now_s - age) * 1000, "expires_ms": (now_s + left) * 1000 if left is not None else 0}
            await db.execute(
                insert(TopUpOrder).values(trade_no=f"N{number}", top_up_id=number, status=status, **own, **times)
            )
        old = {"user_id": 1, "amount": 1, "money": 7.3, "trade_no": "theirs", "create_time": now_s - AGE_S - 60}
        await db.execute(insert(TopUp).values(id=7, status="pending", **old))
    for _ in range(2):
        await expire_orders({"worker": SimpleNamespace(engine=engine)})
    async with engine.connect() as db:
        own = (await db.execute(select(TopUpOrder.status).order_by(TopUpOrder.id))).scalars().all()
        shown = (await db.execute(select(TopUp.status).order_by(TopUp.id))).scalars().all()
    assert own == ["expired", "pending", "success", "pending", "expired", "pending"]
    assert shown == ["expired", "pending", "success", "pending", "expired", "pending", "expired"]
