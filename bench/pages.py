"""Pages of a long history: fill PostgreSQL with calls, then time what people open.

python -m bench.pages [--rows 10000000] [--days 90] [--dsn postgresql://…] [--no-seed] [--reconcile] [--limit-ms 200]

Without --dsn a throwaway server is started. 10 million rows take some ten minutes and 10 GB. Status 1 when the median of
a page is above the limit.
"""

import argparse
import asyncio
import statistics
import sys
import time
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
from redis.asyncio import Redis
from sqlalchemy import insert, text

from edge.console.access import hash_access_token
from edge.console.app import create_console
from edge.services import Services
from schema.config import read_config
from schema.database import Engine, make_engine
from schema.migrate import migrate
from schema.options import read_options
from schema.secrets import Vault
from schema.tables import User
from schema.usage_totals import advance
from tests.services import DISK, new_postgres, run_postgres, run_valkey

USERS, CHANNELS, MODELS = 2_000, 50, 20
CHUNK = 500_000
ROUNDS = 5
DAY_S = 86_400
ROOT, OWN = "r" * 32, "u" * 32  # access tokens of an administrator and of the account with most calls

# Users, models and channels are as uneven as they are in life: a fifth of the accounts makes half of the calls.
LOGS = """INSERT INTO logs (user_id, created_at, type, content, username, token_name, model_name, quota, prompt_tokens,
    completion_tokens, use_time, is_stream, channel_id, token_id, "group", other, request_id, elapsed_time, status_code)
  SELECT u, {first} + (i::bigint * {span} / {rows}), CASE WHEN i % 1000 = 0 THEN 1 WHEN i % 200 = 1 THEN 5 ELSE 2 END,
    '模型倍率 1.25，补全倍率 4.00，分组倍率 1.00', 'user' || u, 'token', 'model-' || m, 100 + i % 900, 1000, 500, 1, i % 2 = 0, c,
    u * 3 + i % 3, CASE WHEN u % 10 = 0 THEN 'vip' ELSE 'default' END,
    '{{"model_ratio":1.25,"group_ratio":1,"completion_ratio":4,"model_price":-1,"cache_ratio":0.5,"cache_tokens":0,"frt":310,"admin_info":{{"use_channel":["7"]}},"estimated":false}}',
    'r' || i, 1500, 200
  FROM (SELECT i, 1 + floor({users} * power(random(), 3))::int AS u, floor({models} * power(random(), 2))::int AS m,
      1 + floor({channels} * random())::int AS c FROM generate_series({from_}, {to}) AS g(i)) AS n"""
LEDGER = """INSERT INTO mx_ledger_entries (kind, reference, balance, user_id, token_id, delta, token_delta, actor, reason, at_ms)
  SELECT 'settle', request_id, 'user', user_id, token_id, -quota, 0, 'system', '', created_at * 1000 FROM logs WHERE type = 2 ORDER BY id"""
HOURS = """INSERT INTO mx_usage_hourly (hour, user_id, token_id, channel_id, model, "group", calls, quota, prompt_tokens,
    completion_tokens, latency_ms_sum)
  SELECT created_at - created_at % 3600, user_id, token_id, channel_id, model_name, "group", count(*), sum(quota),
    sum(prompt_tokens), sum(completion_tokens), sum(elapsed_time) FROM logs WHERE type = 2 GROUP BY 1, 2, 3, 4, 5, 6
  ORDER BY 1"""
CELLS = """INSERT INTO quota_data (user_id, username, model_name, created_at, token_used, count, quota)
  SELECT user_id, username, model_name, created_at - created_at % 3600, sum(prompt_tokens + completion_tokens), count(*),
    sum(quota) FROM logs WHERE type = 2 GROUP BY 1, 2, 3, 4 ORDER BY 4"""
BALANCES = """UPDATE users SET quota = s.total, used_quota = -s.total
  FROM (SELECT user_id, sum(delta) AS total FROM mx_ledger_entries GROUP BY user_id) AS s WHERE s.user_id = users.id"""


