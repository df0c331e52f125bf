"""What must be asked of the upstream while the client waits: the seed of a picture, the file of a video, its deletion."""

import contextlib

from edge.channels import RoutedChannel
from edge.tasks.attempt import proxy_of
from edge.tasks.call import Answer, TaskCall
from edge.tasks.results import missing
from schema.tables import AsyncTask
from schema.tasks.books import find_task
from schema.tasks.midjourney import write_seed
from schema.tasks.platform import TaskRefused, UpstreamRequest
from schema.tasks.rows import Row, view_of
from schema.tasks.video import Video
from schema.tasks.wire import Unanswered

SEED_S, CONTENT_S = 30.0, 300.0
CONTENT_BYTES_MAX = 1 << 30  # of one video
_COPIED = ("content-range", "accept-ranges", "etag", "last-modified")


async def _own_task(call: TaskCall) -> tuple[Row, RoutedChannel]:
    """The caller's task and its channel. Raises TaskRefused."""
    caller = await call.reader()
    row = await find_task(
        call.tasks.engine,
        AsyncTask.user_id == caller.user_id,
        AsyncTask.platform == call.place.platform,
        AsyncTask.upstream_id == call.place.task_id,
    )
    if row is None:
        raise missing(call)
    channel = call.snapshot.channels.get(row["channel_id"])
    if channel is None:
        code = "get_channel_info_failed" if call.place.platform == "mj" else "channel_not_found"
        raise TaskRefused(code, "the channel of the task is disabled or deleted")
    return row, next((key for key in channel.keys if key.key_name == row["channel_key"]), channel)


def _base(channel: RoutedChannel) -> str:
    return channel.view.base_url or channel.provider.base_url


async def fetch_seed(call: TaskCall) -> Answer:
    """The upstream's answer as it is. Raises TaskRefused."""
    _, channel = await _own_task(call)
    request = write_seed(_base(channel), channel.view.key.strip(), call.place.task_id)
    try:
        answer = await call.tasks.wire.send(request, proxy=proxy_of(call, channel), timeout_s=SEED_S)
    except Unanswered:
        raise TaskRefused("do_request_failed", "the upstream could not be reached", status=500) from None
    return Answer(answer.status, answer.body)


async def send_content(call: TaskCall) -> None:
    """Stream a finished video to the client. Raises TaskRefused while nothing was sent."""
    row, channel = await _own_task(call)
    if row["status"] != "SUCCESS":
        raise TaskRefused("task_not_finished", "the video is not ready", status=409)
    request = Video().write_content(_base(channel), channel.view.key.strip(), call.place.task_id)
    wanted = call.headers.get(b"range")
    if wanted is not None:
        request = UpstreamRequest(request.method, request.url, (*request.headers, ("Range", wanted.decode("latin-1"))))
    try:
        async with call.tasks.wire.open(request, proxy=proxy_of(call, channel), timeout_s=CONTENT_S) as answer:
            if answer.status_code not in (200, 206):
                raise TaskRefused("content_not_available", "the upstream does not give the video", status=502)
            told = answer.headers.get("content-length", "")
            kind = answer.headers.get("content-type", "video/mp4")
            if not kind.startswith(("video/", "image/", "application/octet-stream")):
                raise TaskRefused("content_not_available", "the upstream's answer is no video", status=502)
            copied = tuple(
                (name.encode(), answer.headers[name].encode("latin-1", "replace"))
                for name in _COPIED
                if name in answer.headers
            )
            await call.head(answer.status_code, kind, int(told) if told.isdecimal() else None, copied)
            await call.pass_on(answer.aiter_raw(65_536), CONTENT_BYTES_MAX)
    except Unanswered:
        if not call.status:
            raise TaskRefused("do_request_failed", "the upstream could not be reached", status=502) from None
    await call.send({"type": "http.response.body", "body": b""})


async def delete_video(call: TaskCall) -> Answer:
    """At the upstream; our row stays, it belongs to the books. Raises TaskRefused."""
    row, channel = await _own_task(call)
    request = Video().write_delete(_base(channel), channel.view.key.strip(), call.place.task_id)
    answer = None
    with contextlib.suppress(Unanswered):
        answer = await call.tasks.wire.send(request, proxy=proxy_of(call, channel), timeout_s=SEED_S)
    if answer is None or answer.status >= 500:
        raise TaskRefused("do_request_failed", "the upstream could not be reached", status=502)
    if answer.status >= 400 and answer.status != 404:
        raise TaskRefused("not_deleted", "the upstream does not delete the video", status=answer.status)
    shown = {"id": view_of(row).upstream_id, "object": "video.deleted", "deleted": True}
    return Answer(200, call.tasks.encode(shown))
