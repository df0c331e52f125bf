"""Results of the caller's own tasks, from our tables: fetching costs nothing and asks no upstream, but for seeds and files."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec.structs import replace
from sqlalchemy import select

from edge.relay.callers import Caller
from edge.tasks.call import Answer, TaskCall
from edge.tasks.picture_links import picture_link
from schema.options import Options
from schema.tables import AsyncTask, Midjourney, Task
from schema.tasks.books import COLUMNS, find_task
from schema.tasks.platform import Submit, TaskRefused, TaskView, percent
from schema.tasks.rows import Row, view_of

IDS_MAX = 500  # of one request for many
PAGE_DEFAULT, PAGE_MAX = 20, 100  # videos of one list


async def fetch_task(call: TaskCall) -> Answer:
    """One task of the caller. Raises TaskRefused."""
    caller = await call.reader()
    found = await find_views(call, caller.user_id, [call.place.task_id])
    if not found:
        raise missing(call)
    shown = call.platform.write_task(found[0])
    if call.place.platform == "suno":
        shown = {"code": "success", "message": "", "data": shown}
    return _json(shown)


async def list_tasks(call: TaskCall) -> Answer:
    """Many tasks by their ids; unknown ones are left out. Raises TaskRefused."""
    caller = await call.reader()
    body = await call.body()
    ids = body.get("ids")
    wanted = [one for one in ids if isinstance(one, str) and one] if isinstance(ids, list) else []
    found = await find_views(call, caller.user_id, list(dict.fromkeys(wanted))[:IDS_MAX])
    shown: Any = [call.platform.write_task(view) for view in found]
    return _json(shown if call.place.platform == "mj" else {"code": "success", "message": "", "data": shown})


async def list_newest(call: TaskCall) -> Answer:
    """The caller's videos, newest first, as OpenAI lists them: `limit`, `after` and `order` of its reference."""
    caller = await call.reader()
    asked = {
        name: values[-1] for name, values in parse_qs(call.scope.get("query_string", b"").decode("latin-1")).items()
    }
    text = asked.get("limit", "")
    limit = min(PAGE_MAX, max(1, int(text))) if text.isdecimal() and len(text) < 6 else PAGE_DEFAULT
    mine = (AsyncTask.user_id == caller.user_id, AsyncTask.platform == call.place.platform, AsyncTask.upstream_id != "")
    up = asked.get("order") == "asc"
    wanted = select(*COLUMNS).where(*mine)
    if asked.get("after"):
        last = await find_task(call.tasks.engine, *mine, AsyncTask.upstream_id == asked["after"])
        if last is None:
            raise missing(call)
        wanted = wanted.where(AsyncTask.id > last["id"] if up else AsyncTask.id < last["id"])
    async with call.tasks.engine.connect() as db:
        ordered = wanted.order_by(AsyncTask.id if up else AsyncTask.id.desc()).limit(limit + 1)
        rows = (await db.execute(ordered)).mappings().all()
    data = [call.platform.write_task(view_of(row)) for row in rows[:limit]]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return _json({"object": "list", "data": data, **ends, "has_more": len(rows) > limit})


async def find_views(call: TaskCall, user_id: int, ids: Sequence[str]) -> list[TaskView]:
    """In the order of the ids; of several tasks with one id the newest. Those that a predecessor has run are found as well."""
    if not ids:
        return []
    platform = call.place.platform
    mine = (AsyncTask.user_id == user_id, AsyncTask.platform == platform, AsyncTask.upstream_id.in_(ids))
    async with call.tasks.engine.connect() as db:
        rows = (await db.execute(select(*COLUMNS).where(*mine).order_by(AsyncTask.id))).mappings().all()
        found = {row["upstream_id"]: _shown(call, view_of(row)) for row in rows}
        left = [one for one in ids if one not in found]
        if left and platform == "mj":
            older = select(Midjourney.__table__).where(Midjourney.user_id == user_id, Midjourney.mj_id.in_(left))
            old = (await db.execute(older.order_by(Midjourney.id))).mappings().all()
            found |= {row["mj_id"]: _shown(call, _older_drawing(row)) for row in old}
        elif left and platform == "suno":
            older = select(Task.__table__).where(Task.user_id == user_id, Task.task_id.in_(left))
            old = (await db.execute(older.order_by(Task.id))).mappings().all()
            found |= {row["task_id"]: _older_task(row) for row in old}
    return [found[one] for one in ids if one in found]