async def seed(engine: Engine, rows: int, days: int, *, ledger: bool) -> None:
    """`rows` calls of the last `days` days, and the totals that settlement would have kept of them."""
    first = int(time.time()) - days * DAY_S
    accounts = [
        {
            "id": n,
            "username": f"user{n}",
            "aff_code": f"a{n}",
            "quota": 10**9,
            "role": 1,
            "status": 1,
            "access_token_hash": hash_access_token(OWN) if n == 1 else None,
        }
        for n in range(1, USERS + 1)
    ]
    root = {"id": USERS + 1, "username": "root", "aff_code": "root", "role": 100, "status": 1}
    async with engine.begin() as db:
        await db.execute(insert(User), accounts)
        await db.execute(insert(User).values(**root, access_token_hash=hash_access_token(ROOT)))
        await db.execute(text("UPDATE mx_meta SET value = :v WHERE key = 'adopted_at'"), {"v": str(first - DAY_S)})
    for start in range(1, rows + 1, CHUNK):
        end = min(start + CHUNK - 1, rows)
        statement = LOGS.format(
            first=first,
            span=days * DAY_S,
            rows=rows,
            users=USERS,
            models=MODELS,
            channels=CHANNELS,
            from_=start,
            to=end,
        )
        async with engine.begin() as db:
            await db.exec_driver_sql(statement)
        print(f"{end:,} rows", file=sys.stderr, flush=True)
    for statement in (HOURS, CELLS, *((LEDGER, BALANCES) if ledger else ())):
        async with engine.begin() as db:
            await db.exec_driver_sql(statement)
    await advance(engine, int(time.time()))
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
        await db.execute(text("VACUUM ANALYZE"))


def pages(now_s: int) -> list[tuple[str, str, str]]:
    """(what people see, whose token, path)."""
    today, month, quarter = now_s - now_s % DAY_S, now_s - 30 * DAY_S, now_s - 90 * DAY_S
    old = f"start_timestamp={now_s - 60 * DAY_S}&end_timestamp={now_s - 53 * DAY_S}"
    span, until = f"start_timestamp={month}&end_timestamp={now_s + 3600}", f"end_timestamp={now_s + 3600}"
    return [
        ("log, newest page", ROOT, "/api/log/?p=1&page_size=20"),
        ("log, today", ROOT, f"/api/log/?p=1&page_size=20&start_timestamp={today}&{until}"),
        ("log, a week two months ago", ROOT, f"/api/log/?p=1&page_size=100&{old}"),
        ("log, page 100", ROOT, "/api/log/?p=100&page_size=100"),
        ("log of one user", ROOT, "/api/log/?p=1&page_size=20&username=user7"),
        ("log of one channel, a week", ROOT, f"/api/log/?p=1&page_size=20&channel=7&{old}"),
        ("log, errors only", ROOT, "/api/log/?p=1&page_size=20&type=5"),
        (
            "log, one model, today",
            ROOT,
            f"/api/log/?p=1&page_size=20&model_name=model-3&start_timestamp={today}&{until}",
        ),
        ("log, one request", ROOT, "/api/log/?p=1&page_size=20&request_id=r4711"),
        ("sum of everything", ROOT, "/api/log/stat"),
        ("sum of 30 days", ROOT, f"/api/log/stat?{span}"),
        ("sum of 30 days, one user", ROOT, f"/api/log/stat?{span}&username=user1"),
        ("sum of 30 days, one channel", ROOT, f"/api/log/stat?{span}&channel=7"),
        ("sum of 30 days, one model", ROOT, f"/api/log/stat?{span}&model_name=model-3"),
        ("sum of 30 days, one group", ROOT, f"/api/log/stat?{span}&group=vip"),
        ("dashboard, a day", ROOT, f"/api/data/?start_timestamp={now_s - DAY_S}&{until}"),
        ("dashboard, 30 days", ROOT, f"/api/data/?{span}"),
        ("dashboard, 90 days", ROOT, f"/api/data/?start_timestamp={quarter}&{until}"),
        ("dashboard, dearest users of 30 days", ROOT, f"/api/data/users?{span}"),
        ("dashboard, dearest users of 90 days", ROOT, f"/api/data/users?start_timestamp={quarter}&{until}"),
        *(
            (
                f"usage by {by}, {days} days",
                ROOT,
                f"/api/data/usage?by={by}&step={step}&offset={offset}&"
                f"start_timestamp={now_s - days * DAY_S}&end_timestamp={now_s}",
            )
            for by in ("model", "user", "channel", "token", "group")
            for days, step, offset in ((7, "day", 0), (30, "day", 8 * 3600), (90, "week", -5 * 3600))
        ),
        *(
            (
                f"own usage by {by}, {days} days",
                OWN,
                f"/api/data/usage/self?by={by}&step={step}&offset={offset}&"
                f"start_timestamp={now_s - days * DAY_S}&end_timestamp={now_s}",
            )
            for by in ("model", "token", "group")
            for days, step, offset in ((7, "day", 3600), (30, "day", 8 * 3600), (90, "week", -5 * 3600))
        ),
        ("own log of the busiest account", OWN, "/api/log/self?p=1&page_size=20"),
        ("own sum of 30 days", OWN, f"/api/log/self/stat?{span}"),
        ("own dashboard, 30 days", OWN, f"/api/data/self?start_timestamp={month}&end_timestamp={now_s}"),
    ]


