"""A stored task as its readers want it: the state that decides, the view that clients see, the row that a predecessor lists."""

from collections.abc import Mapping
from typing import Any

import msgspec

from schema.tables import Midjourney, Task
from schema.tasks.platform import TaskView, percent, text
from schema.tasks.states import TaskState

MIDJOURNEY = "mj"  # the platform with a table of its own in predecessors' databases
_SHOWN_STATUS = {"CANCELLED": "FAILURE", "EXPIRED": "FAILURE"}
_CHARGED = frozenset({"settled", "refunded"})
Row = Mapping[Any, Any]  # columns of mx_async_tasks, by name


def read_result(row: Row) -> dict[str, Any]:
    """What the upstream told beside the state; {} when nothing readable is stored."""
    try:
        value = msgspec.json.decode(row["result"] or "{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def state_of(row: Row) -> TaskState:
    return TaskState(
        status=row["status"], progress=percent(row["progress"]) or 0, billing_state=row["billing_state"],
        deadline_ms=row["deadline_at"], submit_ms=row["submit_at"], start_ms=row["start_at"],
        finish_ms=row["finish_at"], fail_reason=row["fail_reason"] or "", image_url=row["image_url"] or "",
    )  # fmt: skip


def view_of(row: Row) -> TaskView:
    return TaskView(
        upstream_id=row["upstream_id"], action=row["action"], status=row["status"],
        progress=percent(row["progress"]) or 0, submit_ms=row["submit_at"], start_ms=row["start_at"],
        finish_ms=row["finish_at"], model=row["model"], prompt=row["prompt"] or "",
        fail_reason=row["fail_reason"] or "", image_url=row["image_url"] or "", result=read_result(row),
    )  # fmt: skip


def legacy_table(platform: str) -> Any:
    """Where a predecessor looks for tasks of this platform."""
    return Midjourney if platform == MIDJOURNEY else Task


def legacy_values(row: Row) -> dict[str, Any]:
    """The same task in the columns of a predecessor. `quota` is what was charged, 0 when nothing was."""
    result = read_result(row)
    quota = row["quota"] if row["billing_state"] in _CHARGED else 0
    status = _SHOWN_STATUS.get(row["status"], row["status"])
    if row["platform"] == MIDJOURNEY:
        return {
            "code": row["code"], "user_id": row["user_id"], "action": row["action"][:40],
            "mj_id": row["upstream_id"][:191], "prompt": row["prompt"] or "", "prompt_en": text(result.get("promptEn")),
            "description": text(result.get("description")), "state": text(result.get("state")),
            "submit_time": row["submit_at"], "start_time": row["start_at"], "finish_time": row["finish_at"],
            "image_url": row["image_url"] or "", "status": "" if status == "SUBMITTING" else status,
            "progress": row["progress"], "fail_reason": row["fail_reason"] or "", "channel_id": row["channel_id"],
            "quota": quota, "buttons": _json(result.get("buttons")), "properties": _json(result.get("properties")),
        }  # fmt: skip
    updated = max(row["submit_at"], row["start_at"], row["finish_at"], row["last_poll_at"] or 0)
    return {
        "created_at": row["submit_at"] // 1000, "updated_at": updated // 1000, "task_id": row["upstream_id"][:50],
        "platform": row["platform"], "user_id": row["user_id"], "channel_id": row["channel_id"], "quota": quota,
        "action": row["action"][:40], "status": "NOT_START" if status == "SUBMITTING" else status,
        "fail_reason": row["fail_reason"] or "", "submit_time": row["submit_at"] // 1000,
        "start_time": row["start_at"] // 1000, "finish_time": row["finish_at"] // 1000, "progress": row["progress"],
        "properties": {"input": row["prompt"] or ""}, "data": result.get("data", result or None),
    }  # fmt: skip


def _json(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()
