"""Midjourney-Proxy and Midjourney-Proxy-Plus: routes, actions, button ids and submit codes."""

import re
from typing import Any
from urllib.parse import quote

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

NAME = "mj"
FREE = frozenset({"INPAINT", "CUSTOM_ZOOM"})  # open a dialog; the modal that answers it carries the price
_BY_ROUTE = {
    "submit/imagine": "IMAGINE",
    "submit/describe": "DESCRIBE",
    "submit/blend": "BLEND",
    "submit/shorten": "SHORTEN",
    "submit/modal": "MODAL",
    "submit/upload-discord-images": "UPLOAD",
    "insight-face/swap": "SWAP_FACE",
}
_ORIGIN = frozenset({"submit/change", "submit/action", "submit/modal"})
_SPEEDS = {f"{prefix}{speed}": speed for speed in ("fast", "relax", "turbo") for prefix in ("", "mj-")}
_SPEED_FLAGS = re.compile(r"--(?:fast|relax|turbo)")
_SIMPLE = re.compile(r"(\S+) (?:([uUvV])([1-4])|[rR])")
_TRANSPORT = frozenset({"do_request_failed", "empty_response_body", "unmarshal_response_body_failed"})
_STATUSES = {"CANCEL": "CANCELLED", "": None}
_CODE_NO_ACCOUNT, _CODE_EXISTS, _CODE_QUEUED = 3, 21, 22


def read_mode(segment: str) -> str:
    """`mj-fast` or `fast` to `fast`; any other first segment stands for no speed."""
    return _SPEEDS.get(segment.lower(), "")


def model_name(action: str) -> str:
    return "swap_face" if action == "SWAP_FACE" else f"mj_{action.lower()}"


def read_custom_id(custom_id: str) -> tuple[str, int]:
    """Action and index of a button, as `MJ::JOB::upsample::2::<uuid>`. Raises TaskRefused."""
    parts = custom_id.split("::")
    at = 2 if len(parts) > 1 and parts[1] == "JOB" else 1
    key = parts[at] if at < len(parts) else ""
    unknown = TaskRefused(f"unknown_action:{custom_id[:200]}")
    if "upsample" in key or key == "variation":
        index = whole(parts[3]) if len(parts) > 3 else None
        if index is None:
            raise TaskRefused("index_parse_failed")
        return ("UPSCALE" if "upsample" in key else "VARIATION"), index
    exact = {"low_variation": "LOW_VARIATION", "high_variation": "HIGH_VARIATION", "Outpaint": "ZOOM",
             "CustomZoom": "CUSTOM_ZOOM", "Inpaint": "INPAINT"}  # fmt: skip
    if key in exact:
        return exact[key], 1
    if "variation" not in key:
        for word, action in (("pan", "PAN"), ("reroll", "REROLL")):
            if word in key:
                return action, 1
    raise unknown


def read_simple_change(content: str) -> tuple[str, str, int]:
    """Task id, action and index of `<id> u1`. Raises TaskRefused."""
    found = _SIMPLE.fullmatch(content)
    if found is None:
        raise TaskRefused("content_parse_failed")
    if found[2] is None:
        return found[1], "REROLL", 0
    return found[1], ("UPSCALE" if found[2] in "uU" else "VARIATION"), int(found[3])


