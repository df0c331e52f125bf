"""A stream on the express way: what the provider's socket brings goes to the client's socket at once.

The end is held back until Redis has acknowledged the record, as in a task. A stream whose client does not keep up, that has no
usage or no end mark, breaks off or holds an error goes on in a task from where it is (`PassedStream.run`).
"""

import time
from collections.abc import Coroutine
from typing import Any

from edge.relay.attempt import resume_stream
from edge.relay.express_call import ExpressCall
from edge.relay.live import OF_STREAMS
from edge.relay.passed_stream import PassedStream
from edge.upstream.http1 import Answer, Connection, find_header


class ExpressStream(ExpressCall):
    """Created by `edge.relay.express`."""

    __slots__ = ("_last", "_passed")

    _passed: PassedStream | None
    _last: bytes  # leaves when the call is settled

    def begin(self) -> None:
        self._passed = None
        super().begin()

    def _go_on(self, connection: Connection) -> bool:
        """Pass on what has come. False: a task must look after it. Raises AttemptFailed and StreamTooWild."""
        status = connection.status
        if connection.error is not None or status not in (0, 200) or (connection.closed and not connection.complete):
            return False
        if not status:
            return True
        passed = self._passed
        if passed is None:
            if not find_header(connection.headers, b"content-type").startswith(b"text/event-stream"):
                return False
            self.first_byte_ms = time.time_ns() // 1_000_000 - self.started_ms
            self.answer = Answer(self.relay.http, connection)
            passed = self._passed = PassedStream(self)
        data = connection.take_chunks()
        out = passed.left = passed.turn(data) if data else data
        watch = passed.watch
        if connection.complete:
            usage = watch.usage
            if usage is None or not watch.ended:
                return False
            self._last = out + passed.last_of_whole(usage)
            self._settle(usage, connection)
            self._passed = None  # each has the other
            return True
        self.relay.http.watch(connection, self.relay.config.streaming_timeout_s)
        if not out:
            return True
        if not self.head_sent and not self.begin_at_once(self.stream_type):
            return False
        passed.left = b""
        self.last_out_s = time.monotonic()
        return self.exchange.write_part(out)

    def _reply_at_once(self) -> bool:
        if not self.head_sent:
            return self.answer_at_once(200, self.stream_type, self._last, OF_STREAMS)
        self.body_ended = True
        self.exchange.end(self._last)
        return True

    async def _reply_later(self) -> None:
        await self.end_stream(self._last)

    def _resume(self, connection: Connection, error: Exception | None) -> Coroutine[Any, Any, None]:
        passed, self._passed = self._passed, None
        if passed is None:
            return super()._resume(connection, error)
        return resume_stream(self, passed, self.answer or Answer(self.relay.http, connection), error)
