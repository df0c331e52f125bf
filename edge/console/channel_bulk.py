"""One change of many channels, by ids or by a filter; each channel succeeds or fails by itself. A dry run tells how many."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import delete, select, update

from edge.channels import split_names
from edge.console.calls import read_body, reply
from edge.console.channel_rows import CHANNEL_COLUMNS, check_values, rebuild_abilities
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.providers import provider_of
from schema.tables import Ability, Channel
from schema.upstreams.status import switched_by_hand

CHANNELS_MAX = 10_000
ACTIONS = ("enable", "disable", "delete", "tag", "group", "models", "set", "copy_settings")
COPIED = (
    "model_mapping",
    "status_code_mapping",
    "setting",
    "param_override",
    "system_prompt",
    "priority",
    "weight",
    "auto_ban",
)


class BulkFilter(Struct):
    """All that is given must hold."""

    type: int | None = None
    status: int | None = None
    group: str = ""
    tag: str = ""
    name: str = ""  # a part of it


class BulkValues(Struct):
    """What `set` writes; null leaves it alone."""

    priority: int | None = None
    weight: int | None = None
    auto_ban: int | None = None
    test_model: str | None = None


class BulkBody(Struct):
    """`ids` or `filter` name the channels. `tag` and `group`: of those actions; `add`, `remove`: of `models`;
    `source`: the channel whose settings are copied, its key and address left out."""

    action: str
    ids: list[int] = []
    filter: BulkFilter | None = None
    tag: str = ""
    group: str = ""
    add: list[str] = []
    remove: list[str] = []
    values: BulkValues | None = None
    source: int = 0
    dry_run: bool = False


class BulkFailure(Struct):
    id: int
    code: str
    message: str


class BulkReport(Struct):
    """`matched` counts the channels that were named; nothing was written in a dry run."""

    matched: int
    dry_run: bool
    succeeded: list[int]
    failed: list[BulkFailure]


async def bulk(services: Services, request: Request, actor: Actor) -> Response:
    """Enable, disable, delete, tag, regroup, change models or settings of many channels."""
    body = await read_body(request, BulkBody)
    if body.action not in ACTIONS:
        raise Refusal("batch_invalid", "This cannot be done to channels.", known=ACTIONS)
    async with services.engine.connect() as db:
        found = select(*CHANNEL_COLUMNS).where(*_named(body)).order_by(Channel.id).limit(CHANNELS_MAX + 1)
        rows = (await db.execute(found)).mappings().all()
        source = (await db.execute(select(*CHANNEL_COLUMNS).where(Channel.id == body.source))).mappings().first()
    if len(rows) > CHANNELS_MAX:
        raise Refusal("too_many_items", "Too many channels at once.", highest=CHANNELS_MAX)
    missing = sorted({*body.ids} - {row["id"] for row in rows})
    failed = [BulkFailure(one, "channel_not_found", "There is no such channel.") for one in missing]
    report = BulkReport(len(rows), body.dry_run, [], failed)
    for row in rows:
        try:
            values = _values(body, row, source)
            if not body.dry_run:
                await _write(services, actor, row, values)
            report.succeeded.append(row["id"])
        except Refusal as refusal:
            report.failed.append(BulkFailure(row["id"], refusal.code, refusal.message))
    if report.succeeded and not body.dry_run:
        async with services.engine.begin() as db:
            facts = {"change": body.action, "ids": report.succeeded[:1000]}
            await audit(db, actor, "channel.bulk", "channel", report.succeeded[0], **facts)
        await signals.changed(services.redis, "channels")
    return reply(report)


def _named(body: BulkBody) -> list[Any]:
    """Raises Refusal when neither ids nor a filter say which: an empty filter would mean all."""
    if body.ids:
        return [Channel.id.in_(body.ids[: CHANNELS_MAX + 1])]
    held = body.filter
    where: list[Any] = []
    if held is not None:
        if held.type is not None:
            where.append(Channel.provider == provider_of(held.type))
        if held.status is not None:
            where.append(Channel.status == held.status)
        if held.group:
            where.append(("," + Channel.group + ",").contains(f",{held.group},", autoescape=True))
        if held.tag:
            where.append(Channel.tag == held.tag)
        if held.name:
            where.append(Channel.name.contains(held.name, autoescape=True))
    if not where:
        raise Refusal("ids_required", "No channel was named.")
    return where


def _values(body: BulkBody, row: Any, source: Any) -> dict[str, Any] | None:
    """What to write; None deletes the channel. Raises Refusal."""
    match body.action:
        case "delete":
            return None
        case "enable" | "disable":
            return {"status": 1 if body.action == "enable" else 2}
        case "tag":
            return {"tag": body.tag or None}
        case "group":
            groups = ",".join(split_names(body.group))
            if not groups:
                raise Refusal("group_required", "A channel needs a group.")
            return {"group": groups}
        case "models":
            kept = [name for name in split_names(row["models"]) if name not in body.remove]
            names = list(dict.fromkeys([*kept, *(name.strip() for name in body.add if name.strip())]))
            if not names:
                raise Refusal("models_required", "A channel needs at least one model.")
            values: dict[str, Any] = {"models": ",".join(names)}
        case "set":
            held = body.values or BulkValues()
            values = {name: getattr(held, name) for name in held.__struct_fields__ if getattr(held, name) is not None}
        case _:
            if source is None:
                raise Refusal("channel_not_found", "There is no such channel to copy from.")
            return {name: source[name] for name in COPIED}
    for name in ("priority", "weight", "auto_ban"):
        lowest = -(2**31) if name == "priority" else 0
        if not lowest <= values.get(name, 0) < 2**31:
            raise Refusal("invalid_number", f"{name} is out of bounds.", member=name)
    check_values(values, "")
    return values


async def _write(services: Services, actor: Actor, row: Any, values: dict[str, Any] | None) -> None:
    async with services.engine.begin() as db:
        if values is None:
            await db.execute(delete(Ability).where(Ability.channel_id == row["id"]))
            await db.execute(delete(Channel).where(Channel.id == row["id"]))
            return
        if not values:
            return
        if values.get("status", row["status"]) != row["status"]:
            seen = (await db.execute(select(*CHANNEL_COLUMNS).where(Channel.id == row["id"]))).first()
            if seen is None:
                raise Refusal("channel_not_found", "There is no such channel.")
            values = values | await switched_by_hand(db, seen, values["status"], f"user:{actor.id}")
        await db.execute(update(Channel).where(Channel.id == row["id"]).values(values))
        now = (await db.execute(select(*CHANNEL_COLUMNS).where(Channel.id == row["id"]))).mappings().all()
        await rebuild_abilities(db, list(now))


ROUTES = (Route("POST", "/api/channel/bulk", Role.ADMIN, BulkReport, bulk, body=BulkBody),)
