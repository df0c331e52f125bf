"""Videos in the shape of OpenAI's `/v1/videos`: one job per call, looked at one by one.

Source: OpenAI API reference, Videos (object `video`; statuses queued, in_progress, completed, failed).
"""

from typing import Any

import msgspec

from schema.dialects import multipart
from schema.dialects.providers.urls import join
from schema.tasks.platform import (
    Accepted,
    Declined,
    Reading,
    Settings,
    Submit,
    TaskRefused,
    TaskView,
    UpstreamRequest,
    join_url,
    percent,
    read_object,
    text,
    whole,
)

NAME = "video"
SECONDS_DEFAULT = 4  # what OpenAI makes when `seconds` is not given
SECONDS_MAX = 3600
_STATUSES = {"queued": "QUEUED", "in_progress": "IN_PROGRESS", "completed": "SUCCESS", "failed": "FAILURE",
             "cancelled": "CANCELLED"}  # fmt: skip
_SHOWN = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELLED": "failed", "EXPIRED": "failed",
          "IN_PROGRESS": "in_progress"}  # fmt: skip


class Video:
    name = NAME
    channel_types = frozenset({1})
    deadline_ms = 2 * 3_600_000
    retries = True
    ids_max = 1  # there is no request for many

    def read_submit(self, path: str, body: dict[str, Any], mode: str = "") -> Submit:
        model, prompt = text(body.get("model")), text(body.get("prompt"))
        if not model or not prompt:
            raise TaskRefused("invalid_request", "model is required" if not model else "prompt is required")
        seconds = whole(body.get("seconds"))
        if "seconds" in body and (seconds is None or not 0 < seconds <= SECONDS_MAX):
            raise TaskRefused("invalid_request", "seconds must be a whole number above 0")
        return Submit(
            platform=NAME, action="GENERATE", model=model, price_models=(model,), path="/v1/videos", body=body,
            prompt=prompt, times=seconds or SECONDS_DEFAULT, needs_price=True,
        )  # fmt: skip

    def write_submit(self, submit: Submit, base_url: str, key: str, settings: Settings) -> UpstreamRequest:
        url = _join(base_url, submit.path)
        if not submit.form:
            return UpstreamRequest("POST", url, _headers(key), msgspec.json.encode(submit.body))
        boundary = multipart.boundary_of(submit.content_type)
        parts = multipart.read_parts(submit.form, boundary)
        pieces = multipart.replace_fields(submit.form, parts, {"model": text(submit.body.get("model"))}, boundary)
        return UpstreamRequest(
            "POST",
            url,
            (("Content-Type", submit.content_type), ("Authorization", f"Bearer {key}")),
            b"".join(pieces),
        )

    def read_submit_answer(self, submit: Submit, status: int, body: bytes) -> Accepted | Declined:
        try:
            answer = read_object(body)
        except ValueError:
            answer = {}
        upstream_id = text(answer.get("id"))
        if status in (200, 201) and _is_safe(upstream_id) and answer.get("status") not in ("failed", "cancelled"):
            return Accepted(upstream_id=upstream_id, body=body, reading=_read_task(answer))
        error = answer.get("error")
        message = text(error.get("message")) if isinstance(error, dict) else ""
        failed = TaskRefused("upstream_failed", message or "the provider did not take the task")
        return Declined(reason=failed.message, status=status if status >= 400 else 502, body=self.write_error(failed))

    def write_poll(self, base_url: str, key: str, ids: list[str]) -> UpstreamRequest:
        return UpstreamRequest("GET", _join(base_url, f"/v1/videos/{_safe(ids[0])}"), _headers(key))

    def read_poll(self, body: bytes) -> list[Reading]:
        answer = read_object(body)
        if not text(answer.get("id")):
            raise ValueError("not a video")
        return [_read_task(answer)]

    def write_content(self, base_url: str, key: str, upstream_id: str) -> UpstreamRequest:
        """Where the finished file is."""
        return UpstreamRequest("GET", _join(base_url, f"/v1/videos/{_safe(upstream_id)}/content"), _headers(key))

    def write_delete(self, base_url: str, key: str, upstream_id: str) -> UpstreamRequest:
        return UpstreamRequest("DELETE", _join(base_url, f"/v1/videos/{_safe(upstream_id)}"), _headers(key))

    def write_task(self, task: TaskView) -> dict[str, Any]:
        failed = {"code": "video_generation_failed", "message": task.fail_reason}
        status = _SHOWN.get(task.status, "queued")
        return {
            "id": task.upstream_id, "object": "video", "model": task.model, "status": status,
            "progress": 100 if status == "completed" else task.progress, "created_at": task.submit_ms // 1000,
            "completed_at": task.finish_ms // 1000 or None, "expires_at": task.result.get("expires_at"),
            "size": task.result.get("size"), "seconds": task.result.get("seconds"), "prompt": task.prompt,
            "remixed_from_video_id": None, "error": failed if status == "failed" else None,
        }  # fmt: skip

    def write_error(self, error: TaskRefused) -> bytes:
        shown = {"message": error.message, "type": "invalid_request_error", "param": None, "code": error.code}
        return msgspec.json.encode({"error": shown})


def _join(base_url: str, path: str) -> str:
    """A base that ends in a version takes the path without its own one, as for chat. Raises TaskRefused."""
    return join(join_url(base_url, ""), path)


def _headers(key: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", "application/json"), ("Authorization", f"Bearer {key}"))


def _safe(upstream_id: str) -> str:
    """Raises TaskRefused for an id that would change the path."""
    if not _is_safe(upstream_id):
        raise TaskRefused("task_not_exist", status=404)
    return upstream_id


def _is_safe(upstream_id: str) -> bool:
    """May it stand in a path?"""
    return upstream_id.replace("-", "").replace("_", "").isalnum() and len(upstream_id) <= 255


def _read_task(task: dict[str, Any]) -> Reading:
    error = task.get("error")
    done = whole(task.get("completed_at"))
    kept = ("expires_at", "size", "seconds")
    return Reading(
        upstream_id=text(task.get("id")), status=_STATUSES.get(text(task.get("status"))),
        progress=percent(task.get("progress")),
        fail_reason=(text(error.get("message")) or None) if isinstance(error, dict) else None,
        finish_ms=done * 1000 if done else None, result={name: task[name] for name in kept if name in task},
    )  # fmt: skip
