"""Who holds a relay token: a bounded cache over SQL, filled by one query for many waiters, looked up again by age.

While SQL is away or slow, callers that are known go on as they were last seen; others are refused.
"""

import asyncio
import hashlib
from collections import OrderedDict

from msgspec import Struct
from sqlalchemy import select

from schema.database import DatabaseAway, Engine, read_within
from schema.ip_list import Network, read_ip_list
from schema.tables import Token, User

CALLERS_MAX = 100_000  # about 1 KiB each
AGE_S_MAX = 1.5  # a ban must be seen within 2 s even when its message was lost
BATCH_MAX = 500  # keys per query
READ_S_MAX = 5.0  # of a query
PATIENCE_S = 0.75  # a known caller waits so long for a fresh look at him
AWAY_S = 5.0  # then he is taken as last seen for so long, or until the late answer comes
STALE_S_MAX = 6 * 3600.0  # as long as an unused hot balance lives: so long may SQL be away


class Caller(Struct, frozen=True):
    """A token and its owner as SQL had them; balances live in the ledger."""

    token_id: int
    token_name: str
    token_status: int
    expired_s: int  # Unix s; -1 never
    limited: bool
    remain_quota: int
    models: frozenset[str]  # empty: all
    networks: tuple[Network, ...] | None  # from where it may be used; None: from everywhere
    token_group: str
    user_id: int
    username: str
    user_status: int
    user_group: str
    role: int


def digest_key(key: str) -> bytes:
    """What callers are kept by, in place of their keys."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


class _Held(Struct):
    caller: Caller | None  # None: there is no such token
    seen_s: float  # when SQL was asked, in the loop's time
    held_s: float  # when it was decided to go by that
    fresh_until_s: float


class Callers:
    """`find` by key; None for keys that do not exist."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Caller | None]] = {}
        self._query: asyncio.Task[None] | None = None
        self._edited_s = 0.0

    def look_again(self) -> None:
        """Somebody was edited: everybody is looked up again with his next call, many in one query."""
        self._edited_s = self._loop.time()

    def at_hand(self, digest: bytes) -> Caller | None:
        """Who is known and was seen lately, as nearly everybody is; None: `find`. `digest`: see `digest_key`."""
        held = self._held.get(digest)
        if held is not None and held.fresh_until_s > self._loop.time() and held.held_s >= self._edited_s:
            return held.caller
        return None

    async def find(self, key: str) -> Caller | None:
        """Raises DatabaseAway. Keys themselves are not kept."""
        digest = digest_key(key)
        held = self._held.get(digest)
        now_s = self._loop.time()
        if held is not None and held.fresh_until_s > now_s and held.held_s >= self._edited_s:
            return held.caller
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = self._loop.create_future()
            if self._query is None:
                self._query = self._loop.create_task(self._read())
        if held is None or held.caller is None or held.seen_s < now_s - STALE_S_MAX:
            return await asyncio.shield(future)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(future)
        except (DatabaseAway, TimeoutError):
            seen = self._held.get(digest)
            if seen is held:  # no late answer meanwhile
                held.held_s = self._loop.time()
                held.fresh_until_s = held.held_s + AWAY_S
            return held.caller

    async def _read(self) -> None:
        await asyncio.sleep(0)  # the keys of one loop tick go in one query
        while self._waiting:
            batch = dict(list(self._waiting.items())[:BATCH_MAX])
            asked_s = self._loop.time()
            try:
                found = await self._select(list(batch))
            except Exception as error:
                for key, future in batch.items():
                    self._waiting.pop(key, None)
                    if not future.done():
                        future.set_exception(error)
                        future.exception()
                continue
            now_s = self._loop.time()
            for key, future in batch.items():
                self._waiting.pop(key, None)
                self._hold(key, _Held(found.get(key), asked_s, asked_s, now_s + AGE_S_MAX))
                if not future.done():
                    future.set_result(found.get(key))
        self._query = None

    def _hold(self, key: str, held: "_Held") -> None:
        digest = digest_key(key)
        self._held[digest] = held
        self._held.move_to_end(digest)
        if len(self._held) > CALLERS_MAX:
            self._held.popitem(last=False)

    async def _select(self, keys: list[str]) -> dict[str, Caller]:
        return await select_callers(self._engine, keys)


async def select_callers(engine: Engine, keys: list[str]) -> dict[str, Caller]:
    """Tokens by key, with their owners; unknown and deleted ones are missing. Keys are compared again: some databases
    do not tell upper from lower case."""
    statement = (
        select(*_COLUMNS)
        .select_from(Token)
        .join(User, User.id == Token.user_id)
        .where(Token.key.in_(keys), Token.deleted_at.is_(None), User.deleted_at.is_(None))
    )
    async with read_within(engine, READ_S_MAX) as db:
        rows = (await db.execute(statement)).all()
    wanted = set(keys)
    return {key.rstrip(): _read_row(values) for key, *values in rows if key.rstrip() in wanted}


async def read_caller(engine: Engine, key: str) -> Caller | None:
    """One token, straight from SQL."""
    return (await select_callers(engine, [key])).get(key)


_COLUMNS = (
    Token.key, Token.id, Token.name, Token.status, Token.expired_time, Token.unlimited_quota, Token.remain_quota,
    Token.model_limits_enabled, Token.model_limits, Token.allow_ips, Token.subnet, Token.group,
    User.id, User.username, User.status, User.group, User.role,
)  # fmt: skip


def _read_row(values: list) -> Caller:  # type: ignore[type-arg]  # a row of _COLUMNS without the key
    (token_id, name, status, expired, unlimited, remain, limits_on, limits, ips, subnet, token_group,
     user_id, username, user_status, user_group, role) = values  # fmt: skip
    models = frozenset(part.strip() for part in (limits or "").split(",") if part.strip()) if limits_on else frozenset()
    return Caller(
        token_id=token_id, token_name=name or "", token_status=status, expired_s=expired, limited=not unlimited,
        remain_quota=remain or 0, models=models, networks=read_ip_list(ips or "", subnet or ""),
        token_group=token_group or "", user_id=user_id, username=username or "", user_status=user_status,
        user_group=user_group or "default", role=role or 0,
    )  # fmt: skip
