"""Use over time by model, user, channel, token or group: from sums that settlement and its jobs keep, never from the log."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import select

from edge.console.calls import query, reply
from edge.console.envelope import Refusal
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.console.usage_slots import COLUMNS, Wanted, find_usage
from edge.services import Services
from schema.tables import Channel, Token, User
from schema.usage_totals import DAY_S, HOUR_S, SUMS

ENTRIES_MAX = 100  # of a top list
SERIES_MAX = 8  # drawn one by one; the others together
SLOTS_MAX = 1500  # two months of hours
MONDAY_S = 3 * DAY_S  # Unix time began on a Thursday
STEPS = {"hour": (3600, 0), "day": (DAY_S, 0), "week": (7 * DAY_S, MONDAY_S)}
OFFSET_S_MAX = 14 * 3600
NOBODY = -1  # a name that no account has
_OWN = ("model", "token", "group")  # people do not learn which channel served them
_NAMES: dict[str, Any] = {
    "user": (User, User.username),
    "channel": (Channel, Channel.name),
    "token": (Token, Token.name),
}


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
    user_id = 0
    if username := query(request, "username"):
        async with services.engine.connect() as db:
            user_id = (await db.execute(select(User.id).where(User.username == username))).scalar() or NOBODY
    return await _view(services, request, tuple(COLUMNS), user_id, read_int(query(request, "channel")))


async def list_own_usage(services: Services, request: Request, actor: Actor) -> Response:
    """The own use."""
    return await _view(services, request, _OWN, actor.id, 0)


async def _view(
    services: Services, request: Request, allowed: tuple[str, ...], user_id: int, channel_id: int
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
    wanted = Wanted(
        by, start - start % HOUR_S, end - end % HOUR_S + HOUR_S, step, offset_s + origin, user_id, channel_id,
        read_int(query(request, "token")), query(request, "model_name"),
    )  # fmt: skip
    async with services.engine.connect() as db:
        found = await find_usage(db, wanted, entries=ENTRIES_MAX, series=SERIES_MAX)
        names = await _names(db, by, [key for key, _ in found.entries])
    return reply(
        UsageView(
            total=UsageSums(**_named(found.total)),
            entries=[UsageEntry(key=str(key), name=names(key), **_named(sums)) for key, sums in found.entries],
            slots=[
                *(
                    UsageSlot(at=at, key=str(key), name=names(key), **_named(sums))
                    for (at, key), sums in sorted(found.slots.items(), key=lambda one: one[0][0])
                ),
                *(UsageSlot(at=at, key="", name="", **_named(sums)) for at, sums in sorted(found.others.items())),
            ],
        )
    )


def _named(sums: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(SUMS, sums, strict=True))


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
