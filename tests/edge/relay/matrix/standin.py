"""One server that speaks every provider's wire: it checks what it is asked in that provider's own words, and answers with fixtures.

The first part of the path names the provider, the prompt's mark `case=<name>` the fixture. What is wrong with a request comes
back as a 400 that says so, and the client's test shows it.
"""

import asyncio
import base64
import json
import random
import re
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request as Handshake

from tests.edge.relay.matrix.requests import CHECKS, check_common
from tests.services import free_port

GOLDEN = Path(__file__).parents[3] / "golden" / "wire"
LEAKED = "sk-operators-own-key-0123456789"
_MARK = re.compile(rb"case=([a-z_]+)")
_TYPES = {"sse": "text/event-stream", "jsonl": "application/x-ndjson", "frames": "application/vnd.amazon.eventstream"}


def read(wire: str, name: str) -> bytes:
    return (GOLDEN / wire / name).read_bytes()


def stream_kind(wire: str) -> str:
    return {"ollama": "jsonl", "converse": "frames", "xunfei": "frames"}.get(wire, "sse")


def aws_message(headers: dict[str, str], payload: bytes) -> bytes:
    """AWS's binary framing, written from its own description and not with our code."""
    head = b"".join(
        struct.pack("!B", len(k)) + k.encode() + b"\x07" + struct.pack("!H", len(v)) + v.encode()
        for k, v in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack("!I", zlib.crc32(message))


def converse_frames(lines: bytes) -> bytes:
    out = b""
    for line in lines.splitlines():
        kind, _, payload = line.decode().partition(" ")
        names = {":message-type": "event", ":event-type": kind}
        if kind.startswith("!"):
            names = {":message-type": "exception", ":exception-type": kind[1:]}
        out += aws_message(names | {":content-type": "application/json"}, payload.encode())
    return out


def claude_frames(stream: bytes) -> bytes:
    """Claude's events as InvokeModelWithResponseStream wraps them."""
    out = b""
    for line in stream.splitlines():
        if line.startswith(b"data:"):
            payload = json.dumps({"bytes": base64.b64encode(line[5:].strip()).decode(), "p": "abc"}).encode()
            out += aws_message({":event-type": "chunk", ":message-type": "event"}, payload)
    return out


class Provider:
    """How one provider is reached and what it sends. `wire`: the folder of its fixtures and the checker of its requests."""

    def __init__(
        self, number: int, wire: str, key: str = LEAKED, upstream: str = "", other: str = "", setting: str = "",
        path: str = "", name: str = "", base: str = "", error: int = 429,
    ) -> None:  # fmt: skip
        self.number, self.wire, self.key, self.other, self.setting = number, wire, key, other, setting
        self.upstream = upstream or "gpt-4o-2024-08-06"  # the name that the provider knows
        self.path = re.compile(path or r".*")  # of what is asked of it
        self.name = name  # of the provider in the registry; '' = the matrix's own name
        self.base = base  # appended to the address
        self.error = error  # HTTP status of its error fixture


class Standin:
    def __init__(self, providers: dict[str, Provider]) -> None:
        self.providers = providers
        self.port, self.socket_port = free_port(), free_port()
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []  # provider, path, headers, body

    async def __aenter__(self) -> "Standin":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._sockets = await serve(self._xunfei, "127.0.0.1", self.socket_port, process_request=self._shake)
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        self._sockets.close()

    def address(self, name: str) -> str:
        if name == "xunfei":
            return f"http://127.0.0.1:{self.socket_port}"
        return f"http://127.0.0.1:{self.port}/{name}{self.providers[name].base}"

    # --- WebSocket ---

    @staticmethod
    def _shake(connection: ServerConnection, request: Handshake) -> Any:
        if not re.match(r"/v3\.5/chat\?authorization=[^&]+&date=[^&]+GMT&host=127", request.path):
            return connection.respond(400, f"no such address: {request.path}")
        return None

    async def _xunfei(self, connection: ServerConnection) -> None:
        body = json.loads(await connection.recv())
        assert body["header"]["app_id"] == "app1", body
        found = _MARK.findall(json.dumps(body).encode())
        case = found[-1].decode() if found else "text"
        for line in read("xunfei", f"{'error' if case == 'error' else 'text'}.frames").splitlines():
            await connection.send(line.decode())
        await connection.close()

    # --- HTTP ---

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head.strip().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (one.partition(":") for one in rest)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, more, answer = self._answer(line.split(" ")[1], headers, body)
                lines = "".join(f"{k}: {v}\r\n" for k, v in more.items())
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(answer)}\r\n{lines}\r\n".encode())
                if not await self._send(writer, body, answer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, body: bytes, answer: bytes) -> bool:
        """False: the connection is cut in the middle of the answer, as the prompt's mark wants it."""
        pieces = [answer]
        if b"case=broken" in body:  # what comes before the error is relayed first
            whole = answer.rstrip()
            cut = max(whole.rfind(b"\n\n") + 2, whole.rfind(b'\n{"error') + 1, answer.find(b"Once ") + 40)
            pieces = [answer[:cut], answer[cut:]]
        soak = re.search(rb"soak=(\d+)( cut)?", body)
        dice = random.Random(int(soak[1])) if soak else None
        if dice is not None:
            at = [0, *sorted(dice.sample(range(1, len(answer)), dice.randint(1, 6))), len(answer)]
            pieces = [answer[a:b] for a, b in pairwise(at)]
        for number, piece in enumerate(pieces):
            if soak and soak[2] and number == len(pieces) - 1:
                return False
            writer.write(piece)
            await writer.drain()
            if number < len(pieces) - 1:
                await asyncio.sleep(dice.uniform(0, 0.05) if dice else 0.1)
        return True

    def _answer(self, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        json_type = {"content-type": "application/json"}
        _, name, path = target.split("/", 2)
        provider = self.providers[name]
        if "oauth" in path:
            return 200, json_type, b'{"access_token":"tok-1","expires_in":86400,"token_type":"Bearer"}'
        found = _MARK.findall(body)
        case = found[-1].decode() if found else "text"
        self.asked.append((name, path, headers, body))
        try:
            sent = json.loads(body)
            wire = "responses" if path.endswith("v1/responses") else provider.wire
            if name == "azure" and "responses" in path:
                return 404, json_type, b'{"error":{"code":"404","message":"Resource not found"}}'
            assert provider.path.fullmatch(path), f"{name} has no {path}"
            stream = self._streams(wire, sent, path)
            check_common(case, body)
            if wire in CHECKS:
                CHECKS[wire](case, stream, sent, headers)
        except (AssertionError, KeyError, ValueError, TypeError, IndexError) as error:
            text = f"stand-in {name}: {type(error).__name__}: {error}"[:900]
            return (
                400,
                json_type,
                json.dumps({"error": {"message": text, "type": "standin", "code": "standin"}}).encode(),
            )
        return self._fixture(provider, wire, case, stream)

    @staticmethod
    def _streams(wire: str, sent: dict[str, Any], path: str) -> bool:
        match wire:
            case "gemini":
                return "streamGenerateContent" in path
            case "converse":
                return "converse-stream" in path
            case "claude" if "invoke" in path:
                return "with-response-stream" in path
            case "tencent":
                return bool(sent["Stream"])
            case "dify":
                return sent["response_mode"] == "streaming"
            case "ollama":
                return sent.get("stream", True)  # its native form streams unless told otherwise
        return bool(sent.get("stream"))

    def _fixture(self, provider: Provider, wire: str, case: str, stream: bool) -> tuple[int, dict[str, str], bytes]:
        headers = {"content-type": "application/json"}
        folder = provider.wire if wire == "openai" else wire
        if case == "error":
            if wire in ("converse", "claude") and provider.other == "aws":
                headers["x-amzn-errortype"] = "ThrottlingException:http://internal.amazon.com/coral/"
            return provider.error, headers | {"retry-after": "7"}, read(folder, "error.json")
        if case == "leak":
            text = f"Incorrect API key provided: {provider.key}. See http://127.0.0.1:{self.port}/account for {LEAKED}."
            return 401, headers, json.dumps({"error": {"message": text, "type": "invalid_request_error"}}).encode()
        fixture = {"image": "text", "history": "text", "image_url": "text"}.get(case, case)
        if not stream:
            return 200, headers, read(folder, f"{fixture}.json")
        kind = stream_kind(wire)
        data = read(folder, f"{fixture}.{kind}")
        if wire == "converse":
            data = converse_frames(data)
        elif wire == "claude" and provider.other == "aws":
            data, kind = claude_frames(data), "frames"
        return 200, {"content-type": _TYPES[kind]}, data
