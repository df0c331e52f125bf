"""How the ledger speaks to Redis: any callable that sends one command. Scripts go by their hash, and by source once after a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

import hiredis
from redis import exceptions

from schema.ledger.scripts import Script

Part = bytes | str | int


class Execute(Protocol):
    """Send one command; the answer as hiredis gives it (bytes, int, list, None); server errors raise hiredis.ReplyError."""

    def __call__(self, *command: Part) -> Awaitable[Any]: ...


OnAnswer = Callable[[Any], None]  # takes the answer, or the exception in its place


class Line(Protocol):
    """A connection that answers by callbacks, and whose commands of one turn of the loop leave together.

    Futures, and a step of the loop between gathering and leaving, would cost turns of the loop, and each turn a system call.
    """

    @property
    def connected(self) -> bool:
        """Is the server there, as far as one knows?"""
        ...

    def send(self, on_answer: OnAnswer, *command: Part) -> None:
        """Queue one command. `on_answer` must not raise; it may be called before this returns."""
        ...

    def before_leaving(self, step: Callable[[], None]) -> None:
        """`step` is called once, before the commands of this turn leave: what it sends leaves with them. It must not raise."""
        ...


class FutureLine:
    """A Line over connections that know futures only."""

    def __init__(self, execute: Execute, is_connected: Callable[[], bool] = lambda: True) -> None:
        self._execute, self._is_connected = execute, is_connected

    @property
    def connected(self) -> bool:
        return self._is_connected()

    def send(self, on_answer: OnAnswer, *command: Part) -> None:
        answer = asyncio.ensure_future(self._execute(*command))
        answer.add_done_callback(partial(_hand_on, on_answer))

    def before_leaving(self, step: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(step)


def _hand_on(on_answer: OnAnswer, answer: "asyncio.Future[Any]") -> None:
    error = asyncio.CancelledError() if answer.cancelled() else answer.exception()
    on_answer(answer.result() if error is None else error)


def over_redis_py(redis: Any) -> Execute:
    """A redis.asyncio client as the ledger wants it: raw answers, one kind of error."""
    parse: Callable[..., Any] = redis.execute_command

    async def execute(*command: Part) -> Any:
        try:
            return await parse(*command)
        except exceptions.NoScriptError as error:
            raise hiredis.ReplyError(f"NOSCRIPT {error}") from error
        except exceptions.ResponseError as error:
            raise hiredis.ReplyError(str(error)) from error

    return execute


async def evaluate(execute: Execute, script: Script, keys: Sequence[str], arguments: Sequence[Part]) -> Any:
    """Run a script. Connection errors pass through; after one it is unknown whether the script ran."""
    try:
        return await execute(b"EVALSHA", script.sha, len(keys), *keys, *arguments)
    except hiredis.ReplyError as error:
        if not str(error).startswith("NOSCRIPT"):
            raise
    return await execute(b"EVAL", script.source, len(keys), *keys, *arguments)
