"""Whatever happens in whatever order: the ledger sums up to the balances, and hot = truth - holds - pending."""

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from schema.ledger.entries import NOT_NEGATIVE, BalanceTooLow, post
from schema.ledger.hot import Extension, NotLoaded, QuotaShort, Reserved
from schema.ledger.keys import Keys
from schema.ledger.signals import balance_changed
from schema.tables import Token, User
from schema.usage import write_record
from tests.schema.ledger.books import PARTITIONS, Books, make_record, open_books
from tests.services import TEMPORARY
from tests.workers.settling import find_drifts, make_settler
from workers.reap import reap
from workers.store import CursorMoved

START = 1_000
USERS = (1, 2, 5)  # 1 and 5 share a partition
TOKENS = {1: 11, 2: 12, 5: None}
amounts = st.integers(0, 400)


class Model(RuleBasedStateMachine):
    """Two settlers, one edge, three users. `owed`: what each call must cost in the end."""

    valkey = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=TEMPORARY)
        self.opened = open_books(Path(self.folder.name), self.valkey)
        self.books: Books = self.do(self.opened.__aenter__())
        for user in USERS:
            tokens = {f"t{TOKENS[user]}": START} if TOKENS[user] else {}
            self.do(self.books.add_user(user, START, **tokens))
        self.settlers = [make_settler(self.books), make_settler(self.books)]
        self.read: list[Any] = [None, None]  # what each settler has read and not yet applied
        self.open: dict[str, int] = {}  # request id -> user
        self.checkpoints: dict[str, int] = {}
        self.ended: list[Any] = []
        self.owed: dict[str, tuple[int, int]] = {}  # request id -> user, quota
        self.credited = dict.fromkeys(USERS, 0)
        self.numbers = itertools.count()

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.check_the_end())
        self.do(self.opened.__aexit__(None, None, None))
        self.loop.close()
        self.folder.cleanup()

    # -- the edge ------------------------------------------------------------------------------------------------------

    @rule(user=st.sampled_from(USERS), amount=amounts, expired=st.booleans())
    def reserve(self, user: int, amount: int, expired: bool) -> None:
        request_id = f"r{next(self.numbers)}"

        async def call() -> Any:
            hold = {
                "request_id": request_id, "user_id": user, "token_id": TOKENS[user], "amount": amount,
                "deadline_ms": 1 if expired else 10**14,
            }  # fmt: skip
            answer = await self.books.hot.reserve(**hold)
            if isinstance(answer, NotLoaded):
                await self.books.hot.load(user, TOKENS[user])
                answer = await self.books.hot.reserve(**hold)
            return answer

        answer = self.do(call())
        assert isinstance(answer, Reserved | QuotaShort), answer
        if isinstance(answer, Reserved):
            assert answer.available >= 0
            self.open[request_id] = user

    @precondition(lambda self: self.open)
    @rule(data=st.data(), quota=amounts, twice=st.booleans())
    def settle(self, data: st.DataObject, quota: int, twice: bool) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.open)))
        user = self.open.pop(request_id)
        record = self.record(request_id, user, quota)
        self.do(self.books.hot.settle(record))
        if twice:
            self.do(self.books.hot.settle(record))
        self.ended.append(record)
        self.owed[request_id] = (user, quota)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), replay=st.booleans())
    def settle_an_old_one_again(self, data: st.DataObject, replay: bool) -> None:
        record = data.draw(st.sampled_from(self.ended))
        self.do(self.books.hot.replay([record]) if replay else self.books.hot.settle(record))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.open)))
        self.do(self.books.hot.release(request_id, self.open.pop(request_id)))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), quota=amounts)
    def checkpoint(self, data: st.DataObject, quota: int) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.open)))
        record = self.record(request_id, self.open[request_id], quota)
        self.do(self.books.hot.extend([Extension(request_id, self.open[request_id], 1, write_record(record))]))
        self.checkpoints[request_id] = quota

    @precondition(lambda self: self.open)
    @rule(data=st.data(), extra=amounts)
    def grow(self, data: st.DataObject, extra: int) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.open)))
        self.do(self.books.hot.grow(request_id=request_id, user_id=self.open[request_id], extra=extra))

    @rule(user=st.sampled_from(USERS))
    def load(self, user: int) -> None:
        self.do(self.books.hot.load(user, TOKENS[user]))

    # -- the console ---------------------------------------------------------------------------------------------------

    @rule(user=st.sampled_from(USERS), delta=st.integers(-300, 300), told=st.booleans())
    def move_balance(self, user: int, delta: int, told: bool) -> None:
        async def move() -> None:
            token = TOKENS[user]
            async with self.books.engine.begin() as db:
                await post(
                    db, kind="adjust", reference=f"m{next(self.numbers)}", user_id=user, delta=delta, token_id=token,
                    token_delta=delta if token else 0, guard=NOT_NEGATIVE,
                )  # fmt: skip
            self.credited[user] += delta
            await balance_changed(self.books.redis, user, partitions=PARTITIONS)
            if told:
                await balance_changed(self.books.redis, user, partitions=PARTITIONS)

        try:
            self.do(move())
        except BalanceTooLow:
            return

    # -- the workers ---------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), count=st.integers(1, 5))
    def read_records(self, which: int, count: int) -> None:
        async def read() -> None:
            await self.settlers[which]._find_positions()
            self.read[which] = await self.settlers[which]._streams.read(self.settlers[which].positions, count)

        self.do(read())

    @rule(which=st.integers(0, 1))
    def apply_records(self, which: int) -> None:
        """What was read may be long out of date: then the other settler has applied it."""
        slices, self.read[which] = self.read[which], None
        if not slices:
            return
        try:
            self.do(self.settlers[which].apply(slices))
        except CursorMoved:
            self.settlers[which].positions.clear()

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        self.settlers[which], self.read[which] = make_settler(self.books), None

    @rule()
    def reap(self) -> None:
        before = set(self.do(self.open_holds()))
        self.do(reap(self.books.execute, Keys(PARTITIONS)))
        for request_id in before - set(self.do(self.open_holds())):
            user = self.open.pop(request_id)
            if request_id in self.checkpoints:
                self.owed[request_id] = (user, self.checkpoints[request_id])

    async def open_holds(self) -> list[str]:
        names = [await self.books.redis.hkeys(f"mx:{{{user % PARTITIONS}}}:b:{user}") for user in USERS]
        return [name[1:].decode() for found in names for name in found if name.startswith(b"h")]

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        assert self.do(find_drifts(self.books)) == []

    async def check_the_end(self) -> None:
        """Settle what is left: every call has been charged exactly what it owes."""
        for settler in (make_settler(self.books), make_settler(self.books)):
            await settler._find_positions()
            while slices := await settler._streams.read(settler.positions, 100):
                await settler.apply(slices)
        for user in USERS:
            spent = sum(quota for owner, quota in self.owed.values() if owner == user)
            expected = START + self.credited[user] - spent
            assert (await self.books.one(User, user)).quota == expected
            token = TOKENS[user]
            if token:
                assert (await self.books.one(Token, token)).remain_quota == expected
        assert await find_drifts(self.books) == []

    def record(self, request_id: str, user: int, quota: int) -> Any:
        token = TOKENS[user]
        return make_record(request_id, user_id=user, quota=quota, token_id=token or 0, token_limited=token is not None)


@pytest.mark.timeout(300)
def test_any_order(valkey_server: str):
    Model.valkey = valkey_server
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )  # fmt: skip
