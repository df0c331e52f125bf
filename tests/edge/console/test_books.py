"""What root sees of the books: nothing yet, then what the workers' last look found; nobody else sees it."""

from schema.ledger.keys import METRICS
from schema.redis_losses import EMPTIED, RedisLoss, write_loss

LOSS = RedisLoss(partitions="0-15", since="2026-01-01T00:00:00.000Z", seen="2026-01-01T00:00:01.000Z",
                 noticed="2026-01-01T00:00:02.000Z", waiting=3, waiting_quota=675, open=2, held=900)  # fmt: skip


async def test_books_are_unknown_until_a_worker_has_looked(console):
    async with console.visitor() as root:
        await console.set_up(root)
        assert (await root.get("/api/books")).json()["data"] == {
            "drifts": None, "drift_units": None, "losses": [],
        }  # fmt: skip
        await console.services.redis.hset(
            METRICS + "ledger", mapping={"drifts": 2, "drift_units": 1500, "books_units": 0}
        )
        async with console.services.engine.begin() as db:
            await write_loss(db, EMPTIED, LOSS, 1)
        books = (await root.get("/api/books")).json()["data"]
        assert (books["drifts"], books["drift_units"]) == (2, 1500)
        (loss,) = books["losses"]
        assert (loss["action"], loss["since"], loss["waiting"]) == ("redis.emptied", LOSS.since, 3)
    async with console.visitor() as nobody:
        assert (await nobody.get("/api/books")).status_code == 401
