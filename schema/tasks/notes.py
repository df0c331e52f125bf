"""Acceptances on their way: kept in Redis from the upstream's answer until the transaction that settles it has committed.

An edge that dies in between leaves its note; a worker settles by it. So an acceptance that reached us is never lost to a crash,
and a database that is away for a while only delays the booking.
"""

import msgspec

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import EPOCH_LIFETIME_S, Keys
from schema.tasks.books import Acceptance

ACCEPTED = "mx:tasks:accepted"  # hash: task key -> Acceptance in msgpack

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Acceptance).decode


async def write_note(execute: Execute, taken: Acceptance) -> None:
    await execute(b"HSET", ACCEPTED, taken.task_key, _encode(taken))


async def has_note(execute: Execute, task_key: str) -> bool:
    return bool(await execute(b"HEXISTS", ACCEPTED, task_key))


async def read_notes(execute: Execute) -> list[Acceptance]:
    return [_decode(value) for value in await execute(b"HVALS", ACCEPTED)]


async def forget_note(execute: Execute, task_key: str) -> None:
    await execute(b"HDEL", ACCEPTED, task_key)


async def end_hold(execute: Execute, keys: Keys, user_id: int, task_key: str) -> None:
    """After a commit that charged a held task: its hold goes, and the balance is loaded again, in one step."""
    names = (f"{keys.tag(user_id)}e:{user_id}", keys.balance(user_id))
    await evaluate(execute, scripts.CHANGED, names, (EPOCH_LIFETIME_S, task_key))
