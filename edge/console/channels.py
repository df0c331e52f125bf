"""Channels for administrators: list, search, create, edit, delete. A stored key never leaves, a changed address wants it again."""

import contextlib
import hmac
import json
import time
from typing import Any

from blacksheep import Request, Response
from msgspec import UNSET
from sqlalchemy import delete, func, insert, or_, select, update

from edge.channels import read_object, split_names
from edge.console.calls import TRUE, path_id, query, read_body, reply, reply_rows
from edge.console.channel_rows import CHANNEL_COLUMNS, check_values, rebuild_abilities
from edge.console.channel_shapes import (
    ChannelBody,
    ChannelKeyView,
    ChannelView,
    CopyView,
    IdsBody,
    TagBody,
    view_channel,
)
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.paging import Family, Page, read_int, read_page
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.providers import provider_of
from schema.secrets import SealError
from schema.tables import Ability, Channel
from schema.upstreams.account import MULTI_KEY
from schema.upstreams.status import switched_by_hand

ENABLED, DISABLED, AUTO_DISABLED = 1, 2, 3
ROOT = 100
SEARCH_ROWS_MAX = 1000
KEY_CHARS_MIN = 12  # a shorter keyword is no key
_PLAIN = (
    "openai_organization", "test_model", "name", "other", "models", "group", "model_mapping", "status_code_mapping",
    "tag", "setting", "param_override", "base_url", "system_prompt", "remark",
)  # fmt: skip
_NUMBERS = ("status", "weight", "priority", "auto_ban")


def read_values(services: Services, body: ChannelBody) -> dict[str, Any]:
    """The columns that a body sets, without key and type. Raises Refusal."""
    values: dict[str, Any] = {}
    for name in _PLAIN:
        value = getattr(body, name)
        if value is not UNSET:
            values["open_ai_organization" if name == "openai_organization" else name] = value
    for name in _NUMBERS:
        value = getattr(body, name)
        if value is not UNSET and value is not None:
            if not -(2**31) <= value < 2**31 or (name == "weight" and value < 0):
                raise Refusal("invalid_number", f"{name} is out of bounds.", member=name)
            values[name] = value
    if "status" in values and values["status"] not in (ENABLED, DISABLED, AUTO_DISABLED):
        raise Refusal("invalid_status", "A status is 1, 2 or 3.")
    if values.get("base_url"):
        values["base_url"] = values["base_url"].strip().rstrip("/")
    for name in ("models", "group"):
        if values.get(name) is not None:
            values[name] = ",".join(split_names(values[name]))
    return values


def sealed(services: Services, values: dict[str, Any]) -> dict[str, Any]:
    """Values as they are stored: key and setting may hold secrets."""
    return {
        name: services.vault.seal(value) if name in ("key", "setting") and value else value
        for name, value in values.items()
    }


async def list_channels(services: Services, request: Request, actor: Actor) -> Response:
    """One page of channels; with tag_mode the channels of one page of tags."""
    page = read_page(Family.CHANNELS, p=query(request, "p"), size=query(request, "page_size"))
    where = _filters(request)
    if query(request, "tag_mode") in TRUE:
        tags = select(Channel.tag).where(Channel.tag.is_not(None), Channel.tag != "", *where).distinct()
        tags = tags.order_by(Channel.tag).limit(page.size).offset(page.offset)
        where = [Channel.tag.in_(select(tags.subquery().c.tag))]
        return await _rows(services, request, where, Page(page.number, SEARCH_ROWS_MAX, 0))
    return await _rows(services, request, where, page)


def _filters(request: Request) -> list[Any]:
    where: list[Any] = []
    if query(request, "type"):
        provider = provider_of(read_int(query(request, "type")))
        where.append(Channel.provider == provider)
    if query(request, "status"):
        where.append(Channel.status == read_int(query(request, "status")))
    return where


async def _with_key(services: Services, key: str) -> list[int]:
    """Channels with exactly this key; stored ones may be sealed, so they are compared here."""
    async with services.engine.connect() as db:
        rows = (await db.execute(select(Channel.id, Channel.key))).all()
    found = []
    for channel_id, stored in rows:
        with contextlib.suppress(SealError):
            if hmac.compare_digest(services.vault.unseal(stored or "").encode(), key.encode()):
                found.append(channel_id)
    return found[:1000]


