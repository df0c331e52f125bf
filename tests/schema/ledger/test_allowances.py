"""Quota that edges set aside: calls are held without a question, and yet nobody spends what is not there."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from schema.ledger import allowances, hot, scripts
from schema.ledger.allowances import OPEN_AFTER, SHARE, Allowance
from schema.ledger.connection import evaluate
from schema.ledger.hot import Extension, HotLedger, NotLoaded, QuotaShort, Reserved, Settled
from schema.ledger.keys import Keys
from schema.ledger.loading import LIFETIME_S
from schema.ledger.signals import balance_changed
from schema.ledger.truth import make_truth_reader
from schema.tables import Token, User
from tests.schema.ledger.books import PARTITIONS, Books, make_record
from workers.reap import read_holds, reap

LATER = 10**14  # a deadline far away, ms


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowances, "TICK_S", 0.05)
    monkeypatch.setattr(hot, "CALL_IN_S", 0.06)


def new_edge(books: Books) -> HotLedger:
    return HotLedger(
        books.execute, partitions=PARTITIONS, read_truth=make_truth_reader(books.engine, PARTITIONS), sets_aside=True
    )


class Call:
    """One call as the relay makes it: held out of an allowance where there is one."""

    def __init__(self, hot: HotLedger, request_id: str, amount: int, token: int | None = None) -> None:
        self.hot, self.request_id, self.amount, self.token = hot, request_id, amount, token
        self.allowance: Allowance | None = None

    async def hold(self) -> bool:
        self.allowance = self.hot.hold_at_once(1, self.token, self.amount)
        while self.allowance is None:
            answer = await self.hot.reserve(
                request_id=self.request_id, user_id=1, token_id=self.token, amount=self.amount, deadline_ms=LATER
            )
            if not isinstance(answer, NotLoaded):
                return isinstance(answer, Reserved)
            await self.hot.load(1, self.token)
        return True

    async def settle(self, quota: int) -> Settled:
        allowance, self.allowance = self.allowance, None
        record = make_record(self.request_id, quota=quota, token_id=self.token or 0)
        return await self.hot.settle(record, allowance, self.amount)

    async def release(self) -> None:
        if self.allowance is not None:
            self.allowance.release(self.amount)
        else:
            await self.hot.release(self.request_id, 1)

    async def promote(self) -> None:
        allowance, self.allowance = self.allowance, None
        if allowance is not None:
            await self.hot.promote([(allowance, self.request_id, self.amount)])


async def set_aside(books: Books) -> dict[str, int]:
    """Allowances of user 1 in Redis."""
    holds = await read_holds(books.execute, Keys(PARTITIONS), 1)
    return {hold.request_id: hold.amount for hold in holds if hold.request_id.startswith("allowance:")}


async def make_busy(hot: HotLedger, amount: int = 10, token: int | None = None) -> list[Call]:
    """Calls that Redis was asked for; behind them the account has an allowance."""
    calls = [Call(hot, f"busy-{id(hot)}-{number}", amount, token) for number in range(OPEN_AFTER)]
    for call in calls:
        assert await call.hold()
    await asyncio.sleep(0.01)
    return calls


async def set_aside_for_later(hot: HotLedger) -> None:
    """An allowance that no call holds."""
    for call in await make_busy(hot):
        await call.settle(0)


async def charged(books: Books) -> int:
    return sum([int(fields[b"q"]) for _, fields in await books.redis.xrange("mx:{1}:usage")])


async def left_over(books: Books, token: int = 0) -> tuple[int, int]:
    """What the hot balance says, and what it should be: truth - holds - pending."""
    quota = (await books.one(User, 1)).quota
    remaining = (await books.one(Token, token)).remain_quota if token else 0
    names = ("mx:{1}:b:1", "mx:{1}:e:1", "mx:{1}:usage")
    epoch = await books.redis.get("mx:{1}:e:1") or b"0"
    answer = await evaluate(
        books.execute, scripts.LOAD, names, (epoch, 1, quota, "0-0", 1, LIFETIME_S, token, remaining, "audit")
    )
    assert answer[0] == 2
    return (int(answer[1]), int(answer[2])) if not token else (int(answer[3]), int(answer[4]))


async def test_a_busy_account_is_held_without_asking(books: Books):
    await books.add_user(1, 100_000)
    hot = new_edge(books)
    for call in await make_busy(hot):
        await call.settle(3)
    call = Call(hot, "next", 10)
    assert hot.hold_at_once(1, None, 10) is not None
    assert await call.hold() and call.allowance is not None
    assert await call.settle(7) == Settled(late=False)
    assert await charged(books) == OPEN_AFTER * 3 + 7
    found, expected = await left_over(books)
    assert found == expected


async def test_an_account_that_seldom_calls_gets_none(books: Books):
    await books.add_user(1, 100_000)
    hot = new_edge(books)
    for number in range(OPEN_AFTER - 1):
        assert await Call(hot, f"r{number}", 10).hold()
    await asyncio.sleep(0.01)
    assert await set_aside(books) == {}
    assert hot.hold_at_once(1, None, 10) is None


async def test_what_is_not_used_goes_back_soon_and_leaves_nothing_behind(books: Books):
    await books.add_user(1, 100_000, t5=50_000)
    hot = new_edge(books)
    calls = await make_busy(hot, token=5)
    assert set(map(type, (await set_aside(books)).values())) == {int}
    for call in calls:
        await call.settle(5)
    await asyncio.sleep(0.3)
    assert await set_aside(books) == {}
    assert await books.hot.available(1) == 100_000 - OPEN_AFTER * 5
    assert int(await books.redis.hget("mx:{1}:b:1", "t5")) == 50_000 - OPEN_AFTER * 5
    assert hot._allowances is not None and hot._allowances._timer is None  # nothing is looked after any more


async def test_an_allowance_is_never_more_than_its_share(books: Books):
    await books.add_user(1, 10_000)
    hot = new_edge(books)
    await make_busy(hot)
    held = 0
    while hot.hold_at_once(1, None, 10) is not None:
        held += 10
    await asyncio.sleep(0.2)
    while hot.hold_at_once(1, None, 10) is not None:
        held += 10
    assert 0 < held <= 10_000 // SHARE
    assert sum((await set_aside(books)).values()) <= 10_000 // SHARE


@pytest.mark.parametrize("balance", [100, 1_000, 1_500])
async def test_200_calls_at_once_pass_exactly_as_many_as_the_balance_is_for(books: Books, balance: int):
    await books.add_user(1, balance)
    hot = new_edge(books)
    passed = 0
    for start in range(0, 200, 50):
        calls = [Call(hot, f"r{start + number}", 10) for number in range(50)]
        passed += sum(await asyncio.gather(*(call.hold() for call in calls)))
    assert passed == min(balance // 10, 200)


async def test_what_another_edge_set_aside_is_waited_for_before_a_call_is_refused(
    books: Books, monkeypatch: pytest.MonkeyPatch
):
    await books.add_user(1, 10_000)
    first, second = new_edge(books), new_edge(books)
    for call in await make_busy(first):
        await call.settle(0)
    aside = sum((await set_aside(books)).values())
    assert aside
    assert await Call(second, "all", 10_000).hold()  # the first edge is quiet: it gives back what it does not need
    assert await set_aside(books) == {}
    refused = await second.reserve(request_id="more", user_id=1, token_id=None, amount=1, deadline_ms=LATER)
    assert refused == QuotaShort("user", 0)


async def test_calls_that_cost_more_than_was_set_aside_are_paid_by_the_balance(books: Books):
    await books.add_user(1, 10_000)
    hot = new_edge(books)
    busy = await make_busy(hot)
    call = Call(hot, "dear", 10)
    assert await call.hold() and call.allowance is not None
    assert await call.settle(5_000) == Settled(late=False)
    for one in busy:
        await one.settle(1)
    found, expected = await left_over(books)
    assert found == expected
    await hot.close()
    assert await books.hot.available(1) == 10_000 - 5_000 - OPEN_AFTER


async def test_a_call_that_lasts_gets_a_hold_of_its_own(books: Books):
    await books.add_user(1, 100_000)
    hot = new_edge(books)
    await set_aside_for_later(hot)
    call = Call(hot, "long", 10)
    assert await call.hold() and call.allowance is not None
    await call.promote()
    found, expected = await left_over(books)
    assert found == expected
    assert await hot.extend([Extension("long", 1, LATER, b"so far")]) == []
    assert isinstance(await hot.grow(request_id="long", user_id=1, extra=50), Reserved)
    assert await call.settle(55) == Settled(late=False)
    await hot.close()
    assert await books.hot.available(1) == 100_000 - 55


async def test_an_edge_that_dies_loses_nothing_and_keeps_nothing(books: Books, monkeypatch: pytest.MonkeyPatch):
    await books.add_user(1, 100_000)
    monkeypatch.setattr(allowances, "LIFETIME_S", -1)
    hot = new_edge(books)
    await make_busy(hot)
    open_call = Call(hot, "open", 10)
    assert await open_call.hold() and open_call.allowance is not None
    assert hot._allowances is not None
    hot._allowances._timer.cancel()  # type: ignore[union-attr]  # it is dead
    done = await reap(books.execute, Keys(PARTITIONS))
    assert (done.charged, done.released) == (0, 1)
    assert await set_aside(books) == {}
    # it was only slow: what it settles now may have been settled by somebody else, and is checked
    assert await open_call.settle(9) == Settled(late=True)
    marks = [fields.get(b"l") for _, fields in await books.redis.xrange("mx:{1}:usage")]
    assert marks == [b"1"]
    assert hot.hold_at_once(1, None, 10) is None


async def test_a_balance_that_was_changed_elsewhere_is_asked_for_again(books: Books):
    await books.add_user(1, 100_000)
    hot = new_edge(books)
    await set_aside_for_later(hot)
    assert hot.hold_at_once(1, None, 10) is not None
    await balance_changed(books.redis, 1, partitions=PARTITIONS)
    await asyncio.sleep(0.2)
    assert hot.hold_at_once(1, None, 10) is None


async def test_redis_away_nobody_is_held_and_the_calls_are_told(books: Books):
    await books.add_user(1, 100_000)
    hot = new_edge(books)
    calls = await make_busy(hot)
    call = Call(hot, "next", 10)
    assert await call.hold() and call.allowance is not None

    async def broken(*command: Any) -> Any:
        raise OSError("away")

    assert hot._allowances is not None
    hot._allowances._line._execute = broken  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="away"):
        await call.settle(5)
    assert hot.hold_at_once(1, None, 10) is None
    assert calls


@given(seed=some.integers(0, 2**32), limited=some.booleans(), balance=some.sampled_from([500, 20_000, 10**9]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happens_the_hot_balance_is_truth_minus_holds_minus_pending(
    books: Books, seed: int, limited: bool, balance: int
):
    await books.redis.flushall()
    async with books.engine.begin() as db:
        for table in ("users", "tokens", "mx_ledger_entries"):
            await db.exec_driver_sql(f"delete from {table}")
    await books.add_user(1, balance, t5=balance * 3 // 4)
    chance, token = random.Random(seed), 5 if limited else None
    edges = [new_edge(books) for _ in range(2)]
    open_calls: list[Call] = []
    spent = count = 0
    for _ in range(60):
        ended: list[Any] = []
        for _ in range(chance.randint(0, 8)):
            count += 1
            open_calls.append(Call(chance.choice(edges), f"r{count}", chance.randint(1, 60), token))
            ended.append(open_calls[-1].hold())
        passed = await asyncio.gather(*ended)
        fresh = len(open_calls) - len(passed)
        open_calls = open_calls[:fresh] + [c for c, ok in zip(open_calls[fresh:], passed, strict=True) if ok]
        chance.shuffle(open_calls)
        ended = []
        for _ in range(min(len(open_calls), chance.randint(0, 9))):
            call = open_calls.pop()
            match chance.randint(0, 9):
                case 0:
                    ended.append(call.release())
                case 1:
                    await call.promote()
                    open_calls.insert(0, call)
                case _:
                    quota = chance.randint(0, call.amount)
                    spent += quota
                    ended.append(call.settle(quota))
        for answer in await asyncio.gather(*ended):
            assert answer is None or answer == Settled(late=False)
        if chance.random() < 0.1:
            await asyncio.sleep(0.06)
        if await books.redis.hexists("mx:{1}:b:1", "q"):
            found, expected = await left_over(books, token or 0)
            assert found == expected >= 0
            for edge in edges:  # what stands in Redis covers what is held and free here
                assert edge._allowances is not None
                aside = await set_aside(books)
                for one in edge._allowances._open.values():
                    assert aside.get(one.name, 0) >= one.held + one.free
    assert await charged(books) == spent
    for call in open_calls:
        await call.release()
    for edge in edges:
        await edge.close()
    assert await set_aside(books) == {}
    assert await books.hot.available(1) in (balance - spent, None)


async def test_a_call_is_not_kept_waiting_by_the_calls_of_its_own_edge(books: Books):
    await books.add_user(1, 10_000)
    hot = new_edge(books)
    await set_aside_for_later(hot)
    call = Call(hot, "open", 10)
    assert await call.hold() and call.allowance is not None
    asked = asyncio.ensure_future(Call(hot, "too dear", 20_000).hold())
    _, waiting = await asyncio.wait([asked], timeout=0.05)
    assert not waiting and asked.result() is False
    assert await call.settle(7) == Settled(late=False)
