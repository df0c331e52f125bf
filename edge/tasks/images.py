"""The public picture proxy: stored addresses only, checked ones only, bounded in time, size and kind."""

import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select

from edge.tasks.call import TaskCall
from edge.tasks.picture_links import may_see
from schema.addresses import UrlRefused
from schema.guarded_fetch import FetchFailed, FetchLimits
from schema.tables import AsyncTask, Midjourney
from schema.tasks.books import find_task

LIMITS = FetchLimits(connect_s=5.0, total_s=30.0, bytes_max=50 << 20, types=("image/", "video/"))
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),  # a drawing may be SVG, and SVG may hold scripts
)


class NoPicture(Exception):
    """Told to the client as `{"error": …}`."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


async def send_image(call: TaskCall) -> None:
    """`GET /mj/image/{id}`: no key is asked for, the id is the secret. Raises NoPicture while nothing was sent."""
    options = call.snapshot.options
    query = (call.scope.get("query_string") or b"").decode("latin-1")
    if not may_see(options, call.relay.config, call.place.task_id, query, time.time()):
        raise NoPicture(403, "link_not_valid")
    url, finished, channel_id = await _find(call)
    fetcher = call.tasks.fetcher_for(_is_own_host(call, url, channel_id))
    cache = b"public, max-age=86400" if finished else b"no-store"
    try:
        async with fetcher.open(url, LIMITS) as answer:
            if answer.status != 200:
                raise NoPicture(answer.status if 400 <= answer.status < 600 else 502, "the picture is not available")
            kind = answer.content_type or "image/jpeg"
            await call.head(200, kind, None, (*_SAFE, (b"cache-control", cache)))
            await call.pass_on(answer.chunks, LIMITS.bytes_max)
    except (UrlRefused, FetchFailed):
        if not call.status:
            raise NoPicture(500, "http_get_image_failed") from None
    await call.send({"type": "http.response.body", "body": b""})


async def _find(call: TaskCall) -> tuple[str, bool, int]:
    """Address, whether it is final, channel. Raises NoPicture."""
    named = call.place.task_id
    row: Any = await find_task(call.tasks.engine, AsyncTask.upstream_id == named, AsyncTask.platform == "mj")
    if row is None:
        async with call.tasks.engine.connect() as db:
            older = select(Midjourney.image_url, Midjourney.status, Midjourney.channel_id).where(
                Midjourney.mj_id == named
            )
            row = (await db.execute(older.order_by(Midjourney.id.desc()).limit(1))).mappings().first()
    if not named or row is None or not row["image_url"]:
        raise NoPicture(400, "midjourney_task_not_found")
    return row["image_url"], row["status"] == "SUCCESS", row["channel_id"] or 0


def _is_own_host(call: TaskCall, url: str, channel_id: int) -> bool:
    """Does the picture lie on the very host that the operator typed as the channel's address, which may be a private one?"""
    channel = call.snapshot.channels.get(channel_id)
    if channel is None or not call.snapshot.options.channel_allow_private:
        return False
    try:
        ours, theirs = urlsplit(channel.view.base_url), urlsplit(url)
        return (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
    except ValueError:
        return False


def write_no_picture(error: NoPicture) -> bytes:
    return msgspec.json.encode({"error": error.error})
