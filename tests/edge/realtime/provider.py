"""A Realtime provider that behaves as OpenAI's documentation says; what it does is decided by the model's name."""

import asyncio
import base64
import contextlib
import http
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.services import free_port

USAGE = {
    "total_tokens": 650,
    "input_tokens": 300,
    "output_tokens": 350,
    "input_token_details": {"cached_tokens": 0, "text_tokens": 100, "audio_tokens": 200},
    "output_token_details": {"text_tokens": 50, "audio_tokens": 300},
}
CACHED = {
    "total_tokens": 310,
    "input_tokens": 300,
    "output_tokens": 10,
    "input_token_details": {
        "cached_tokens": 160,
        "text_tokens": 100,
        "audio_tokens": 200,
        "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 100},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 0},
}
SPOKEN_S = 3  # seconds of audio in one answer
BETA = ("response.audio.delta", "response.audio_transcript.delta")
GA = ("response.output_audio.delta", "response.output_audio_transcript.delta")


class Provider:
    """`seen`: the handshakes; `heard`: every message, as bytes or text, in order."""

    def __init__(self) -> None:
        self.port = free_port()
        self.seen: list[Request] = []
        self.heard: list[str | bytes] = []
        self.closed: list[int | None] = []
        self.release = asyncio.Event()  # what `slow` answers wait for

    def models(self) -> list[str]:
        return [parse_qs(urlsplit(request.path).query).get("model", [""])[0] for request in self.seen]

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.seen.append(request)
        if "secret-of-dead" in request.headers.get("authorization", ""):
            answer = connection.respond(http.HTTPStatus.UNAUTHORIZED, "")
            answer.body = b'{"error":{"message":"Incorrect API key provided: sk-secret-of-dead","type":"invalid_request_error","code":"invalid_api_key"}}'
            answer.headers["content-type"] = "application/json"
            del answer.headers["content-length"]
            answer.headers["content-length"] = str(len(answer.body))
            return answer
        return None

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        model = parse_qs(urlsplit(connection.request.path).query).get("model", [""])[0]
        try:
            await self._say(connection, {"type": "session.created", "session": {"input_audio_format": "pcm16"}})
            async for message in connection:
                self.heard.append(message)
                event = json.loads(message)
                if event["type"] == "input_audio_buffer.commit":
                    await self._say(connection, {"type": "input_audio_buffer.committed", "item_id": "i"})
                elif event["type"] == "response.create":
                    await self._answer(connection, model)
                elif event["type"] == "session.update":
                    await self._say(connection, {"type": "session.updated", "session": event["session"]})
        finally:
            with contextlib.suppress(Exception):
                self.closed.append(connection.close_code)

    async def _answer(self, connection: ServerConnection, model: str) -> None:
        if model == "close":
            await connection.close(4321, "enough")
            return
        names = GA if model == "ga" else BETA
        audio = base64.b64encode(b"\0" * 48_000 * SPOKEN_S).decode()
        numbers = ("r1", "r2") if model == "two" else ("r1",)
        for number in numbers:
            await self._say(connection, {"type": "response.created", "response": {"id": number, "usage": None}})
            await self._say(connection, {"type": names[1], "response_id": number, "delta": "Hello there, friend."})
            for _ in range(60 if model == "long" else 1):
                await self._say(connection, {"type": names[0], "response_id": number, "delta": audio})
        if model == "vanish":
            connection.transport.abort()
            return
        if model in ("pending", "long"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.release.wait(), 30)
        for number in numbers:
            response: dict[str, Any] = {"id": number, "status": "completed", "usage": USAGE}
            if model == "cached":
                response["usage"] = CACHED
            if model == "silent":
                del response["usage"]
            await self._say(connection, {"type": "response.done", "response": response})

    async def _say(self, connection: ServerConnection, event: dict[str, Any]) -> None:
        await connection.send(json.dumps({"event_id": "event_1", **event}))

    def serve(self) -> Any:
        return serve(self.handle, "127.0.0.1", self.port, process_request=self.refuse, max_size=None)
