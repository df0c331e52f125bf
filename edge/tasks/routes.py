"""Which task operation a path means."""

import re
from urllib.parse import unquote

from msgspec import Struct

from schema.tasks.midjourney import read_mode


class TaskPlace(Struct, frozen=True):
    """One kind of call of one platform. `path` stands below the platform's prefix."""

    platform: str
    operation: (
        str  # submit, fetch, list, many, seed, content, delete, image, callback, notify; '': not with this method
    )
    path: str = ""
    mode: str = ""
    task_id: str = ""
    proof: str = ""  # of a callback


_NOT_MODES = frozenset({"api", "v1", "v1beta", "v1alpha", "v2", "pg", "suno", "dashboard", "assets", "static"})
_DRAWING = re.compile(r"(?:/([^/]+))?/mj/([^?]+)")
_SUBMITS = frozenset(
    {
        "submit/imagine", "submit/describe", "submit/blend", "submit/shorten", "submit/change", "submit/simple-change",
        "submit/action", "submit/modal", "submit/upload-discord-images", "insight-face/swap",
    }
)  # fmt: skip
_TASK = re.compile(r"task/([^/]+)/(fetch|image-seed)")
_CALLBACK = re.compile(r"notify/([^/]+)/([^/]+)")
_VIDEO = re.compile(r"/v1/videos(?:/([^/]+)(/content)?)?/?")
_VIDEO_OPERATIONS = {
    ("GET", ""): "fetch", ("DELETE", ""): "delete", ("GET", "/content"): "content",
}  # fmt: skip


def find_task_place(method: str, path: str) -> TaskPlace | None:
    """None: no route of tasks."""
    found = _DRAWING.fullmatch(path)
    if found is not None and (found[1] or "") not in _NOT_MODES:
        return _drawing(method, found[1] or "", found[2])
    if path.startswith("/suno/"):
        return _suno(method, path[6:].rstrip("/"))
    if path.startswith("/v1/videos") and (found := _VIDEO.fullmatch(path)) is not None:
        if not found[1]:
            return TaskPlace("video", {"POST": "submit", "GET": "many"}.get(method, ""), "videos")
        operation = _VIDEO_OPERATIONS.get((method, found[2] or ""), "")
        return TaskPlace("video", operation, "videos", task_id=unquote(found[1]))
    return None


def _drawing(method: str, mode: str, below: str) -> TaskPlace | None:
    """With a mode in front of it only known routes are ours: anything may stand before `/mj/`."""
    speed, get, post = read_mode(mode), method == "GET", method == "POST"
    if below in _SUBMITS:
        return TaskPlace("mj", "submit" if post else "", below, speed)
    if (found := _TASK.fullmatch(below)) is not None:
        operation = "fetch" if found[2] == "fetch" else "seed"
        return TaskPlace("mj", operation if get else "", below, speed, unquote(found[1]))
    if below == "task/list-by-condition":
        return TaskPlace("mj", "list" if post else "", below)
    if below == "notify":
        return TaskPlace("mj", "notify" if post else "", below)
    if (found := _CALLBACK.fullmatch(below)) is not None:
        return TaskPlace("mj", "callback" if post else "", below, task_id=unquote(found[1]), proof=found[2])
    if below.startswith("image/") and "/" not in below[6:]:
        return TaskPlace("mj", "image" if get else "", below, task_id=unquote(below[6:]))
    return None


def _suno(method: str, below: str) -> TaskPlace | None:
    if below.startswith("submit/") and below.count("/") == 1:
        return TaskPlace("suno", "submit" if method == "POST" else "", below)
    if below == "fetch":
        return TaskPlace("suno", "list" if method == "POST" else "", below)
    if below.startswith("fetch/") and below.count("/") == 1:
        return TaskPlace("suno", "fetch" if method == "GET" else "", below, task_id=unquote(below[6:]))
    return None