def _shown(call: TaskCall, view: TaskView) -> TaskView:
    """Pictures come through this gateway where the operator wants that; a changing query defeats caches until the end."""
    options = call.snapshot.options
    if call.place.platform != "mj" or not view.image_url or not options.mj_forward_url_enabled:
        return view
    link = picture_link(options, call.relay.config, view.upstream_id, time.time())
    if not link:
        return view
    if view.status != "SUCCESS":
        link += ("&" if "?" in link else "?") + f"rand={time.time_ns()}"
    return replace(view, image_url=link)


def _older_drawing(row: Any) -> TaskView:
    result = {"promptEn": row["prompt_en"], "description": row["description"], "state": row["state"],
              "buttons": _read(row["buttons"]), "properties": _read(row["properties"])}  # fmt: skip
    return TaskView(
        upstream_id=row["mj_id"] or "", action=row["action"] or "", status=row["status"] or "",
        progress=percent(row["progress"]) or 0, submit_ms=row["submit_time"] or 0, start_ms=row["start_time"] or 0,
        finish_ms=row["finish_time"] or 0, prompt=row["prompt"] or "", fail_reason=row["fail_reason"] or "",
        image_url=row["image_url"] or "", result=result,
    )  # fmt: skip


def _older_task(row: Any) -> TaskView:
    return TaskView(
        upstream_id=row["task_id"] or "", action=row["action"] or "", status=row["status"] or "",
        progress=percent(row["progress"]) or 0, submit_ms=(row["submit_time"] or 0) * 1000,
        start_ms=(row["start_time"] or 0) * 1000, finish_ms=(row["finish_time"] or 0) * 1000,
        fail_reason=row["fail_reason"] or "", result={"data": _read(row["data"])},
    )  # fmt: skip


def _read(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def find_origin(call: TaskCall, caller: Caller, submit: Submit, options: Options) -> Row:
    """The caller's own task that a submit continues: its channel, its prompt. Raises TaskRefused."""
    mine = (
        AsyncTask.user_id == caller.user_id,
        AsyncTask.platform == submit.platform,
        AsyncTask.upstream_id == submit.origin_id,
    )
    row = await find_task(call.tasks.engine, *mine)
    if row is None:
        row = await _older_origin(call, caller, submit)
    if row is None:
        raise TaskRefused("task_not_found" if submit.platform == "mj" else "task_not_exist")
    if submit.needs_success and options.mj_action_check_success_enabled and row["status"] != "SUCCESS":
        raise TaskRefused("task_status_not_success")
    return row


async def _older_origin(call: TaskCall, caller: Caller, submit: Submit) -> Row | None:
    """A task that a predecessor has run can be continued as well."""
    table: Any = Midjourney if submit.platform == "mj" else Task
    named = Midjourney.mj_id if submit.platform == "mj" else Task.task_id
    wanted = select(table.__table__).where(table.user_id == caller.user_id, named == submit.origin_id)
    async with call.tasks.engine.connect() as db:
        row = (await db.execute(wanted.order_by(table.id.desc()).limit(1))).mappings().first()
    if row is None:
        return None
    shown = {"id": 0, "channel_id": row["channel_id"] or 0, "channel_key": "", "status": row["status"] or ""}
    return shown | {"prompt": row["prompt"] if submit.platform == "mj" else ""}


def missing(call: TaskCall) -> TaskRefused:
    if call.place.platform == "mj":
        return TaskRefused("task_no_found")
    return TaskRefused("task_not_exist", "there is no such task", status=400 if call.place.platform == "suno" else 404)


def _json(value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value))
