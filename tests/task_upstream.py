"""A stand-in for Midjourney-Proxy, Suno-API and a `/v1/videos` server: one port, tasks that move when the test says so."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.services import free_port

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 2000


class TaskUpstream:
    """`tasks`: id -> task as Midjourney-Proxy shows it. `plan` answers the next submits; then everything is accepted."""

    def __init__(self) -> None:
        self.port = free_port()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.plan: list[Any] = []  # (status, body), a code, "hang" or "cut"
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []  # method, path, headers, body
        self.latency_s = 0.0
        self.poll_status = 200
        self.extra: list[dict[str, Any]] = []  # foreign tasks in every poll
        self.finish_by_itself = False
        self.content_bytes = 0  # size of a video, at least
        self._numbers = itertools.count(1)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sent(self, path: str) -> list[Any]:
        return [one for one in self.requests if one[1].endswith(path)]

    def move(self, task_id: str, **changes: Any) -> None:
        self.tasks[task_id].update(changes)

    def finish(self, task_id: str) -> None:
        picture = f"{self.address}/pictures/{task_id}.png"
        buttons = [{"customId": "MJ::JOB::upsample::1::x", "emoji": "", "label": "U1", "type": 2, "style": 2}]
        self.move(task_id, status="SUCCESS", progress="100%", imageUrl=picture, buttons=buttons, finishTime=9)

    def fail(self, task_id: str) -> None:
        self.move(task_id, status="FAILURE", failReason="banned by the provider")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:]) if k}
                data = await reader.readexactly(int(headers.get("content-length", "0")))
                await asyncio.sleep(self.latency_s)
                try:
                    body = json.loads(data) if data else None
                except ValueError:
                    body = data
                self.requests.append((method, path, headers, body))
                answer = self.answer(method, path, body)
                if answer == "hang":
                    await asyncio.sleep(3600)
                if answer == "cut":
                    break
                status, kind, content = answer
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        writer.close()

    def answer(self, method: str, path: str, body: Any) -> Any:
        if path.startswith("/pictures/"):
            return 200, "text/html" if path.endswith(".html") else "image/png", PNG
        if path.endswith("/content"):
            return 200, "video/mp4", PNG.ljust(self.content_bytes, b"v")
        if path.endswith("/image-seed"):
            return _json(200, {"code": 1, "description": "ok", "result": "4711"})
        if path.endswith("/list-by-condition"):
            found = [self.tasks[one] for one in body["ids"] if one in self.tasks]
            return _json(self.poll_status, [*found, *self.extra])
        if path == "/suno/fetch":
            data = [_suno(self.tasks[one]) for one in body["ids"] if one in self.tasks]
            return _json(self.poll_status, {"code": "success", "message": "", "data": data})
        if path.startswith("/v1/videos/"):
            task = self.tasks.get(path.split("/")[3])
            if method == "DELETE":
                return _json(200, {"deleted": True})
            return _json(200, _video(task)) if task else _json(404, {"error": {"message": "no such video"}})
        return self._submit(path)

    def _submit(self, path: str) -> Any:
        planned = self.plan.pop(0) if self.plan else 1
        if planned in ("hang", "cut"):
            return planned
        if isinstance(planned, tuple):
            return _json(*planned)
        task_id = f"t{self.port}{next(self._numbers)}"
        self.tasks[task_id] = {"id": task_id, "status": "SUBMITTED", "progress": "0%"}
        if self.finish_by_itself:
            self.finish(task_id) if len(self.tasks) % 2 else self.fail(task_id)
        if path.startswith("/suno/"):
            return _json(200, {"code": "success", "message": "", "data": task_id})
        if path.startswith("/v1/videos"):
            return _json(200, _video(self.tasks[task_id]))
        return _json(200, {"code": planned, "description": f"code {planned}", "result": task_id, "properties": {}})


def _json(status: int, value: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value).encode()


def _suno(task: dict[str, Any]) -> dict[str, Any]:
    songs = [{"id": "s1", "audio_url": "https://cdn.example.com/a.mp3", "title": "x"}]
    return {
        "task_id": task["id"], "status": task["status"], "progress": task["progress"], "submit_time": 5, "start_time": 6,
        "finish_time": 7 if task["status"] in ("SUCCESS", "FAILURE") else 0, "fail_reason": task.get("failReason", ""),
        "data": songs if task["status"] == "SUCCESS" else None,
    }  # fmt: skip


def _video(task: dict[str, Any]) -> dict[str, Any]:
    status = {"SUBMITTED": "queued", "SUCCESS": "completed", "FAILURE": "failed"}.get(task["status"], "in_progress")
    error = {"code": "x", "message": task["failReason"]} if task.get("failReason") else None
    return {"id": task["id"], "object": "video", "status": status, "progress": int(task["progress"][:-1]), "error": error,
            "seconds": "4", "size": "720x1280"}  # fmt: skip


@asynccontextmanager
async def open_task_upstream() -> AsyncIterator[TaskUpstream]:
    upstream = TaskUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", upstream.port)
    try:
        yield upstream
    finally:
        server.close()