class Midjourney:
    name = NAME
    channel_types = frozenset({2, 5})
    deadline_ms = 3_600_000
    retries = False
    ids_max = 50

    def read_submit(self, path: str, body: dict[str, Any], mode: str = "") -> Submit:
        action = _read_action(path, body)
        origin = text(body.get("taskId")) if path in _ORIGIN else ""
        if path == "submit/simple-change":
            origin = read_simple_change(text(body.get("content")))[0]
        model = model_name(action)
        priced = (f"mj_{mode}_{action.lower()}", model) if mode else (model,)
        return Submit(
            platform=NAME, action=action, model=model, price_models=priced, path=f"/mj/{path}", body=body, mode=mode,
            origin_id=origin, needs_success=bool(origin) and action != "MODAL", free=action in FREE,
            prompt=text(body.get("prompt")),
        )  # fmt: skip

    def write_submit(self, submit: Submit, base_url: str, key: str, settings: Settings) -> UpstreamRequest:
        body = dict(submit.body)
        if not settings.account_filter:
            body.pop("accountFilter", None)
        if not settings.notify_hook:
            body.pop("notifyHook", None)
        if settings.clear_modes and isinstance(body.get("prompt"), str):
            body["prompt"] = _SPEED_FLAGS.sub("", body["prompt"])
        prefix = f"/mj-{submit.mode}" if submit.mode and settings.pass_mode else ""
        return UpstreamRequest(
            "POST", join_url(base_url, prefix + submit.path), _headers(key), msgspec.json.encode(body)
        )

    def read_submit_answer(self, submit: Submit, status: int, body: bytes) -> Accepted | Declined:
        try:
            answer = read_object(body)
        except ValueError:
            failed = TaskRefused("unmarshal_response_body_failed" if body else "empty_response_body")
            return Declined(reason=failed.code, status=400, body=self.write_error(failed), code=5)
        code = whole(answer.get("code")) or 0
        taken = {1} if submit.action == "SWAP_FACE" else {1, _CODE_EXISTS, _CODE_QUEUED}
        result = answer.get("result")
        upstream_id = text(result) if not isinstance(result, int) else str(result)
        upload = submit.action == "UPLOAD"
        if status != 200 or code not in taken or not (upstream_id or upload):
            reason = text(answer.get("description")) or "the provider did not take the task"
            return Declined(
                reason=reason, status=status, body=msgspec.json.encode(answer), code=code,
                disable_channel=code == _CODE_NO_ACCOUNT,
            )  # fmt: skip
        shown = dict(answer)
        if code == _CODE_QUEUED or (code == _CODE_EXISTS and not submit.free):
            shown["code"] = 1
        reading = None
        if upload:
            reading = Reading(upstream_id=upstream_id, status="SUCCESS", progress=100, result={"result": result})
        elif code == _CODE_EXISTS and isinstance(properties := answer.get("properties"), dict):
            reading = _read_task({**properties, "id": upstream_id})
        return Accepted(upstream_id=upstream_id, code=code, reading=reading, body=msgspec.json.encode(shown))

    def write_poll(self, base_url: str, key: str, ids: list[str]) -> UpstreamRequest:
        url = join_url(base_url, "/mj/task/list-by-condition")
        return UpstreamRequest("POST", url, _headers(key), msgspec.json.encode({"ids": ids}))

    def read_poll(self, body: bytes) -> list[Reading]:
        tasks = msgspec.json.decode(body)
        if not isinstance(tasks, list):
            raise ValueError("not a list of tasks")
        return [_read_task(task) for task in tasks if isinstance(task, dict) and text(task.get("id"))]

    def write_task(self, task: TaskView) -> dict[str, Any]:
        kept = task.result
        shown = {name: text(kept.get(name)) for name in ("promptEn", "description", "state")}
        return {
            "id": task.upstream_id, "action": task.action, "customId": "", "botType": "", "prompt": task.prompt, **shown,
            "submitTime": task.submit_ms, "startTime": task.start_ms, "finishTime": task.finish_ms,
            "imageUrl": task.image_url, "status": _shown_status(task.status), "progress": f"{task.progress}%",
            "failReason": task.fail_reason, "buttons": kept.get("buttons"), "maskBase64": "",
            "properties": kept.get("properties"),
        }  # fmt: skip

    def write_error(self, error: TaskRefused) -> bytes:
        """The envelope of `/mj` routes; code 30 and HTTP 429 stand for a saturated group, 4 for a mistake of the caller."""
        code = 30 if error.status == 429 else 4 if error.status == 400 and error.code not in _TRANSPORT else 5
        return msgspec.json.encode({"description": error.message, "type": "upstream_error", "code": code})


def _read_action(path: str, body: dict[str, Any]) -> str:
    needs_task = path in ("submit/change", "submit/action", "submit/modal")
    if path in _BY_ROUTE:
        action = _BY_ROUTE[path]
        if action == "IMAGINE" and not text(body.get("prompt")):
            raise TaskRefused("prompt_is_required")
        if action == "SWAP_FACE" and not (text(body.get("sourceBase64")) and text(body.get("targetBase64"))):
            raise TaskRefused("sour_base64_and_target_base64_is_required")
    elif path == "submit/simple-change":
        if not text(body.get("content")):
            raise TaskRefused("content_is_required")
        action = read_simple_change(text(body["content"]))[1]
    elif path == "submit/action":
        if not text(body.get("customId")):
            raise TaskRefused("custom_id_is_required")
        action = read_custom_id(body["customId"])[0]
    elif path == "submit/change":
        action = text(body.get("action")).upper()
        if not action:
            raise TaskRefused("action_is_required")
        if action not in ("UPSCALE", "VARIATION", "REROLL"):
            raise TaskRefused("unknown_action")
        if action != "REROLL" and not whole(body.get("index")):
            raise TaskRefused("index_is_required")
    else:
        raise TaskRefused("unknown_action", status=404)
    if needs_task and not text(body.get("taskId")):
        raise TaskRefused("task_not_found")
    return action


def write_seed(base_url: str, key: str, upstream_id: str) -> UpstreamRequest:
    """Ask for the seed of a finished picture."""
    url = join_url(base_url, f"/mj/task/{quote(upstream_id, safe='')}/image-seed")
    return UpstreamRequest("GET", url, _headers(key))


def _headers(key: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", "application/json"), ("Accept", "application/json"), ("mj-api-secret", key))


def _read_task(task: dict[str, Any]) -> Reading:
    status = text(task.get("status")).upper()
    kept = ("promptEn", "description", "state", "buttons", "properties")
    return Reading(
        upstream_id=text(task.get("id")), status=_STATUSES.get(status, status), progress=percent(task.get("progress")),
        fail_reason=text(task.get("failReason")) or None, image_url=text(task.get("imageUrl")) or None,
        start_ms=whole(task.get("startTime")) or None, finish_ms=whole(task.get("finishTime")) or None,
        result={name: task[name] for name in kept if name in task},
    )  # fmt: skip


def _shown_status(status: str) -> str:
    return {"SUBMITTING": "", "CANCELLED": "FAILURE", "EXPIRED": "FAILURE"}.get(status, status)
