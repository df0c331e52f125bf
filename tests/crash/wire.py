"""A wire between a process and a server, with the faults that real ones have: it is cut, goes dead without a word, is slow, or
leads to another server from now on."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Target = tuple[str, int] | str  # TCP address, or path of a unix socket
READ_BYTES = 65536


class Wire:
    """Listens on a free port of this machine; `target` may be changed at any time, for connections to come."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.delay_s = 0.0  # of every piece, in both directions
        self.port = 0
        self.resets = 0
        self._refuses = False
        self._epoch = 0  # connections of earlier epochs carry nothing any more
        self._dead = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Every connection ends with an RST, in the middle of whatever it carries."""
        for writer in list(self._writers):
            self.resets += 1
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def refuse(self) -> None:
        """The server is gone: what is open is reset, what comes is closed at once."""
        self._refuses = True
        self.reset()

    def go_dead(self) -> None:
        """Half-open: nobody is told, nothing arrives any more, new connections are accepted and never answered."""
        self._dead = True
        self._epoch += 1

    def heal(self) -> None:
        """New connections work. Those that went dead stay so for ever."""
        self._refuses = self._dead = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refuses:
            writer.transport.abort()
            return
        self._writers.add(writer)
        epoch = self._epoch
        if self._dead:
            epoch = -1  # never alive
        try:
            if epoch < 0:
                await asyncio.Event().wait()
            far_reader, far = await self._dial()
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far, epoch))
                group.create_task(self._carry(far_reader, writer, epoch))
        except* OSError:
            pass
        finally:
            for end in (writer, far):
                self._writers.discard(end)
                end.transport.abort()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, epoch: int) -> None:
        while data := await reader.read(READ_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if epoch == self._epoch:  # a dead wire swallows what it is given
                writer.write(data)
                await writer.drain()
        raise ConnectionResetError  # one end has closed: so has the other

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def open_wire(target: Target) -> AsyncIterator[Wire]:
    wire = Wire(target)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.close()
