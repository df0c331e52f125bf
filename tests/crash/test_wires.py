"""Faults of the network between our processes and their servers: connections reset, half-open, slow or refused, a failover that
loses writes. Calls are answered or refused with 503, everything recovers alone, and the books are exact."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import redis.asyncio
from sqlalchemy import insert

from schema.redis_losses import REWOUND, read_losses
from schema.tables import LedgerEntry, Token, User
from tests.crash.load import BODY, under_load
from tests.crash.wire import Wire, open_wire
from tests.services import free_port, new_postgres, run_valkey
from tests.system import BALANCE, KEY, System, open_system, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("wires"), pytest.mark.timeout(400)]
CLIENTS = 4
MODELS = ("plain", "stream", "slow")
RESETS = 20
DEAD_S = 5.0


class Wired:
    """A system whose edge and worker reach SQL and Valkey through wires in our hands. Tests look past them."""

    def __init__(self, system: System, sql: Wire, valkey: Wire) -> None:
        self.system, self.sql, self.valkey = system, sql, valkey


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def wired(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> AsyncIterator[Wired]:
    folder: Path = tmp_path_factory.mktemp("wires")
    dsn = new_postgres(postgres_server, "wires")
    address, _, name = dsn.rpartition("/")
    server_port = int(address.rpartition(":")[2])
    async with (
        open_wire(("127.0.0.1", server_port)) as sql,
        open_wire(str(folder / "v" / "valkey.sock")) as valkey,
    ):
        wires = {
            "SQL_DSN": f"postgresql://medusa@127.0.0.1:{sql.port}/{name}",
            "REDIS_CONN_STRING": f"redis://127.0.0.1:{valkey.port}/0",
        }
        async with open_system(folder, dsn, environ=wires) as system:
            await system.seed(users=CLIENTS)
            system.add_edge()
            system.add_worker()
            await system.ready()
            yield Wired(system, sql, valkey)


@pytest.fixture(autouse=True)
def whole_again(wired: Wired) -> Iterator[None]:
    """A test that fails leaves no cut wire to the next one."""
    yield
    for wire in (wired.sql, wired.valkey):
        wire.heal()
        wire.delay_s = 0.0


async def _in_books(wired: Wired, since: set[str], load_answered: set[str], broken: int) -> None:
    """What was answered since then is charged once, and of the rest only calls that a client began."""
    await wired.system.check_books(since | load_answered, others=True)
    extra = set(await wired.system.charged()) - since - load_answered
    assert len(extra) <= broken, f"{len(extra)} charged calls that nobody saw, {broken} broke off"


async def _console_says_so(wired: Wired) -> None:
    """People are told at once, in one sentence."""
    async with wired.system.client() as http:
        account = {"username": "user1", "password": "some password"}
        answer = await http.post("/api/user/login", json=account, headers={"authorization": ""})
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] in ("temporarily_unavailable", "limiter_unavailable") and answer.json()["message"]


async def test_connections_reset_at_random_moments(wired: Wired):
    rng = random.Random(3)
    before = set(await wired.system.charged())
    async with under_load(wired.system, CLIENTS, MODELS) as load:
        for number in range(RESETS):
            await load.more(3)
            await asyncio.sleep(rng.random() * 0.2)
            (wired.sql if number % 2 else wired.valkey).reset()
        await load.more(3)
    assert set(load.refused) <= {503}
    assert wired.valkey.resets + wired.sql.resets > RESETS
    await _in_books(wired, before, load.answered, load.broken + len(load.refused))


async def test_calls_go_on_without_sql(wired: Wired):
    """Refused for longer than anything about a caller is cached: known callers do not notice, records wait."""
    before = set(await wired.system.charged())
    async with under_load(wired.system, CLIENTS, MODELS) as load:
        await load.more(CLIENTS * 3)
        wired.sql.refuse()
        away_s = time.monotonic()
        while time.monotonic() < away_s + DEAD_S:
            await load.more(1)
        await _console_says_so(wired)
        wired.sql.heal()
        await load.more(CLIENTS)
    assert (load.refused, load.broken) == ([], 0)
    await _in_books(wired, before, load.answered, 0)


async def test_calls_go_on_while_sql_is_half_open(wired: Wired):
    """Nobody says that the database is gone. Known callers wait a moment once, a new one is told; then all is as before."""
    before = set(await wired.system.charged())
    async with wired.system.engine.begin() as db:
        owner = {"id": 77, "username": "new", "password": "", "quota": BALANCE, "aff_code": "new"}
        await db.execute(insert(User).values(**owner))
        await db.execute(
            insert(LedgerEntry).values(kind="opening", reference="user:77", user_id=77, delta=BALANCE, at_ms=1)
        )
        await db.execute(
            insert(Token).values(
                id=77, user_id=77, key=f"{KEY}x", status=1, expired_time=-1, unlimited_quota=True, remain_quota=0
            )
        )
    async with under_load(wired.system, CLIENTS, MODELS) as load:
        await load.more(CLIENTS * 3)
        wired.sql.go_dead()
        away_s = time.monotonic()
        while time.monotonic() < away_s + DEAD_S:
            await load.more(1)
        async with wired.system.client(user="x") as http:
            refused = await http.post("/v1/chat/completions", json=BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "temporarily_unavailable")
            wired.sql.heal()

            async def served() -> str:
                answer = await http.post("/v1/chat/completions", json=BODY)
                return answer.headers["x-request-id"] if answer.status_code == 200 else ""

            newcomers = {await until(served, "the new caller is not served after the database is back")}
        await load.more(CLIENTS)
    assert (load.refused, load.broken) == ([], 0)
    await _in_books(wired, before, load.answered | newcomers, 0)


async def test_redis_is_half_open(wired: Wired):
    """Clear 503s within some seconds, finished calls go to disk, and both sides find the way back."""
    before = set(await wired.system.charged())
    async with under_load(wired.system, CLIENTS, MODELS) as load:
        await load.more(CLIENTS * 3)
        wired.valkey.go_dead()

        async def refusing() -> bool:
            return load.refused.count(503) > 3

        await until(refusing, "calls wait for a server that is not there", within_s=20)
        await _console_says_so(wired)
        wired.valkey.heal()
        await load.more(CLIENTS * 3)
    assert set(load.refused) <= {503}
    await _in_books(wired, before, load.answered, load.broken + len(load.refused))


async def test_redis_is_slow(wired: Wired):
    before = set(await wired.system.charged())
    wired.valkey.delay_s = 0.15
    try:
        async with under_load(wired.system, CLIENTS, MODELS) as load:
            await load.more(CLIENTS * 3)
    finally:
        wired.valkey.delay_s = 0.0
    assert (load.refused, load.broken) == ([], 0)
    await _in_books(wired, before, load.answered, 0)


async def test_a_failover_that_loses_writes(wired: Wired):
    """The replica stops following, calls go on for half a second, then it takes over: what only the old primary knew is sent again
    by the edges, and what the worker had booked already is not booked twice. Nothing is lost."""
    system = wired.system
    before = set(await system.charged())
    primary_port = free_port()
    await system.redis.config_set("port", primary_port)
    with run_valkey("--replicaof", f"127.0.0.1 {primary_port}") as address:
        replica = redis.asyncio.from_url(address)

        async def follows() -> bool:
            return (await replica.info("replication")).get("master_link_status") == "up"

        await until(follows, "the replica does not follow")
        async with under_load(system, CLIENTS, MODELS) as load:
            await load.more(CLIENTS * 3)
            await replica.execute_command("REPLICAOF", "NO", "ONE")
            forgotten = len(load.answered)
            await asyncio.sleep(0.5)
            await load.more(CLIENTS)
            forgotten = len(load.answered) - forgotten
            system.valkey.kill()
            parts = urlsplit(address)
            wired.valkey.target = (parts.hostname or "", parts.port or 0)
            await load.more(CLIENTS * 3)
        assert forgotten >= CLIENTS
        await system.redis.aclose()
        system.redis = replica  # the books are compared with the server that counts
        assert set(load.refused) <= {503}
        await _in_books(wired, before, load.answered, load.broken + len(load.refused))
    told = await read_losses(system.engine)
    assert [one.action for one in told] == [REWOUND], "half a second was lost, and reconcile names it"
