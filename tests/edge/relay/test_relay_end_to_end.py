"""A client is relayed and billed through the real chain: edge process, upstream over HTTP, Valkey, worker, SQLite."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import redis
from openai import AsyncOpenAI

ROOT = Path(__file__).resolve().parents[3]
KEY = "k" * 48
ANSWER = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500},'
    b'"unknown_member":{"stays":true}}'
)
STREAM = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},'
    b'"finish_reason":null}]}\n\n'
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1000,'
    b'"completion_tokens":500,"total_tokens":1500}}\n\n'
    b"data: [DONE]\n\n"
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers by the request: 500 for the model `broken`, a stream when asked, else a plain answer."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            status, kind, answer = b"200 OK", b"application/json", ANSWER
            if b"broken" in body:
                status, answer = b"500 Oops", b'{"error":{"message":"sorry","type":"server_error","code":"x"}}'
            elif b'"stream":true' in body:
                kind, answer = b"text/event-stream", STREAM
            writer.write(
                b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (status, kind, len(answer), answer)
            )
            await writer.drain()
    writer.close()


@pytest.fixture
def gateway(tmp_path):
    """Address of a running gateway with one user, one token and one channel; its database; the upstream's port."""
    port, upstream_port = free_port(), free_port()
    environ = {
        **os.environ, "DATA_DIR": str(tmp_path), "PORT": str(port), "HOST": "127.0.0.1", "EDGE_WORKERS": "1",
        "REDIS_CONN_STRING": "", "SQL_DSN": "", "SQLITE_PATH": "", "SHUTDOWN_TIMEOUT": "2",
    }  # fmt: skip
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "medusa.cli", "up"],
        cwd=ROOT,
        env=environ,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                    break
            assert process.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.2)
        database = tmp_path / "one-api.db"
        with contextlib.closing(sqlite3.connect(database, timeout=20)) as db, db:
            db.execute(
                'insert into users(id,username,password,role,status,quota,used_quota,request_count,"group",aff_code)'
                " values(1,'ann','',1,1,2250,0,0,'default','a')"
            )
            db.execute(
                "insert into tokens(id,user_id,key,status,name,expired_time,remain_quota,unlimited_quota,used_quota)"
                f" values(1,1,'{KEY}',1,'t',-1,0,1,0)"
            )
            db.execute(
                'insert into channels(id,type,key,status,name,weight,base_url,models,"group",priority,provider) values'
                f"(1,1,'sk-up',1,'c',0,'http://127.0.0.1:{upstream_port}','gpt-4o-mini,broken','default',0,'openai')"
            )
            db.execute("insert into options values('ModelPrice','{\"gpt-4o-mini\":0.00045,\"broken\":0.00001}')")
        store = redis.Redis(unix_socket_path=str(next((tmp_path / "valkey").glob("*.sock"))))
        store.hincrby("mx:ver", "channels", 1)
        store.close()
        ask = {"model": "broken", "messages": []}
        while True:  # nobody listens upstream yet: once the channel is known the call fails with 502 and costs nothing
            answer = httpx.post(
                f"http://127.0.0.1:{port}/v1/chat/completions", json=ask, headers={"authorization": f"Bearer sk-{KEY}"}
            )
            if answer.status_code == 502:
                break
            assert time.monotonic() < until, answer.text
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", database, upstream_port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def books(database, *, calls):
    """(quota, used quota, requests) once `calls` are settled."""
    until = time.monotonic() + 10
    while True:
        with contextlib.closing(sqlite3.connect(database, timeout=5)) as db:
            row = db.execute("select quota, used_quota, request_count from users where id=1").fetchone()
            logs = db.execute("select count(*), coalesce(sum(quota),0) from logs where type=2").fetchone()
        if row[2] >= calls or time.monotonic() > until:
            return row, logs
        time.sleep(0.1)


