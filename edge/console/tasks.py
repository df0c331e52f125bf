"""Drawing and music tasks as users and administrators list them, also those that a predecessor has run."""

import time
from typing import Any
from urllib.parse import quote

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select

from edge.console.calls import TRUE, query, reply_rows
from edge.console.paging import Family, read_int, read_page
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from edge.tasks.picture_links import picture_link
from schema.tables import AsyncTask, Midjourney, Task
from schema.tasks.rows import MIDJOURNEY


class DrawingView(Struct):
    """Times in ms; `quota` in units."""

    id: int
    code: int
    user_id: int
    action: str
    mj_id: str
    prompt: str
    prompt_en: str
    description: str
    state: str
    submit_time: int
    start_time: int
    finish_time: int
    image_url: str
    status: str
    progress: str
    fail_reason: str
    channel_id: int
    quota: int
    buttons: str
    properties: str
    mode: str = ""  # speed: fast, relax, turbo or ''
    refunded: bool = False  # the charge was given back


class TaskView(Struct):
    """Times in Unix s; `properties` and `data` as the platform gave them."""

    id: int
    created_at: int
    updated_at: int
    task_id: str
    platform: str
    user_id: int
    channel_id: int
    quota: int
    action: str
    status: str
    fail_reason: str
    submit_time: int
    start_time: int
    finish_time: int
    progress: str
    properties: Any
    data: Any
    refunded: bool = False  # the charge was given back


def _columns(row: Any, view: Any, own_columns: frozenset[str] = frozenset({"mode", "refunded"})) -> dict[str, Any]:
    """What a predecessor's table says, NULLs as '' and 0, and what only our table knows."""
    held = {name: row[name] for name in view.__struct_fields__ if name not in own_columns}
    whole = {name: value if value is not None else (0 if name in _NUMBERS else "") for name, value in held.items()}
    return whole | {"refunded": row["billing_state"] == "refunded"}


def _drawing(row: Any, services: Services) -> DrawingView:
    whole = _columns(row, DrawingView)
    options = services.snapshots.current.options
    if options.mj_forward_url_enabled and whole["image_url"]:
        link = picture_link(options, services.config, whole["mj_id"], time.time())
        whole["image_url"] = link or f"/mj/image/{quote(whole['mj_id'], safe='')}"
    return DrawingView(**whole, mode=row["mode"] or "")


_NUMBERS = frozenset(
    {
        "id", "code", "user_id", "submit_time", "start_time", "finish_time", "channel_id", "quota",
        "created_at", "updated_at",
    }
)  # fmt: skip


def _json(value: Any) -> Any:
    """Text columns of JSON; None for what is none."""
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _task(row: Any, *, own: bool) -> TaskView:
    whole = _columns(row, TaskView)
    whole.update(properties=_json(row["properties"]), data=_json(row["data"]))
    if own:
        whole["channel_id"] = 0
    return TaskView(**whole)


async def _rows(services: Services, request: Request, model: Any, where: list[Any]) -> tuple[list[Any], int, Any]:
    family = Family.CHANNELS if query(request, "envelope") in TRUE else Family.TASKS  # older front-ends know one size
    page = read_page(family, p=query(request, "p"), size=query(request, "page_size"))
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(model).where(*where))).scalar_one()
        drawing = model is Midjourney
        ours = (AsyncTask.legacy_id == model.id) & (
            (AsyncTask.platform == MIDJOURNEY) if drawing else (AsyncTask.platform != MIDJOURNEY)
        )
        found = select(*model.__table__.columns, AsyncTask.billing_state, AsyncTask.mode).outerjoin(AsyncTask, ours)
        found = found.where(*where).order_by(model.id.desc())
        rows = (await db.execute(found.limit(page.size).offset(page.offset))).mappings().all()
    return list(rows), int(total), page


def _drawing_filters(request: Request) -> list[Any]:
    where: list[Any] = []
    for name, column in (("mj_id", Midjourney.mj_id), ("status", Midjourney.status), ("action", Midjourney.action)):
        if value := query(request, name):
            where.append(column == value)
    if user := read_int(query(request, "user_id")):
        where.append(Midjourney.user_id == user)
    if channel := read_int(query(request, "channel_id")):
        where.append(Midjourney.channel_id == channel)
    if start := read_int(query(request, "start_timestamp")):
        where.append(Midjourney.submit_time >= start)
    if end := read_int(query(request, "end_timestamp")):
        where.append(Midjourney.submit_time <= end)
    return where


def _task_filters(request: Request) -> list[Any]:
    where: list[Any] = []
    for name, column in (
        ("platform", Task.platform),
        ("task_id", Task.task_id),
        ("status", Task.status),
        ("action", Task.action),
    ):
        if value := query(request, name):
            where.append(column == value)
    if channel := read_int(query(request, "channel_id")):
        where.append(Task.channel_id == channel)
    if user := read_int(query(request, "user_id")):
        where.append(Task.user_id == user)
    if start := read_int(query(request, "start_timestamp")):
        where.append(Task.submit_time >= start)
    if end := read_int(query(request, "end_timestamp")):
        where.append(Task.submit_time <= end)
    return where


async def _drawings(services: Services, request: Request, own: list[Any]) -> Response:
    rows, total, page = await _rows(services, request, Midjourney, [*own, *_drawing_filters(request)])
    return reply_rows(request, [_drawing(row, services) for row in rows], total=total, page=page)


async def list_drawings(services: Services, request: Request, actor: Actor) -> Response:
    """One page of everybody's drawings, the newest first. Times of the filter in ms."""
    return await _drawings(services, request, [])


async def list_own_drawings(services: Services, request: Request, actor: Actor) -> Response:
    """One page of the own drawings, the newest first."""
    return await _drawings(services, request, [Midjourney.user_id == actor.id])


async def list_tasks(services: Services, request: Request, actor: Actor) -> Response:
    """One page of everybody's tasks, the newest first. Times of the filter in s."""
    rows, total, page = await _rows(services, request, Task, _task_filters(request))
    return reply_rows(request, [_task(row, own=False) for row in rows], total=total, page=page)


async def list_own_tasks(services: Services, request: Request, actor: Actor) -> Response:
    """One page of the own tasks, the newest first; their channels are not told."""
    rows, total, page = await _rows(services, request, Task, [Task.user_id == actor.id, *_task_filters(request)])
    return reply_rows(request, [_task(row, own=True) for row in rows], total=total, page=page)


_TIMES = ("p", "page_size", "envelope", "channel_id", "user_id", "status", "action", "start_timestamp", "end_timestamp")
ROUTES = (
    Route("GET", "/api/mj/", Role.ADMIN, list[DrawingView], list_drawings, query=(*_TIMES, "mj_id")),
    Route("GET", "/api/mj/self", Role.USER, list[DrawingView], list_own_drawings, query=(*_TIMES, "mj_id")),
    Route("GET", "/api/task/", Role.ADMIN, list[TaskView], list_tasks,
          query=(*_TIMES, "platform", "task_id", "status:string", "action")),
    Route("GET", "/api/task/self", Role.USER, list[TaskView], list_own_tasks,
          query=(*_TIMES, "platform", "task_id", "status:string", "action")),
)  # fmt: skip
