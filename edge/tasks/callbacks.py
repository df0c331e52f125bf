"""Call-backs of upstreams: an address with a proof for each task, and what a valid call may do: have the task looked at now.

The body of a call-back is never believed. All it can tell is the id of a task whose submit was cut off before its answer was
stored; a worker then asks the upstream about that id before anything counts.
"""

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, update

from edge.channels import RoutedChannel
from edge.tasks.call import Answer, TaskCall, read_json
from schema.tables import AsyncTask
from schema.tasks.books import find_task
from schema.tasks.platform import TaskRefused, text
from schema.tasks.states import EXPIRED, OPEN

if TYPE_CHECKING:
    from schema.config import Config

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CALLBACK_BYTES_MAX = 1 << 20  # of a body; a task with all its buttons has some kilobytes


def proof_of(config: "Config", task_key: str) -> str:
    """Hex HMAC-SHA256: only who got the address from us can know it."""
    secret = config.crypto_secret or config.session_secret
    return hmac.new(secret.encode(), f"task-callback:{task_key}".encode(), hashlib.sha256).hexdigest()


def callback_url(call: TaskCall, channel: RoutedChannel) -> str:
    """Where the upstream may tell us of this task; '' where the operator or the channel does not want that."""
    options = call.snapshot.options
    address = options.server_address.rstrip("/")
    wanted = options.mj_notify_enabled and channel.view.setting.get("mj_callback") is not False
    if call.place.platform != "mj" or not address.startswith(("http://", "https://")) or not wanted:
        return ""
    return f"{address}/mj/notify/{call.request_id}/{proof_of(call.relay.config, call.request_id)}"


async def take_callback(call: TaskCall) -> Answer:
    """`/mj/notify/{task}/{proof}`. Raises TaskRefused."""
    place, meters = call.place, call.relay.meters
    if not hmac.compare_digest(place.proof.encode(), proof_of(call.relay.config, place.task_id).encode()):
        meters.count("task_callbacks_total", "rejected")
        raise TaskRefused("midjourney_task_not_found", status=403)
    row = await find_task(call.tasks.engine, AsyncTask.task_key == place.task_id)
    if row is None:
        meters.count("task_callbacks_total", "rejected")
        raise TaskRefused("midjourney_task_not_found")
    body = read_json(await call.raw_body(CALLBACK_BYTES_MAX), "mj")
    told = text(body.get("id"))
    await _look_now(call, AsyncTask.id == row["id"])
    if row["status"] == "SUBMITTING" and _ID.fullmatch(told):
        await _name(call, row["id"], told)
    meters.count("task_callbacks_total", "accepted")
    return Answer(200, b"")


async def take_notice(call: TaskCall) -> Answer:
    """`/mj/notify` with a token, as the predecessor knew it: the caller's own task is looked at now. Raises TaskRefused."""
    caller = await call.reader()
    body = await call.body()
    mine = (
        AsyncTask.user_id == caller.user_id,
        AsyncTask.upstream_id == text(body.get("id")),
        AsyncTask.platform == "mj",
    )
    if not text(body.get("id")) or await find_task(call.tasks.engine, *mine) is None:
        call.relay.meters.count("task_callbacks_total", "rejected")
        raise TaskRefused("midjourney_task_not_found")
    await _look_now(call, *mine)
    call.relay.meters.count("task_callbacks_total", "accepted")
    return Answer(200, b"")


async def _look_now(call: TaskCall, *where: ColumnElement[bool]) -> None:
    """Only the time of the next look moves: no state, no money, and nothing of a task that has ended."""
    open_ones = (AsyncTask.status.in_([*OPEN, EXPIRED]), AsyncTask.late_success.is_(False))
    async with call.tasks.engine.begin() as db:
        await db.execute(update(AsyncTask).where(*where, *open_ones).values(next_poll_at=call.now_ms()))


async def _name(call: TaskCall, task_id: int, upstream_id: str) -> None:
    """The id of a submit without an answer; one that was answered meanwhile keeps the id of its answer."""
    unanswered = (AsyncTask.id == task_id, AsyncTask.status == "SUBMITTING", AsyncTask.upstream_id == "")
    async with call.tasks.engine.begin() as db:
        await db.execute(update(AsyncTask).where(*unanswered).values(upstream_id=upstream_id))