async def measure(engine: Engine, redis_url: str) -> list[tuple[str, float, float]]:
    """(page, first answer, median of the next ones), ms; through the console's application."""
    redis = Redis.from_url(redis_url)
    config = read_config({"GLOBAL_API_RATE_LIMIT_ENABLE": "false"})
    store = SimpleNamespace(current=SimpleNamespace(options=read_options({}), is_set_up=True))
    http = httpx.AsyncClient()
    services = Services(
        config=config, snapshots=store, engine=engine, log_engine=engine, redis=redis, http=http, vault=Vault("v" * 32)
    )
    app = create_console(services)
    await app.start()
    found = []
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # BlackSheep's own types
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=300) as client:
        for name, token, path in pages(int(time.time())):
            took: list[float] = []
            for _ in range(ROUNDS + 1):
                began = time.perf_counter()
                answer = await client.get(path, headers={"authorization": token})
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200 and answer.json()["success"], (path, answer.text[:300])
            found.append((name, took[0], statistics.median(took[1:])))
            print(f"| {name} | {took[0]:.0f} | {statistics.median(took[1:]):.0f} | {min(took):.0f} |", flush=True)
    await app.stop()
    await http.aclose()
    await redis.aclose()
    return found


async def _run(options: argparse.Namespace, dsn: str, redis_url: str) -> int:
    engine = make_engine(dsn)
    try:
        await migrate(engine)
        if not options.no_seed:
            began = time.perf_counter()
            await seed(engine, options.rows, options.days, ledger=options.reconcile)
            print(f"seeded in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        print("| page | first, ms | median of the next, ms | quickest, ms |\n|---|---|---|---|")
        found = await measure(engine, redis_url)
        if options.reconcile:
            from workers.reconcile import reconcile

            began = time.perf_counter()
            report = await reconcile(engine, None, 8)
            print(f"reconcile: {time.perf_counter() - began:.1f} s, {len(report.drifts)} drifts")
        return sum(median > options.limit_ms for _, _, median in found)
    finally:
        await engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--dsn", default="", help="a database to be filled; empty: a throwaway PostgreSQL")
    parser.add_argument("--no-seed", action="store_true", help="the database is filled already")
    parser.add_argument(
        "--reconcile", action="store_true", help="fill the ledger as well and time the proof of the books"
    )
    parser.add_argument("--limit-ms", type=float, default=200.0)
    options = parser.parse_args()
    with ExitStack() as stack:
        redis_url = stack.enter_context(run_valkey())
        dsn = options.dsn or new_postgres(stack.enter_context(run_postgres(DISK)), "pages")
        sys.exit(1 if asyncio.run(_run(options, dsn, redis_url)) else 0)


if __name__ == "__main__":
    main()
