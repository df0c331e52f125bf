"""Suno-API: submits of music and lyrics, and the batch that fetches their state. Times upstream are seconds."""

from typing import Any

import msgspec

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

NAME = "suno"


class Suno:
    name = NAME
    channel_types = frozenset({36})
    deadline_ms = 6 * 3_600_000
    retries = True
    ids_max = 50

    def read_submit(self, path: str, body: dict[str, Any], mode: str = "") -> Submit:
        action = path.removeprefix("submit/").upper()
        if action not in ("MUSIC", "LYRICS"):
            raise TaskRefused("invalid_request", "unknown action")
        sent = dict(body)
        if action == "LYRICS":
            if not text(body.get("prompt")):
                raise TaskRefused("invalid_request", "prompt_empty")
        else:
            sent["mv"] = text(body.get("mv")) or "chirp-v3-0"
            sent["make_instrumental"] = body.get("make_instrumental") is True
        origin = text(body.get("task_id"))
        if text(body.get("continue_clip_id")) and not origin:
            raise TaskRefused("invalid_request", "task_id is required with continue_clip_id")
        model = f"suno_{action.lower()}"
        prompt = text(body.get("prompt")) or text(body.get("gpt_description_prompt"))
        return Submit(
            platform=NAME, action=action, model=model, price_models=(model,), path=f"/suno/submit/{action}", body=sent,
            origin_id=origin, prompt=prompt,
        )  # fmt: skip

    def write_submit(self, submit: Submit, base_url: str, key: str, settings: Settings) -> UpstreamRequest:
        return UpstreamRequest("POST", join_url(base_url, submit.path), _headers(key), msgspec.json.encode(submit.body))

    def read_submit_answer(self, submit: Submit, status: int, body: bytes) -> Accepted | Declined:
        try:
            answer = read_object(body)
        except ValueError:
            failed = TaskRefused("unmarshal_response_body_failed", status=500)
            return Declined(reason=failed.code, status=500, body=self.write_error(failed))
        code, upstream_id = text(answer.get("code")), text(answer.get("data"))
        if status == 200 and code == "success" and upstream_id:
            return Accepted(upstream_id=upstream_id, body=body)
        message = text(answer.get("message")) or "the provider did not take the task"
        if any(word in message.lower() for word in ("post", "dial", "http")):  # addresses of the provider's own
            message = "the provider's own request failed"
        failed = TaskRefused(code if code not in ("", "success") else "fail_to_fetch_task", message)
        shown = status if status >= 400 else 500
        return Declined(reason=message, status=shown, body=self.write_error(failed))

    def write_poll(self, base_url: str, key: str, ids: list[str]) -> UpstreamRequest:
        return UpstreamRequest(
            "POST", join_url(base_url, "/suno/fetch"), _headers(key), msgspec.json.encode({"ids": ids})
        )

    def read_poll(self, body: bytes) -> list[Reading]:
        answer = read_object(body)
        tasks = answer.get("data")
        if answer.get("code") != "success" or not isinstance(tasks, list | None):
            raise ValueError("not a list of tasks")
        return [_read_task(task) for task in tasks or () if isinstance(task, dict) and text(task.get("task_id"))]

    def write_task(self, task: TaskView) -> dict[str, Any]:
        status = {"SUBMITTING": "NOT_START", "CANCELLED": "FAILURE", "EXPIRED": "FAILURE"}.get(task.status, task.status)
        return {
            "task_id": task.upstream_id, "action": task.action, "status": status, "fail_reason": task.fail_reason,
            "submit_time": task.submit_ms // 1000, "start_time": task.start_ms // 1000,
            "finish_time": task.finish_ms // 1000, "progress": f"{task.progress}%", "data": task.result.get("data"),
        }  # fmt: skip

    def write_error(self, error: TaskRefused) -> bytes:
        return msgspec.json.encode({"code": error.code, "message": error.message, "data": None})


def _headers(key: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", "application/json"), ("Accept", "application/json"), ("Authorization", f"Bearer {key}"))


def _ms(value: object) -> int | None:
    seconds = whole(value)
    return seconds * 1000 if seconds else None


def _read_task(task: dict[str, Any]) -> Reading:
    return Reading(
        upstream_id=text(task.get("task_id")), status=text(task.get("status")).upper() or None,
        progress=percent(task.get("progress")), fail_reason=text(task.get("fail_reason")) or None,
        start_ms=_ms(task.get("start_time")), finish_ms=_ms(task.get("finish_time")),
        result={"data": task["data"]} if "data" in task else None,
    )  # fmt: skip
