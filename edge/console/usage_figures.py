"""Use over time by model, user, channel, token or group: from the hourly sums that settlement keeps, never from the log."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import ColumnElement, func, select

from edge.console.calls import query, reply
from edge.console.envelope import Refusal
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import Channel, Token, UsageHourly, User

ENTRIES_MAX = 100  # of a top list
SERIES_MAX = 8  # drawn one by one; the others together
SLOTS_MAX = 1500  # two months of hours
DAY_S = 86_400
MONDAY_S = 3 * DAY_S  # Unix time began on a Thursday
STEPS = {"hour": (3600, 0), "day": (DAY_S, 0), "week": (7 * DAY_S, MONDAY_S)}
OFFSET_S_MAX = 14 * 3600
_KEYS: dict[str, Any] = {
    "model": UsageHourly.model, "user": UsageHourly.user_id, "channel": UsageHourly.channel_id, "token": UsageHourly.token_id,
    "group": UsageHourly.group,
}  # fmt: skip
_OWN = ("model", "token", "group")  # people do not learn which channel served them
_NAMES: dict[str, Any] = {
    "user": (User, User.username),
    "channel": (Channel, Channel.name),
    "token": (Token, Token.name),
}
_SUMS = ("calls", "errors", "quota", "quota_saved", "prompt_tokens", "cached_tokens", "completion_tokens")


class UsageSums(Struct, kw_only=True):
    """`prompt_tokens` include the cached ones; `quota_saved`: what these would have cost more without the cache."""

    calls: int = 0
    errors: int = 0
    quota: int = 0
    quota_saved: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class UsageEntry(UsageSums, kw_only=True):
    """One model, user, channel, token or group; `key` is its id or name, '' in slots all that are not in the series."""

    key: str
    name: str


class UsageSlot(UsageEntry, kw_only=True):
    """`at`: Unix s, when the hour, day or week began by the reader's clock."""

    at: int


class UsageView(Struct):
    """`entries`: the dearest first; `slots`: of the first of them, and of the others together."""

    total: UsageSums
    entries: list[UsageEntry]
    slots: list[UsageSlot]


async def list_usage(services: Services, request: Request, actor: Actor) -> Response:
    """Use of all accounts, or of those that the filters name."""
    where: list[ColumnElement[bool]] = []
    if username := query(request, "username"):
        where.append(UsageHourly.user_id == select(User.id).where(User.username == username).scalar_subquery())
    if channel := read_int(query(request, "channel")):
        where.append(UsageHourly.channel_id == channel)
    return await _view(services, request, where, tuple(_KEYS))


async def list_own_usage(services: Services, request: Request, actor: Actor) -> Response:
    """The own use."""
    return await _view(services, request, [UsageHourly.user_id == actor.id], _OWN)


async def _view(
    services: Services, request: Request, where: list[ColumnElement[bool]], allowed: tuple[str, ...]
) -> Response:
    by = query(request, "by") or "model"
    grain = query(request, "step") or "day"
    if by not in allowed or grain not in STEPS:
        raise Refusal("invalid_parameter", "This cannot be shown that way.", by=by, step=grain)
    start, end = read_int(query(request, "start_timestamp")), read_int(query(request, "end_timestamp"))
    offset_s = max(-OFFSET_S_MAX, min(OFFSET_S_MAX, read_int(query(request, "offset"))))
    step, origin = STEPS[grain]
    if end <= start or (end - start) // step > SLOTS_MAX:
        raise Refusal("range_too_long", "The range is too long for this grain.", highest=SLOTS_MAX)
    where = [*where, UsageHourly.hour >= start - start % 3600, UsageHourly.hour <= end]
    if token := read_int(query(request, "token")):
        where.append(UsageHourly.token_id == token)
    if model := query(request, "model_name"):
        where.append(UsageHourly.model == model)
    key, sums = _KEYS[by], [func.sum(getattr(UsageHourly, name)) for name in _SUMS]
    # the hour at which the slot of a row begins
    slot = UsageHourly.hour - (UsageHourly.hour + offset_s + origin) % step
    async with services.engine.connect() as db:
        total = (await db.execute(select(*sums).where(*where))).one()
        top = select(key, *sums).where(*where).group_by(key).order_by(func.sum(UsageHourly.quota).desc(), key)
        entries = (await db.execute(top.limit(ENTRIES_MAX))).all()
        series = [row[0] for row in entries[:SERIES_MAX]]
        each = select(slot, key, *sums).where(*where, key.in_(series)).group_by(slot, key)
        slots = (await db.execute(each.order_by(slot))).all() if series else []
        rest = select(slot, *sums).where(*where, key.not_in(series)).group_by(slot)
        others = (await db.execute(rest)).all() if len(entries) > SERIES_MAX else []
        names = await _names(db, by, [row[0] for row in entries])
    return reply(
        UsageView(
            total=UsageSums(**_read(total)),
            entries=[UsageEntry(key=str(row[0]), name=names(row[0]), **_read(row[1:])) for row in entries],
            slots=[
                *(UsageSlot(at=row[0], key=str(row[1]), name=names(row[1]), **_read(row[2:])) for row in slots),
                *(UsageSlot(at=row[0], key="", name="", **_read(row[1:])) for row in others),
            ],
        )
    )


def _read(sums: Any) -> dict[str, int]:
    return {name: int(value or 0) for name, value in zip(_SUMS, sums, strict=True)}


async def _names(db: Any, by: str, keys: list[Any]) -> Any:
    """From key to what people call it; '' for what was deleted."""
    if by not in _NAMES:
        return str
    table, column = _NAMES[by]
    found = {row[0]: row[1] or "" for row in await db.execute(select(table.id, column).where(table.id.in_(keys)))}
    return lambda key: found.get(key, "")


_RANGE = ("start_timestamp", "end_timestamp", "by", "step", "offset", "token", "model_name")
ROUTES = (
    Route("GET", "/api/data/usage", Role.ADMIN, UsageView, list_usage, query=(*_RANGE, "username", "channel")),
    Route("GET", "/api/data/usage/self", Role.USER, UsageView, list_own_usage, query=_RANGE),
)