async def search_channels(services: Services, request: Request, actor: Actor) -> Response:
    """Channels by id or a part of the name, by group, by a part of the list of models."""
    keyword, group, model = query(request, "keyword"), query(request, "group"), query(request, "model")
    where = _filters(request)
    if keyword:
        same = [Channel.id == read_int(keyword), Channel.name.contains(keyword, autoescape=True)]
        if len(keyword) >= KEY_CHARS_MIN:
            same.append(Channel.id.in_(await _with_key(services, keyword)))
        where.append(or_(*same))
    if group and group != "null":
        where.append(("," + Channel.group + ",").contains(f",{group},", autoescape=True))
    if model:
        where.append(Channel.models.contains(model, autoescape=True))
    if query(request, "tag_mode") in TRUE:
        tags = select(Channel.tag).where(Channel.tag != "", *where)
        where = [Channel.tag.in_(tags)]
    return await _rows(services, request, where, Page(0, SEARCH_ROWS_MAX, 0))


async def _rows(services: Services, request: Request, where: list[Any], page: Page) -> Response:
    by_id = query(request, "id_sort") in TRUE
    order = (Channel.id.desc(),) if by_id else (func.coalesce(Channel.priority, 0).desc(), Channel.id.desc())
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(Channel).where(*where))).scalar_one()
        found = select(*CHANNEL_COLUMNS).where(*where).order_by(*order).limit(page.size).offset(page.offset)
        items = [view_channel(services, row) for row in (await db.execute(found)).all()]
    return reply_rows(request, items, total=total, page=page)


async def get_row(services: Services, channel_id: int) -> Any:
    """Raises Refusal when there is no such channel."""
    async with services.engine.connect() as db:
        row = (await db.execute(select(*CHANNEL_COLUMNS).where(Channel.id == channel_id))).first()
    if row is None:
        raise Refusal("channel_not_found", "There is no such channel.")
    return row


async def get_channel(services: Services, request: Request, actor: Actor) -> Response:
    """One channel, without its key."""
    return reply(view_channel(services, await get_row(services, path_id(request))))


