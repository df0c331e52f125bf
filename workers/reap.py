"""The reaper: ends holds whose edge is gone. What had been relayed is charged by the last checkpoint, the rest is given back."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import EPOCH_LIFETIME_S, Keys
from schema.usage import UsageRecord, read_record, write_record

log = structlog.get_logger(__name__)

PAGE = 200  # users looked at in one round trip
REAP_MAX = 5_000  # holds ended in one run; the rest waits for the next


class Reaped(Struct):
    """What one run did."""

    charged: int = 0
    released: int = 0
    open: int = 0  # holds left
    held: int = 0  # their quota


class Hold(Struct, frozen=True):
    """An open hold as the balance hash keeps it."""

    user_id: int
    request_id: str
    text: bytes  # as stored
    amount: int
    token_id: int  # limited token or 0
    deadline_ms: int
    has_checkpoint: bool


def read_hold(user_id: int, name: bytes, text: bytes) -> Hold:
    amount, token_id, deadline_ms, flag = text.split(b" ", 4)[:4]
    return Hold(user_id, name[1:].decode(), text, int(amount), int(token_id), int(deadline_ms), flag == b"1")


async def find_held(execute: Execute, keys: Keys, partitions: Iterable[int]) -> list[int]:
    """Those of the partitions that have holders: one question for each, all at once."""
    asked = list(partitions)
    counts = await asyncio.gather(*(execute(b"SCARD", keys.holders(partition)) for partition in asked))
    return [partition for partition, count in zip(asked, counts, strict=True) if count]


async def read_holds(execute: Execute, keys: Keys, partition: int) -> list[Hold]:
    """All open holds of a partition. Users without any are taken off the list of holders on the way."""
    holds: list[Hold] = []
    users = [int(user) for user in await execute(b"SMEMBERS", keys.holders(partition))]
    for start in range(0, len(users), PAGE):
        page = users[start : start + PAGE]
        answers = await asyncio.gather(*(execute(b"HGETALL", keys.balance(user)) for user in page))
        for user, answer in zip(page, answers, strict=True):
            pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
            found = [read_hold(user, name, text) for name, text in pairs if name.startswith(b"h")]
            holds += found
            if not found:
                await evaluate(execute, scripts.RETIRE, (keys.balance(user), keys.holders(partition)), (user,))
    return holds


async def reap(execute: Execute, keys: Keys) -> Reaped:
    """End every hold past its deadline, by Redis' clock. Safe to run anywhere, by many at once, and to be killed."""
    done = Reaped()
    seconds, micros = await execute(b"TIME")
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    for partition in await find_held(execute, keys, range(keys.partitions)):
        holds = await read_holds(execute, keys, partition)
        due = [hold for hold in holds if hold.deadline_ms <= now_ms]
        done.open += len(holds) - len(due)
        done.held += sum(hold.amount for hold in holds if hold.deadline_ms > now_ms)
        for hold in due[:REAP_MAX]:
            match await _end(execute, keys, hold, now_ms):
                case 1:
                    done.charged += 1
                case 2:
                    done.released += 1
    if done.charged or done.released:
        log.info("reaped", charged=done.charged, released=done.released, open=done.open)
    return done


async def _end(execute: Execute, keys: Keys, hold: Hold, now_ms: int) -> int:
    tag = keys.tag(hold.user_id)
    checkpoint: bytes = await execute(b"GET", f"{tag}c:{hold.request_id}") or b"" if hold.has_checkpoint else b""
    record = _final(checkpoint, now_ms) if checkpoint else None
    if checkpoint and record is None:
        log.error("checkpoint_unreadable", request_id=hold.request_id, user_id=hold.user_id)
        return 0
    arguments: tuple[Any, ...] = (
        hold.request_id, hold.text, checkpoint, hold.user_id,
        record.token_id if record is not None and record.token_limited else 0,
        record.quota if record is not None else 0,
        write_record(record) if record is not None else b"", EPOCH_LIFETIME_S, f"{tag}i:",
    )  # fmt: skip
    names = (keys.balance(hold.user_id), f"{tag}usage", f"{tag}e:{hold.user_id}", f"{tag}c:{hold.request_id}")
    return int(await evaluate(execute, scripts.REAP, names, arguments))


def _final(checkpoint: bytes, now_ms: int) -> UsageRecord | None:
    """The record of a call that was cut when its edge died; its quota is what the edge had computed so far."""
    try:
        record = read_record(checkpoint)
    except msgspec.DecodeError:
        return None
    ended_ms = record.ended_ms if record.ended_ms > 0 else min(now_ms, time.time_ns() // 1_000_000)
    return replace(record, cut=True, ended_ms=ended_ms)
