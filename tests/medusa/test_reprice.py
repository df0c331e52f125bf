"""Repricing: under the same prices nothing changes, whatever was called; other prices cost exactly what they would have."""

import asyncio
import time
from decimal import Decimal
from functools import partial
from types import SimpleNamespace

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update
from typer.testing import CliRunner

from medusa.commands.reprice import Scope, _read_prices, post_corrections, read_books
from medusa.reprice import DAY_S, Prices, RepriceError, change_options, read_call
from schema.database import make_engine
from schema.options import read_options
from schema.pricing import charge, find_price, price_image
from schema.tables import LedgerEntry, Log, Token, User
from schema.usage import TokenUsage, write_record
from tests.docs.test_commands import APP
from tests.schema.ledger.books import PARTITIONS, Books, make_record, open_books
from tests.services import new_mariadb, new_postgres
from tests.workers.conftest import any_books
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers.records import LOG_COLUMNS, _decode, log_row

__all__ = ["any_books", "new_mariadb", "new_postgres"]
OPTIONS = change_options(read_options({}), ["ModelRatio.gpt-image-1=8"])
OTHER = change_options(OPTIONS, ["ModelRatio.gpt-4o=0.77", "CompletionRatio.gpt-4o=3.5", "ModelPrice.dall-e-3=0.11",
                                 "GroupRatio.vip=0.8", "CacheRatio.gpt-4o=0.3", "ModelPrice.suno=0.2"])  # fmt: skip
NOWHERE = Prices(OPTIONS, {}, {}, {})
count = st.integers(0, 10**6)
usages = st.builds(
    TokenUsage, input_text=count, input_cached=count, input_cache_write=count, input_audio=count, input_image=count,
    output_text=count, output_audio=count, input_cache_write_1h=count,
)  # fmt: skip


def logged(record):
    """The row of the log that settlement makes of a record."""
    row = log_row(_decode(write_record(record)))
    return SimpleNamespace(**dict(zip(LOG_COLUMNS, row, strict=True)))


@given(usages, st.sampled_from(["default", "vip"]), st.sampled_from(["openai", "claude"]))
def test_calls_of_tokens_cost_what_they_cost_and_what_they_would_have(usage, group, dialect):
    price = find_price(OPTIONS, model="gpt-4o", group=group)
    cost = charge(usage, price)
    call = read_call(
        logged(make_record(model="gpt-4o", group=group, usage=usage, price=price, quota=cost, dialect=dialect))
    )
    assert NOWHERE.charge(call) == call.quota == cost
    assert Prices(OTHER, {}, {}, {}).charge(call) == charge(usage, find_price(OTHER, model="gpt-4o", group=group))


@pytest.mark.parametrize("model", ["dall-e-3", "gpt-image-1"])
@pytest.mark.parametrize(
    ("size", "quality", "pictures"), [("1024x1024", "hd", 1), ("1792x1024", "hd", 3), ("256x256", "", 2)]
)
def test_pictures_keep_their_size_and_count(model, size, quality, pictures):
    def price(options):
        base = find_price(options, model=model, group="default", accept_unset=True)
        return price_image(base, upstream_model=model, size=size, quality=quality, count=pictures)

    usage, priced = TokenUsage(input_text=pictures), price(OPTIONS)
    record = make_record(model=model, mode="image", usage=usage, price=priced, quota=charge(usage, priced))
    call = read_call(logged(record))
    assert NOWHERE.charge(call) == call.quota
    assert Prices(OTHER, {}, {}, {}).charge(call) == charge(usage, price(OTHER))


def test_what_the_log_cannot_tell_stays_as_it_was():
    rest = make_record(model="gpt-4o", usage=TokenUsage(estimated=True), quota=77)
    assert NOWHERE.charge(read_call(logged(rest))) is None
    row = SimpleNamespace(user_id=1, token_id=0, channel_id=1, model_name="gpt-4o", group="default", created_at=5, quota=9,
                          prompt_tokens=0, completion_tokens=0, other="no json")  # fmt: skip
    assert NOWHERE.charge(read_call(row)) is None


@pytest.mark.parametrize(
    "text", ["ModelRatio=1", "Nothing.x=1", "ModelRatio.x=much", "ModelRatio.x=NaN", "RetryTimes.x=1"]
)
def test_changes_that_are_refused(text):
    with pytest.raises(RepriceError):
        change_options(OPTIONS, [text])


def test_a_model_without_a_price_is_named():
    call = read_call(logged(make_record(model="nobody-knows", quota=1)))
    with pytest.raises(RepriceError, match="nobody-knows"):
        NOWHERE.charge(call)


@pytest.fixture
def today(now):
    """When it began."""
    return now // DAY_S * DAY_S


async def fill(books, today):
    """Two users, one of them with a limited token, three days of calls; settled for real."""
    await books.add_user(1, 1_000_000, t5=900_000)
    await books.add_user(2, 1_000_000)
    await books.add_channel()
    for day, user, token, model in [
        (3, 1, 5, "gpt-4o"),
        (2, 1, 5, "gpt-4o"),
        (2, 2, 0, "gpt-4o"),
        (1, 2, 0, "gpt-4o-mini"),
    ]:
        for number in range(3):
            usage = TokenUsage(input_text=1000 + number, output_text=100, input_cached=7)
            price = find_price(OPTIONS, model=model, group="default")
            at = (today - day * DAY_S + 60 * number) * 1000
            more = {
                "usage": usage,
                "price": price,
                "quota": charge(usage, price),
                "ended_ms": at,
                "started_ms": at - 10,
            }
            await books.hot.settle(make_record(user_id=user, token_id=token, model=model, **more))
    await settle_all(make_settler(books))