async def create_channels(services: Services, request: Request, actor: Actor) -> Response:
    """One channel for each line of the key; replies with their ids."""
    body = await read_body(request, ChannelBody)
    provider = provider_of(body.type)
    values = read_values(services, body)
    check_values({"other": "", **values} if provider == "vertex" else values, provider)
    one_key = provider == "vertex" or read_object(values.get("setting")).get("multi_key") in MULTI_KEY
    lines = [body.key.strip()] if one_key else [line.strip() for line in body.key.splitlines()]
    keys = [line for line in lines if line]
    if not keys:
        raise Refusal("key_required", "A channel needs a key.")
    if not values.get("models"):
        raise Refusal("models_required", "A channel needs at least one model.")
    _need_address(provider, values.get("base_url"))
    first = {
        "type": body.type, "provider": provider, "status": ENABLED, "weight": 0, "priority": 0, "auto_ban": 1,
        "group": "default", "created_time": int(time.time()), "used_quota": 0,
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    async with services.engine.begin() as db:
        for key in keys:
            row = {**first, **{name: value for name, value in values.items() if value is not None}, "key": key}
            result = await db.execute(insert(Channel).values(sealed(services, row)))
            assert result.inserted_primary_key is not None
            rows.append({"tag": None, **row, "id": int(result.inserted_primary_key[0])})
        await rebuild_abilities(db, rows)
        ids = [row["id"] for row in rows]
        await audit(db, actor, "channel.create", "channel", ids[0], ids=ids, provider=provider)
    await signals.changed(services.redis, "channels")
    return reply(ids)


async def update_channel(services: Services, request: Request, actor: Actor) -> Response:
    """Change a channel. Another address, type or proxy wants the key again, so that no key can be sent elsewhere."""
    body = await read_body(request, ChannelBody)
    row = await get_row(services, body.id)
    values = read_values(services, body)
    provider = provider_of(body.type) if body.type else row.provider or provider_of(row.type or 0)
    for name in ("name", "models", "group"):  # old front-ends send '' for what they do not change
        if values.get(name) == "":
            del values[name]
    check_values(values, provider)
    _need_address(provider, values.get("base_url", row.base_url))
    if actor.role < ROOT and not body.key and _leads_elsewhere(services, row, values, provider):
        raise Refusal("key_required_again", "Changing the address, type or proxy needs the key again.")
    if body.type:
        values |= {"type": body.type, "provider": provider}
    if body.key.strip():
        values["key"] = body.key.strip()
    if not values:
        return reply(view_channel(services, row))
    async with services.engine.begin() as db:
        if values.get("status", row.status) != row.status:
            values |= await switched_by_hand(db, row, values["status"], f"user:{actor.id}")
        await db.execute(update(Channel).where(Channel.id == body.id).values(sealed(services, values)))
        await _rebuild(db, [body.id])
        await audit(db, actor, "channel.update", "channel", body.id, members=sorted(values))
    await signals.changed(services.redis, "channels")
    return reply(view_channel(services, await get_row(services, body.id)))


def _need_address(provider: str, base_url: str | None) -> None:
    """Nobody's host is the default for these: the key would go to a stranger. Raises Refusal."""
    if provider in ("midjourney", "midjourney_plus", "suno") and not base_url:
        raise Refusal("base_url_required", "A channel of this type needs the address of its proxy.", member="base_url")


def _leads_elsewhere(services: Services, row: Any, values: dict[str, Any], provider: str) -> bool:
    if "base_url" in values and (values["base_url"] or "") != (row.base_url or ""):
        return True
    if provider != (row.provider or provider_of(row.type or 0)):
        return True
    if "setting" not in values:
        return False
    before = services.vault.unseal(row.setting or "")
    proxies = [json.loads(text).get("proxy", "") if text else "" for text in (before, values["setting"] or "")]
    return proxies[0] != proxies[1]


async def _rebuild(db: Any, ids: list[int]) -> None:
    rows = (await db.execute(select(*CHANNEL_COLUMNS).where(Channel.id.in_(ids)))).mappings().all()
    await rebuild_abilities(db, list(rows))


async def delete_channel(services: Services, request: Request, actor: Actor) -> Response:
    """Delete a channel for good."""
    return await _delete(services, actor, [path_id(request)], reply())


async def delete_batch(services: Services, request: Request, actor: Actor) -> Response:
    """Delete several channels; replies with how many were named."""
    ids = (await read_body(request, IdsBody)).ids
    if not ids:
        raise Refusal("ids_required", "No channel was named.")
    return await _delete(services, actor, ids, reply(len(ids)))


async def delete_disabled(services: Services, request: Request, actor: Actor) -> Response:
    """Delete all channels that are disabled, by hand or automatically."""
    async with services.engine.connect() as db:
        found = await db.execute(select(Channel.id).where(Channel.status.in_((DISABLED, AUTO_DISABLED))))
        ids = list(found.scalars())
    return await _delete(services, actor, ids, reply(len(ids)))


async def _delete(services: Services, actor: Actor, ids: list[int], done: Response) -> Response:
    async with services.engine.begin() as db:
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            await db.execute(delete(Ability).where(Ability.channel_id.in_(part)))
            await db.execute(delete(Channel).where(Channel.id.in_(part)))
        await audit(db, actor, "channel.delete", "channel", ids[0] if ids else 0, ids=ids[:1000])
    await signals.changed(services.redis, "channels")
    return done


async def tag_batch(services: Services, request: Request, actor: Actor) -> Response:
    """Give several channels a tag, or take it."""
    body = await read_body(request, IdsBody)
    if not body.ids:
        raise Refusal("ids_required", "No channel was named.")
    async with services.engine.begin() as db:
        await db.execute(update(Channel).where(Channel.id.in_(body.ids)).values(tag=body.tag or None))
        await _rebuild(db, body.ids)
        await audit(db, actor, "channel.tag", "channel", body.ids[0], ids=body.ids[:1000], tag=body.tag)
    await signals.changed(services.redis, "channels")
    return reply(len(body.ids))


async def enable_tag(services: Services, request: Request, actor: Actor) -> Response:
    """Enable all channels of a tag."""
    return await _set_tag(services, actor, await read_body(request, TagBody), {"status": ENABLED})


async def disable_tag(services: Services, request: Request, actor: Actor) -> Response:
    """Disable all channels of a tag."""
    return await _set_tag(services, actor, await read_body(request, TagBody), {"status": DISABLED})


async def update_tag(services: Services, request: Request, actor: Actor) -> Response:
    """Change all channels of a tag."""
    body = await read_body(request, TagBody)
    wanted: dict[str, Any] = {
        "priority": body.priority, "weight": body.weight, "model_mapping": body.model_mapping or None,
        "models": ",".join(split_names(body.models)) or None, "group": ",".join(split_names(body.groups)) or None,
    }  # fmt: skip
    values = {name: value for name, value in wanted.items() if value is not None}
    if body.new_tag is not None and body.new_tag != body.tag:
        values["tag"] = body.new_tag or None
    check_values(values, "")
    return await _set_tag(services, actor, body, values)


async def _set_tag(services: Services, actor: Actor, body: TagBody, values: dict[str, Any]) -> Response:
    if not body.tag:
        raise Refusal("tag_required", "A tag is required.")
    async with services.engine.begin() as db:
        ids = list((await db.execute(select(Channel.id).where(Channel.tag == body.tag))).scalars())
        if ids and values:
            await db.execute(update(Channel).where(Channel.id.in_(ids)).values(values))
            await _rebuild(db, ids)
            await audit(db, actor, "channel.tag", "channel", ids[0], ids=ids[:1000], tag=body.tag)
    await signals.changed(services.redis, "channels")
    return reply()


async def copy_channel(services: Services, request: Request, actor: Actor) -> Response:
    """A disabled copy of a channel, key included."""
    row = await get_row(services, path_id(request))
    values = {column.name: getattr(row, column.name) for column in CHANNEL_COLUMNS if column.name != "id"}
    values |= {
        "name": (row.name or "") + (query(request, "suffix") or "_copy"), "status": DISABLED, "used_quota": 0,
        "created_time": int(time.time()), "test_time": 0, "response_time": 0,
    }  # fmt: skip
    if query(request, "reset_balance") in TRUE:
        values |= {"balance": 0, "balance_updated_time": 0}
    async with services.engine.begin() as db:
        result = await db.execute(insert(Channel).values(values))
        assert result.inserted_primary_key is not None
        copy_id = int(result.inserted_primary_key[0])
        await _rebuild(db, [copy_id])
        await audit(db, actor, "channel.copy", "channel", copy_id, of=row.id)
    await signals.changed(services.redis, "channels")
    return reply(CopyView(copy_id))


async def fix_abilities(services: Services, request: Request, actor: Actor) -> Response:
    """Rebuild what is derived from the channels."""
    async with services.engine.begin() as db:
        rows = (await db.execute(select(*CHANNEL_COLUMNS))).mappings().all()
        await db.execute(delete(Ability))
        await rebuild_abilities(db, list(rows))
    await signals.changed(services.redis, "channels")
    return reply(len(rows))


async def reveal_key(services: Services, request: Request, actor: Actor) -> Response:
    """The stored key, for root who has just proved himself; audited."""
    row = await get_row(services, path_id(request))
    async with services.engine.begin() as db:
        await audit(db, actor, "channel.reveal_key", "channel", row.id)
    return reply(ChannelKeyView(services.vault.unseal(row.key or "")))


ROUTES = (
    Route("GET", "/api/channel/", Role.ADMIN, list[ChannelView], list_channels,
          query=("p", "page_size", "id_sort", "tag_mode", "type", "status", "envelope")),
    Route("GET", "/api/channel/search", Role.ADMIN, list[ChannelView], search_channels,
          query=("keyword", "group", "model", "id_sort", "tag_mode", "type", "status", "envelope")),
    Route("GET", "/api/channel/fix", Role.ADMIN, int, fix_abilities),
    Route("POST", "/api/channel/fix", Role.ADMIN, int, fix_abilities),
    Route("GET", "/api/channel/:id", Role.ADMIN, ChannelView, get_channel),
    Route("POST", "/api/channel/", Role.ADMIN, list[int], create_channels, body=ChannelBody),
    Route("PUT", "/api/channel/", Role.ADMIN, ChannelView, update_channel, body=ChannelBody),
    Route("DELETE", "/api/channel/disabled", Role.ADMIN, int, delete_disabled),
    Route("DELETE", "/api/channel/:id", Role.ADMIN, None, delete_channel),
    Route("POST", "/api/channel/batch", Role.ADMIN, int, delete_batch, body=IdsBody),
    Route("POST", "/api/channel/batch/tag", Role.ADMIN, int, tag_batch, body=IdsBody),
    Route("POST", "/api/channel/tag/enabled", Role.ADMIN, None, enable_tag, body=TagBody),
    Route("POST", "/api/channel/tag/disabled", Role.ADMIN, None, disable_tag, body=TagBody),
    Route("PUT", "/api/channel/tag", Role.ADMIN, None, update_tag, body=TagBody),
    Route("POST", "/api/channel/copy/:id", Role.ADMIN, CopyView, copy_channel, query=("suffix", "reset_balance")),
    Route("POST", "/api/channel/:id/key", Role.ROOT, ChannelKeyView, reveal_key, fresh=True),
)  # fmt: skip