async def test_calls_are_relayed_and_charged_and_a_balance_for_ten_passes_ten(gateway):
    address, database, upstream_port = gateway
    server = await asyncio.start_server(upstream, "127.0.0.1", upstream_port)
    client = AsyncOpenAI(api_key=f"sk-{KEY}", base_url=f"{address}/v1", max_retries=0, timeout=30)
    message = {"role": "user", "content": "hello"}
    async with (
        server,
        httpx.AsyncClient(base_url=address, timeout=30, headers={"authorization": f"Bearer sk-{KEY}"}) as http,
    ):
        body = {"model": "gpt-4o-mini", "messages": [message]}
        plain = await http.post("/v1/chat/completions", json=body)
        assert (plain.status_code, plain.content) == (200, ANSWER)  # byte for byte
        assert plain.headers["x-oneapi-request-id"]

        chunks = [c async for c in await client.chat.completions.create(**body, stream=True)]
        assert [c.choices[0].delta.content for c in chunks] == ["hi"]  # the usage chunk was not asked for

        claude = await http.post("/v1/messages", json={**body, "max_tokens": 9}, headers={"x-api-key": f"sk-{KEY}"})
        assert claude.json()["content"] == [{"type": "text", "text": "hi"}]

        broken = await http.post("/v1/chat/completions", json={**body, "model": "broken"})
        assert (broken.status_code, broken.json()["error"]["message"][:5]) == (500, "sorry")

        # 225 quota a call: three of ten are spent, two hundred at once want the other seven
        answers = await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(200)))
        passed = [a for a in answers if a.status_code == 200]
        refused = [a for a in answers if a.status_code == 403]
        assert (len(passed), len(refused)) == (7, 193)
        assert {a.json()["error"]["code"] for a in refused} == {"insufficient_user_quota"}
    await client.close()
    assert books(database, calls=10) == ((0, 2250, 10), (10, 2250))


async def test_bad_requests_are_refused_in_the_callers_dialect(gateway):
    address, database, _ = gateway
    async with httpx.AsyncClient(base_url=address, timeout=30) as http:
        key = {"authorization": f"Bearer sk-{KEY}"}
        for headers, content, status, code in [
            ({}, b"{}", 401, "invalid_token"),
            ({"authorization": "Bearer sk-wrong"}, b"{}", 401, "invalid_token"),
            ({"authorization": f"Bearer sk-{KEY}", "x-api-key": "sk-other"}, b"{}", 401, "ambiguous_credentials"),
            (key, b"not json", 400, "invalid_request"),
            (key, b'{"messages":[]}', 400, "invalid_request"),
            (key, b'{"model":"unknown","messages":[]}', 503, "no_channel"),
            ({"authorization": f"Bearer sk-{KEY}-1"}, b'{"model":"gpt-4o-mini"}', 403, "channel_pin_refused"),
        ]:
            answer = await http.post("/v1/chat/completions", content=content, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        claude = await http.post("/v1/messages", content=b"not json", headers={"x-api-key": f"sk-{KEY}"})
        assert (claude.status_code, claude.json()["type"]) == (400, "error")
    assert books(database, calls=0) == ((2250, 0, 0), (0, 0))


async def test_a_client_that_leaves_stops_the_upstream_and_pays_for_what_it_saw(gateway):
    address, database, upstream_port = gateway
    cut_off = asyncio.Event()
    event = STREAM.split(b"\n\n")[0] + b"\n\n"

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(300):
                writer.write(event)
                await writer.drain()
                await asyncio.sleep(0.1)
        cut_off.set()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", upstream_port)
    async with server, httpx.AsyncClient(base_url=address, timeout=30) as http:
        body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        key = {"authorization": f"Bearer sk-{KEY}"}
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=key) as answer:
            assert await anext(answer.aiter_bytes()) == event
        await asyncio.wait_for(cut_off.wait(), 10)  # far before its thirty seconds are over
    assert books(database, calls=1) == ((2025, 225, 1), (1, 225))
