"""Loading hot balances: many callers share one SQL query, and a balance that moves meanwhile is read again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec import Struct

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import Keys

log = structlog.get_logger(__name__)

LIFETIME_S = 6 * 3600  # of an unused hot balance; so long may SQL be away without stopping a known user
BATCH_MAX = 500  # accounts per SQL query
TRIES_MAX = 8  # a balance that moves at every read; each try takes one SQL query
PAGE = 250  # stream entries read at once, where settlement is far behind; each holds up to a hundred records


class Truth(Struct, frozen=True):
    """What SQL says at one moment."""

    quota: int
    remaining: int  # of the token; 0 without one
    position: str  # stream id up to which this partition's records are contained in it


Wanted = tuple[int, int]  # user id, limited token id or 0


class BalanceLoader:
    """Collects what is wanted in one tick, reads SQL once for all of it, and writes the hot balances."""

    def __init__(
        self,
        execute: Execute,
        keys: Keys,
        read_truth: Callable[[Sequence[Wanted]], Awaitable[dict[Wanted, Truth]]],
        now_ms: Callable[[], int],
    ) -> None:
        self._execute = execute
        self._keys = keys
        self._read_truth = read_truth
        self._now_ms = now_ms
        self._wanted: dict[Wanted, asyncio.Future[None]] = {}
        self._running: dict[Wanted, asyncio.Future[None]] = {}
        self._worker: asyncio.Task[None] | None = None

    def is_loading(self, user_id: int, token_id: int) -> bool:
        return (user_id, token_id) in self._wanted or (user_id, token_id) in self._running

    async def load(self, user_id: int, token_id: int) -> None:
        """Raises LookupError when there is no such account, and whatever SQL or Redis raise."""
        wanted = (user_id, token_id)
        future = self._wanted.get(wanted)
        if future is None:
            future = self._wanted[wanted] = asyncio.get_running_loop().create_future()
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._work())
        await asyncio.shield(future)

    async def refresh(self, user_id: int, token_id: int) -> None:
        """Like `load`, for a balance that is there already: a failure only leaves it as old as it is."""
        try:
            await self.load(user_id, token_id)
        except Exception as error:  # SQL may be away for long: the hot balance stays usable
            log.warning("balance_refresh_failed", error=type(error).__name__)

    async def _work(self) -> None:
        while self._wanted:
            batch = dict(list(self._wanted.items())[:BATCH_MAX])
            for wanted in batch:
                del self._wanted[wanted]
            self._running = batch
            try:
                await self._load_batch(list(batch))
            except Exception as error:
                for future in batch.values():
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # a caller that left must not be reported as a forgotten error
            finally:
                self._running = {}
                for future in batch.values():
                    if not future.done():
                        future.cancel()

    async def _load_batch(self, batch: list[Wanted]) -> None:
        for _ in range(TRIES_MAX):
            epochs = await asyncio.gather(
                *(self._execute(b"GET", f"{self._keys.tag(user)}e:{user}") for user, _ in batch)
            )
            truths = await self._read_truth(batch)
            counted = await count_backlogs(self._execute, self._keys, truths)
            outcomes = await asyncio.gather(
                *(self._write(wanted, epoch, truths, counted) for wanted, epoch in zip(batch, epochs, strict=True))
            )
            batch = [wanted for wanted, done in zip(batch, outcomes, strict=True) if not done]
            if not batch:
                return
        raise RuntimeError(f"the balance of user {batch[0][0]} moved at every one of {TRIES_MAX} reads")

    async def _write(
        self, wanted: Wanted, epoch: bytes | None, truths: dict[Wanted, Truth], counted: "dict[int, Backlog]"
    ) -> bool:
        user_id, token_id = wanted
        future, truth = self._running[wanted], truths.get(wanted)
        if truth is None:
            future.set_exception(LookupError(f"no user {user_id}" + (f" with token {token_id}" if token_id else "")))
            future.exception()
            return True
        tag, backlog = self._keys.tag(user_id), counted[self._keys.partition(user_id)]
        names = (f"{tag}b:{user_id}", f"{tag}e:{user_id}", f"{tag}usage")
        arguments = (
            epoch or b"0", user_id, truth.quota - backlog.users.get(user_id, 0), backlog.position, self._now_ms(), LIFETIME_S,
            token_id, truth.remaining - backlog.tokens.get(token_id, 0),
        )  # fmt: skip
        (loaded,) = await evaluate(self._execute, scripts.LOAD, names, arguments)
        if not loaded:
            return False
        if not future.done():
            future.set_result(None)
        return True


class Backlog(Struct):
    """What the unapplied records of a partition sum up to."""

    position: str  # the last stream id counted
    users: dict[int, int] = {}
    tokens: dict[int, int] = {}


async def count_backlogs(execute: Execute, keys: Keys, truths: dict[Wanted, Truth]) -> dict[int, Backlog]:
    """Sum what waits in each stream behind SQL's position, page by page: the script then counts only the newest."""
    positions = {keys.partition(user): truth.position for (user, _), truth in truths.items()}
    found = await asyncio.gather(*(_count(execute, keys.usage(number), at) for number, at in positions.items()))
    return dict(zip(positions, found, strict=True))


async def _count(execute: Execute, stream: str, position: str) -> Backlog:
    backlog = Backlog(position)
    while True:
        page = await execute(b"XRANGE", stream, f"({backlog.position}", b"+", b"COUNT", PAGE)
        for _, fields in page:
            user_id, token_id, quota = int(fields[1]), int(fields[3]), int(fields[5])
            backlog.users[user_id] = backlog.users.get(user_id, 0) + quota
            if token_id:
                backlog.tokens[token_id] = backlog.tokens.get(token_id, 0) + quota
        if page:
            last = page[-1][0]
            backlog.position = last.decode() if isinstance(last, bytes) else last
        if len(page) < PAGE:
            return backlog
