"""What root sees of the books: nothing yet, then what the workers' last look found; nobody else sees it."""

from schema.ledger.keys import METRICS


async def test_books_are_unknown_until_a_worker_has_looked(console):
    async with console.visitor() as root:
        await console.set_up(root)
        assert (await root.get("/api/books")).json()["data"] == {"drifts": None, "drift_units": None}
        await console.services.redis.hset(
            METRICS + "ledger", mapping={"drifts": 2, "drift_units": 1500, "books_units": 0}
        )
        assert (await root.get("/api/books")).json()["data"] == {"drifts": 2, "drift_units": 1500}
    async with console.visitor() as nobody:
        assert (await nobody.get("/api/books")).status_code == 401
