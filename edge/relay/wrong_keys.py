"""Who tries keys out: wrong ones are counted per address, over all edges; right ones are never held up by it."""

import contextlib
import time

from edge.relay.refusal import Refused
from edge.spool import REFUSES
from schema.addresses import Address, name_of
from schema.ledger.connection import Execute

PER_MINUTE = 100  # of one address; IPv6 by its /64


async def count_wrong_key(execute: Execute, address: Address | None, refused: Refused) -> Refused:
    """The refusal to answer: 429 for an address that gave too many wrong keys in this minute, else the one given."""
    now = int(time.time())
    name = f"mx:wrong_keys:{name_of(address)}:{now // 60}"
    with contextlib.suppress(*REFUSES):
        wrong = int(await execute(b"INCR", name))
        if wrong == 1:
            await execute(b"EXPIRE", name, 120)
        if wrong > PER_MINUTE:
            text = "Too many wrong API keys came from this address; please wait."
            return Refused(429, "rate_limit_exceeded", text, retry_after_s=60 - now % 60)
    return refused
