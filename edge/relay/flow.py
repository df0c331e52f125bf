"""What an upstream sends goes on to the client as it comes, and each waits for the other."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import Answer
from schema.dialects import neutral

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

STREAM_TIMEOUT = neutral.UpstreamError(
    "The upstream stopped sending in the middle of its answer.", "upstream_error", "stream_timeout", status=504
)


async def carry(
    live: "LiveCall", answer: UpstreamAnswer, turn: Callable[[bytes], bytes], ended: Callable[[], bool]
) -> bytes:
    """Send on what `turn` makes of each read. Raises UpstreamBroken, and what `turn` raises.

    Returns what came in one read with the end, and has not been sent: it leaves with the last event, in one write.

    Once a stream flows and its client keeps up, the upstream's socket feeds the client's without a task in between.
    `ended`: the last event was seen; a body that is here whole then needs no look at its end.
    """
    limit_s = live.relay.config.streaming_timeout_s
    write = live.exchange.write_part if live.exchange is not None else None
    while data := await answer.read_some(limit_s):
        out = turn(data)
        if ended() and answer.ended:
            return out
        if out:
            await live.stream_out(out)
        if not ended() and write is not None and live.head_sent and isinstance(answer, Answer):
            await answer.pour(partial(_pass_on, live, turn, ended, write), limit_s)
            await live.keep_pace()
    return b""


def _pass_on(
    live: "LiveCall",
    turn: Callable[[bytes], bytes],
    ended: Callable[[], bool],
    write: Callable[[bytes], bool],
    data: bytes,
) -> bool:
    """False: the task must see to the end, or wait for the client."""
    out = turn(data)
    if out:
        live.last_out_s = time.monotonic()
        return write(out) and not ended()
    return not ended()
