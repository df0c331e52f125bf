"""Runs over all channels: bounded, one at a time in the cluster, their progress where everybody can see it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from schema.upstreams.account import Account

RUN_LOCK = "mx:test_run"  # holds the id of the run that goes on
RUNS = "mx:test_run:"  # + id: JSON of its progress
BALANCE_LOCK = "mx:balance_run"
LEASE_S = 30 * 60
PARALLEL = 8  # channels at once
JITTER_S = 0.2
FAILURES_SHOWN_MAX = 100

Step = Callable[[Account], Awaitable[tuple[bool, str]]]  # -> (good, what was said or done)


class Failure(Struct, frozen=True):
    channel_id: int
    name: str
    message: str


class Progress(Struct, kw_only=True):
    """`finished_s` 0 while it runs. Times in Unix s."""

    run_id: str
    scope: str = "all"
    started_s: int = 0
    finished_s: int = 0
    total: int = 0
    done: int = 0
    passed: int = 0
    disabled: int = 0
    enabled: int = 0
    failures: list[Failure] = []


def in_scope(account: Account, tag: str | None, scope: str, *, by_hand_too: bool) -> bool:
    """`by_hand_too`: runs that a person started look at channels which a person switched off."""
    if account.status == 2 and not by_hand_too:
        return False
    if scope == "disabled":
        return account.status != 1
    if scope == "auto_disabled":
        return account.status == 3
    if scope.startswith("tag:"):
        return tag == scope[4:]
    return True


async def run_all(
    redis: Any, progress: Progress, accounts: Iterable[Account], step: Step, *, pause_s: float = 0
) -> None:
    """Each account once, PARALLEL at a time; the progress is stored after each."""
    waiting = list(accounts)
    progress.total = len(waiting)
    name = RUNS + progress.run_id
    room = asyncio.Semaphore(1 if pause_s else PARALLEL)

    async def one(account: Account) -> None:
        async with room:
            await asyncio.sleep(pause_s + random.random() * JITTER_S)
            good, said = await step(account)
            progress.done += 1
            progress.passed += good
            progress.disabled += said == "disabled"
            progress.enabled += said == "enabled"
            if not good and len(progress.failures) < FAILURES_SHOWN_MAX:
                progress.failures.append(Failure(account.id, account.name, said[:300]))
            await redis.set(name, msgspec.json.encode(progress), ex=LEASE_S * 2)

    await asyncio.gather(*(one(account) for account in waiting))
    progress.finished_s = int(time.time())
    await redis.set(name, msgspec.json.encode(progress), ex=LEASE_S * 2)
