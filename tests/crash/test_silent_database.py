"""A database that falls silent at any step of a read costs whoever waits its time, never more."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import select, text

from schema.database import GIVE_BACK_S, DatabaseAway, Engine, make_engine, read_within
from tests.crash.wire import Wire, open_wire
from tests.services import new_mariadb, new_postgres

WITHIN_S = 0.5
LATE_S = WITHIN_S + GIVE_BACK_S + 2.5  # asyncpg gives a server two seconds to take its leave


@pytest_asyncio.fixture(params=["postgres", "mariadb"])
async def wired(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Wire, Engine]]:
    server = request.getfixturevalue(f"{request.param}_server")
    dsn = (new_postgres if request.param == "postgres" else new_mariadb)(server, "silent")
    port = int("".join(c for c in dsn.partition("127.0.0.1:")[2].partition("/")[0] if c.isdigit()))
    async with open_wire(("127.0.0.1", port)) as wire:
        engine = make_engine(dsn.replace(f":{port}", f":{wire.port}"), pool_size=1, pool_max=1)
        try:
            yield wire, engine
        finally:
            wire.heal()
            await engine.dispose()


async def read(engine: Engine, wire: Wire, silent: str) -> None:
    if silent == "before":
        wire.go_dead()
    async with read_within(engine, WITHIN_S) as db:
        await db.execute(select(1))
        if silent == "between":
            wire.go_dead()
            await db.execute(select(2))
        if silent == "at the end":  # all is read, and the connection is to be given back
            wire.go_dead()


@pytest.mark.parametrize("silent", ["before", "between", "at the end"])
async def test_a_read_ends_and_the_next_one_works(wired: tuple[Wire, Engine], silent: str) -> None:
    wire, engine = wired
    await read(engine, wire, "")
    begun_s = time.monotonic()
    async with asyncio.timeout(30):
        with pytest.raises(DatabaseAway):
            await read(engine, wire, silent)
    assert time.monotonic() - begun_s < LATE_S
    wire.heal()
    await read(engine, wire, "")  # the pool has but one connection: the dead one was not kept


async def test_a_read_that_has_ended_is_left_alone(wired: tuple[Wire, Engine]) -> None:
    """The connection goes on to serve others after the time of the one who had it first."""
    _, engine = wired
    async with read_within(engine, WITHIN_S) as db:
        await db.execute(select(1))
    async with engine.connect() as db:
        await asyncio.sleep(WITHIN_S + GIVE_BACK_S + 0.2)
        assert (await db.execute(text("SELECT 7"))).scalar_one() == 7