async def test_corrections_move_balances_through_the_ledger_once(any_books, today):
    books = any_books
    await fill(books, today)
    scope = Scope(today - 2 * DAY_S, today, ("gpt-4o",))
    prices = await _read_prices(books.engine, change_options(OPTIONS, ["ModelRatio.gpt-4o=0.5"]))
    found = await read_books(books.engine, books.engine, scope, prices)
    charged, would = (sum(getattr(one, name) for one in found.sums.values()) for name in ("charged", "would"))
    assert sum(one.calls for one in found.sums.values()) == found.calls_booked == 6
    assert charged == found.quota_booked > would > 0
    before = [(await books.one(User, user)).quota for user in (1, 2)]
    left = (await books.one(Token, 5)).remain_quota

    posted, skipped = await post_corrections(books.engine, "april", "lower price", found.sums)
    assert (len(posted), skipped, sum(one.delta for one in posted)) == (2, 0, charged - would)
    after = [(await books.one(User, user)).quota for user in (1, 2)]
    assert sum(after) - sum(before) == charged - would
    assert (await books.one(Token, 5)).remain_quota - left == after[0] - before[0] > 0
    assert await find_drifts(books) == []
    assert await post_corrections(books.engine, "april", "again", found.sums) == ([], 0), "a run posts once"
    assert await post_corrections(books.engine, "other", "again", found.sums) == ([], 0), "and another sees what it did"

    back = await read_books(books.engine, books.engine, scope, await _read_prices(books.engine, OPTIONS))
    posted, _ = await post_corrections(books.engine, "undo", "", back.sums)
    assert [(await books.one(User, user)).quota for user in (1, 2)] == before
    assert sum(one.delta for one in posted) == would - charged
    assert await find_drifts(books) == []


def test_the_command(tmp_path, valkey_server, today):
    environ = {
        "DATA_DIR": str(tmp_path), "REDIS_CONN_STRING": valkey_server, "SQLITE_PATH": str(tmp_path / "books.db"),
        "LEDGER_PARTITIONS": str(PARTITIONS), "SESSION_SECRET": "s" * 32, "SQL_DSN": "", "LOG_SQL_DSN": "",
    }  # fmt: skip

    def medusa(*words):
        return CliRunner().invoke(APP, [*words], env=environ)

    def with_books(work, *, fresh=False):
        async def run():
            if fresh:
                async with open_books(tmp_path, valkey_server) as books:
                    return await work(books)
            engine, client = (
                make_engine("", sqlite_path=str(tmp_path / "books.db")),
                redis.asyncio.from_url(valkey_server),
            )
            try:
                return await work(Books(engine, client))
            finally:
                await client.aclose()
                await engine.dispose()

        return asyncio.run(run())

    async def load(books):
        adjusted = select(func.count()).select_from(LedgerEntry).where(LedgerEntry.kind == "adjust")
        async with books.engine.connect() as db:
            assert (await db.execute(adjusted)).scalar_one() == 0
        await books.hot.load(1)

    async def told(books):
        rows = [row for row in await books.all(Log) if row.type == 4]
        assert sorted(row.username for row in rows) == ["user1", "user2"]
        assert all(row.content.startswith("sale: +") for row in rows)

    async def disturb(books):
        async with books.engine.begin() as db:
            await db.execute(update(User).where(User.id == 1).values(quota=User.quota + 11))
            await db.execute(Log.__table__.delete().where(Log.type == 2, Log.user_id == 2))

    with_books(partial(fill, today=today), fresh=True)
    since = time.strftime("%Y-%m-%d", time.gmtime(today - 3 * DAY_S))
    half = ("reprice", "--since", since, "--set", "ModelRatio.gpt-4o=0.5")
    done = medusa(*half, "--model", "gpt-4o", "--by", "day")
    assert done.exit_code == 0, done.output
    total = next(line for line in done.output.splitlines() if line.startswith("total")).split("\t")
    assert total[1] == "9" and int(total[3]) - int(total[2]) == int(total[4]) < 0
    assert "dry run" in done.output
    with_books(load)
    done = medusa(*half, "--post", "--run", "april", "--reason", "sale")
    assert done.exit_code == 0, done.output
    assert "3 entries posted" in done.output and str(-int(total[4])) in done.output
    with_books(told)
    assert "the books add up" in medusa("reconcile").output, "hot balances were loaded again"
    for words in ([], ["--since", since, "--post"], ["--since", "soon"], ["--since", since, "--by", "hour"]):
        assert medusa("reprice", *words).exit_code == 2, words
    with_books(disturb)
    wrong = medusa("reconcile")
    assert wrong.exit_code == 1 and "difference +11" in wrong.output
    assert medusa("reconcile", "--repair").exit_code == 0
    assert medusa("reconcile").exit_code == 0
    lacking = medusa("reprice", "--since", since, "--post", "--run", "may")
    assert lacking.exit_code == 2 and "missing from the log" in lacking.output and "LogConsumeEnabled" in lacking.output


async def test_deleted_accounts_are_left_out(any_books, today):
    await fill(any_books, today)
    prices = await _read_prices(any_books.engine, change_options(OPTIONS, ["ModelRatio.gpt-4o=0.5"]))
    found = await read_books(any_books.engine, any_books.engine, Scope(0, today), prices)
    async with any_books.engine.begin() as db:
        await db.execute(User.__table__.delete().where(User.id == 2))
        await db.execute(insert(User).values(id=3, username="new", aff_code="n", quota=0))
    posted, skipped = await post_corrections(any_books.engine, "x", "", found.sums)
    assert {one.cell.user_id for one in posted} == {1} and skipped == 1
    assert Decimal(sum(one.delta for one in posted)) > 0
