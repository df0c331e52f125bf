"""arq's worker of one queue, which looks for jobs together with whatever else the process asks of Redis at that moment."""

from typing import Any

from arq.utils import timestamp_ms
from arq.worker import Worker as ArqWorker

from schema.ledger.connection import Execute
from schema.ticks import next_tick

POLL_S = 1.0  # how often it looks; a job begins half a second late on average


class QueueWorker(ArqWorker):
    """What runs jobs is arq; it is bothered when there is one."""

    def __init__(self, look: Execute, **options: Any) -> None:
        """`look`: asks the server that has the queue. `options`: arq's."""
        super().__init__(poll_delay=POLL_S, **options)
        self._look = look

    async def _poll_iteration(self) -> None:
        await next_tick(POLL_S)
        due = await self._look(b"ZRANGEBYSCORE", self.queue_name, b"-inf", timestamp_ms(), b"LIMIT", 0, 1)
        if due or self.tasks:
            await super()._poll_iteration()
        else:
            await self.heart_beat()
