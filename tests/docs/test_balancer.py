"""A real nginx with our configuration: streams pass chunk by chunk, health is answered, figures are not shown."""

import asyncio
import subprocess
from contextlib import asynccontextmanager

import httpx

from tests.docs.test_deploy_strict import ROOT
from tests.services import find_binary, free_port


@asynccontextmanager
async def balanced(tmp_path, serve):
    """The address of nginx before a small upstream."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, balanced_before(tmp_path, server.sockets[0].getsockname()[1]) as address:
        yield address


@asynccontextmanager
async def balanced_before(tmp_path, upstream):
    """The address of nginx before a port of this machine."""
    port = free_port()
    text = (ROOT / "deploy/nginx/nginx.conf").read_text()
    text = text.replace("edge:3000 resolve", f"127.0.0.1:{upstream}").replace("resolver 127.0.0.11 valid=5s;", "")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace(
        "worker_processes auto;", "worker_processes 1;"
    )
    file = tmp_path / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", "http {\n" + temporary)
    file.write_text(f"daemon off;\npid {tmp_path}/nginx.pid;\nerror_log stderr;\n" + text)
    process = subprocess.Popen(
        [find_binary("nginx"), "-p", str(tmp_path), "-c", str(file), "-e", "stderr"], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def test_a_stream_is_not_held_back(tmp_path):
    go_on = asyncio.Event()
    heads = []

    async def serve(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"9\r\ndata: 1\n\n\r\n")
        await writer.drain()
        await go_on.wait()  # the first event must have arrived before the second is even made
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with balanced(tmp_path, serve) as address, httpx.AsyncClient(base_url=address, timeout=20) as http:
        async with http.stream("POST", "/v1/chat/completions", headers={"X-Forwarded-For": "6.6.6.6"}) as reply:
            chunks = reply.aiter_raw()
            assert await anext(chunks) == b"data: 1\n\n"
            go_on.set()
            assert b"".join([chunk async for chunk in chunks]) == b"data: 2\n\n"
        assert b"X-Forwarded-For: 6.6.6.6, 127.0.0.1" in heads[0], "the true peer stands last"
        assert (await http.get("/balancer-health")).status_code == 204
        assert (await http.get("/metrics")).status_code == 404
        assert len(heads) == 1, "neither of these went to an edge"
