"""`python -m bench.realtime`: many Realtime sessions at once through a fresh gateway; errors, charges, CPU and memory a session.

Each session asks for two answers of 25 audio messages, 40 ms apart. Provider and clients run on the same machine.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import multiprocessing
import sqlite3
import time
from typing import Any

import picows
import redis
import uvloop

from bench.books import count_charged, seed
from bench.gateway import Gateway, free_port, run_gateway
from bench.peers import run_mock
from bench.procs import cpu_s, memory_bytes

MODEL = "bench-realtime"
TURNS, MESSAGES, PAUSE_S = 2, 25, 0.04
PATIENCE_S = 120.0
AT_ONCE = 50  # connections being opened at a time
_TEXT = picows.WSMsgType.TEXT
_ASK = b'{"type":"response.create"}'
_DELTA = json.dumps(
    {"type": "response.audio.delta", "response_id": "r", "delta": base64.b64encode(b"\0" * 1920).decode()}
).encode()
_DONE = json.dumps(
    {
        "type": "response.done",
        "response": {
            "id": "r",
            "status": "completed",
            "usage": {
                "input_tokens": 20,
                "output_tokens": 40,
                "input_token_details": {"text_tokens": 20},
                "output_token_details": {"audio_tokens": 40},
            },
        },
    }
).encode()


class _Provider(picows.WSListener):
    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == _TEXT:
            self._answering = asyncio.ensure_future(
                self._answer(transport)
            )  # kept: a loop holds tasks by weak references
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    async def _answer(self, transport: Any) -> None:
        for _ in range(MESSAGES):
            transport.send(_TEXT, _DELTA)
            await asyncio.sleep(PAUSE_S)
        transport.send(_TEXT, _DONE)


def _provide(port: int) -> None:
    async def serve() -> None:
        server = await picows.ws_create_server(lambda _: _Provider(), "127.0.0.1", port)
        async with server:
            await server.serve_forever()

    uvloop.run(serve())


class _Client(picows.WSListener):
    def __init__(self) -> None:
        super().__init__()
        self.done, self.heard = asyncio.Event(), 0

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == _TEXT:
            self.heard += 1
            if b'"response.done"' in frame.get_payload_as_bytes():
                self.done.set()

    def on_ws_disconnected(self, transport: Any) -> None:
        self.done.set()


async def _talk(url: str, key: str, opened: list[_Client], go: asyncio.Event, door: asyncio.Semaphore) -> bool:
    async with door:
        transport, client = await picows.ws_connect(
            _Client, url, extra_headers=[("Authorization", f"Bearer {key}")], websocket_handshake_timeout=60
        )
    opened.append(client)
    await go.wait()
    for _ in range(TURNS):
        client.done.clear()
        transport.send(_TEXT, _ASK)
        await asyncio.wait_for(client.done.wait(), PATIENCE_S)
    transport.send_close(picows.WSCloseCode.OK)
    transport.disconnect()
    return client.heard == TURNS * (MESSAGES + 1)


async def _run(gateway: Gateway, key: str, sessions: int) -> dict[str, Any]:
    url = f"ws://127.0.0.1:{gateway.port}/v1/realtime?model={MODEL}"
    opened: list[_Client] = []
    go, door = asyncio.Event(), asyncio.Semaphore(AT_ONCE)
    empty = memory_bytes(gateway.process.pid)
    began_cpu_s, began = cpu_s(gateway.process.pid), time.monotonic()
    tasks = [asyncio.create_task(_talk(url, key, opened, go, door)) for _ in range(sessions)]
    while len(opened) < sessions and not any(task.done() for task in tasks):
        await asyncio.sleep(0.1)
    opened_s, full = time.monotonic() - began, memory_bytes(gateway.process.pid)
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [result for result in results if result is not True]
    spent_s = cpu_s(gateway.process.pid) - began_cpu_s
    return {
        "sessions": sessions,
        "failed": len(failed),
        "first failure": repr(failed[0]) if failed else "",
        "opened in s": round(opened_s, 2),
        "took s": round(time.monotonic() - began, 1),
        "memory of an idle session, KiB": round((full - empty) / sessions / 1024, 1),
        "CPU of a session, ms": round(spent_s / sessions * 1000, 2),
        "CPU of a message, us": round(spent_s / sessions / (TURNS * (MESSAGES + 2)) * 1e6, 1),
    }


def _add_channel(gateway: Gateway, port: int) -> None:
    with contextlib.closing(sqlite3.connect(gateway.folder / "data" / "one-api.db", timeout=30)) as db, db:
        db.execute(
            'insert into channels(id,type,key,status,name,weight,base_url,models,"group",priority,provider)'
            " values(2,1,'sk-up',1,'realtime',0,?,?,'default',0,'openai')",
            (f"http://127.0.0.1:{port}", MODEL),
        )
    socket = next((gateway.folder / "data" / "valkey").glob("*.sock"))
    with contextlib.closing(redis.Redis(unix_socket_path=str(socket))) as store:
        store.hincrby("mx:ver", "channels", 1)
    time.sleep(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    sessions = parser.parse_args().sessions
    port = free_port()
    provider = multiprocessing.get_context("spawn").Process(target=_provide, args=(port,), daemon=True)
    provider.start()
    try:
        with run_mock() as mock, run_gateway() as gateway:
            key = seed(gateway, mock.url, ["bench", MODEL])
            with contextlib.closing(sqlite3.connect(gateway.folder / "data" / "one-api.db", timeout=30)) as db, db:
                db.execute("update channels set models='bench' where id=1")
            _add_channel(gateway, port)
            before = count_charged(gateway, 0)
            figures = uvloop.run(_run(gateway, key, sessions))
            wanted = before + sessions * (TURNS + 1)  # each session ends with a record of its own
            figures["records missing in the books"] = wanted - count_charged(gateway, wanted)
    finally:
        provider.terminate()
    for name, value in figures.items():
        print(f"{name:34} {value}")


if __name__ == "__main__":
    main()
