"""What the calls of one turn of the event loop ask for one account leaves as one script call: half the server's work and ours.

A script pays once for being called, for reading the balance and for writing it, however many calls it looks after: sixteen
holds and settles of one account cost Valkey 9 us each in place of 19.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import hiredis

from schema.ledger.connection import Line, OnAnswer, Part
from schema.ledger.scripts import Script

CALLS_MAX = 100  # of one account in one script call: about 0.5 ms of the server

Account = tuple[int, int]  # user id, limited token id or 0
Key = TypeVar("Key", bound=Hashable)  # whose calls share script calls
Asked = TypeVar("Asked")
Written = tuple[Sequence[str], Sequence[Part]]  # keys and arguments of a script call


class Gathering(Generic[Key, Asked]):
    """One per script and process."""

    def __init__(
        self,
        line: Line,
        script: Script,
        write: Callable[[Key, Sequence[Asked]], Written],
        read: Callable[[Key, list[Any], int], Sequence[Any]],
    ) -> None:
        """
        Args:
            write: makes the script call for these calls, usually of one account.
            read: takes its answer apart, one part for each of so many calls.
        """
        self._loop = asyncio.get_running_loop()
        self._line, self._script = line, script
        self._write, self._read = write, read
        self._waiting: dict[Key, tuple[list[Asked], list[OnAnswer]]] = {}

    def ask(self, key: Key, asked: Asked) -> "asyncio.Future[Any]":
        """The answer to this call; what Redis raises, all calls of its script call are told."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self.put(key, asked, partial(resolve, future))
        return future

    def put(self, key: Key, asked: Asked, on_answer: OnAnswer) -> None:
        """As `ask`, for who waits by a callback: it takes the answer, or the exception in its place, and must not raise."""
        if not self._waiting:
            self._line.before_leaving(self._leave)
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = ([asked], [on_answer])
        else:
            waiting[0].append(asked)
            waiting[1].append(on_answer)

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for key, (calls, tell) in waiting.items():
            for start in range(0, len(calls), CALLS_MAX):
                end = start + CALLS_MAX
                self._send(key, calls[start:end], tell[start:end])

    def _send(self, key: Key, calls: list[Asked], tell: list[OnAnswer]) -> None:
        try:
            keys, arguments = self._write(key, calls)
            answered = partial(self._answered, key, keys, arguments, tell)
            self._line.send(answered, b"EVALSHA", self._script.sha, len(keys), *keys, *arguments)
        except Exception as error:  # nobody awaits this function: those who wait must be told
            _fail(tell, error)

    def _answered(
        self, key: Key, keys: Sequence[str], arguments: Sequence[Part], tell: list[OnAnswer], answer: Any
    ) -> None:
        if isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT"):
            again = partial(self._tell, key, tell)  # the server was restarted and has forgotten the script
            self._line.send(again, b"EVAL", self._script.source, len(keys), *keys, *arguments)
        else:
            self._tell(key, tell, answer)

    def _tell(self, key: Key, tell: list[OnAnswer], answer: Any) -> None:
        if isinstance(answer, BaseException):
            _fail(tell, answer)
            return
        try:
            answers = self._read(key, answer, len(tell))
            assert len(answers) == len(tell), answer
        except Exception as error:  # not what our script answers
            _fail(tell, error)
            return
        for on_answer, one in zip(tell, answers, strict=True):
            on_answer(one)


def _fail(tell: list[OnAnswer], error: BaseException) -> None:
    for on_answer in tell:
        on_answer(error)


def resolve(future: "asyncio.Future[Any]", answer: Any) -> None:
    """A call that was cancelled waits no more."""
    if future.done():
        return
    if isinstance(answer, asyncio.CancelledError):
        future.cancel()
    elif isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
