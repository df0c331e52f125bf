"""Settings for root: read without secrets, written after validation, effective on every edge within two seconds."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.access import check_fresh
from edge.console.calls import TRUE, query, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.options import OPTIONS, OptionError, is_secret, validate_option
from schema.tables import AuditEntry, OptionRow

ITEMS_MAX = 500  # of one batch
AUDIT_TEXT_MAX = 4000  # characters of a value that the audit keeps
AUDIT_MEMBERS_MAX = 200  # of an object, such as a table of prices, that differ and are kept
_NEEDS = {  # what must be set before something may be switched on
    "GitHubOAuthEnabled": "GitHubClientId",
    "oidc.enabled": "oidc.client_id",
    "LinuxDOOAuthEnabled": "LinuxDOClientId",
    "TelegramOAuthEnabled": "TelegramBotToken",
    "WeChatAuthEnabled": "WeChatServerAddress",
    "TurnstileCheckEnabled": "TurnstileSiteKey",
    "EmailDomainRestrictionEnabled": "EmailDomainWhitelist",
}


class OptionView(Struct):
    """`set` tells of a secret whether it has a value; its value is never shown. `version` changes with every write;
    '' is the built-in default."""

    key: str
    value: str
    set: bool = True
    version: str = ""


class OptionBody(Struct):
    """`value` null goes back to the built-in default. With `version`, the one that was read, an edit of somebody else in
    between is a conflict; without it the last writer wins."""

    key: str
    value: str | bool | int | float | None
    version: str | None = None


class OptionsBody(Struct):
    items: list[OptionBody]


class OptionSpecView(Struct):
    """How a setting is declared: `unit` of a number, `shape` of JSON, `group` and `section` its place on the page."""

    key: str
    kind: str
    default: str
    group: str
    section: str
    unit: str
    shape: str
    label_en: str
    label_zh: str
    help_en: str
    help_zh: str
    lowest: float | None
    highest: float | None
    choices: tuple[str, ...]
    secret: bool
    restart: bool


async def list_options(services: Services, request: Request, actor: Actor) -> Response:
    """Every setting with its value; secrets only as set or not, and only when asked for."""
    async with services.engine.connect() as db:
        rows = dict((await db.execute(select(OptionRow.key, OptionRow.value))).tuples().all())
    with_state = query(request, "with_secrets_state") in TRUE
    shown = []
    for key in sorted({*OPTIONS, *rows}):
        spec = OPTIONS.get(key)
        if is_secret(key):
            if with_state:
                shown.append(OptionView(key, "", bool(rows.get(key)), _version(rows.get(key), secret=True)))
        elif spec is None or not spec.hidden or key in rows:
            value = rows.get(key)
            text = spec.default if value is None and spec else value or ""
            shown.append(OptionView(key, text, version=_version(value)))
    return reply(shown)


async def list_specs(services: Services, request: Request, actor: Actor) -> Response:
    """How every setting is declared, for editors."""
    specs = [
        OptionSpecView(
            one.key, one.kind, "" if one.secret else one.default, one.group, one.section, one.unit, one.shape,
            one.english.label, one.chinese.label, one.english.help, one.chinese.help, one.lowest, one.highest, one.choices,
            one.secret, one.restart,
        )
        for one in OPTIONS.values()
        if not one.hidden
    ]  # fmt: skip
    return reply(specs)


def _text(value: str | bool | int | float | None) -> str | None:
    return ("true" if value else "false") if isinstance(value, bool) else None if value is None else str(value)


def _version(stored: str | None, *, secret: bool = False) -> str:
    """Of a stored text. A secret that is not sealed has one version for all values: a digest could be guessed."""
    if stored is None:
        return ""
    if secret and not stored.startswith("enc"):
        return "set"
    return hashlib.blake2b(stored.encode(), digest_size=8).hexdigest()


async def write_options(
    db: AsyncConnection,
    services: Services,
    actor: Actor,
    items: Mapping[str, str | None],
    seen: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """In the caller's transaction; None goes back to the default. Raises Refusal; nothing is stored then.

    `seen`: versions that the writer read; one that has moved since is a conflict. Rows are locked first, so that of two
    writers with the same version one is refused.
    """
    if any(is_secret(key) for key in items):
        check_fresh(actor)
    held = select(OptionRow.key, OptionRow.value).order_by(OptionRow.key).with_for_update()
    known = dict((await db.execute(held)).tuples().all())
    for key, version in seen.items():
        if version != _version(known.get(key), secret=is_secret(key)):
            raise await _conflict(db, key)
    stored: dict[str, str | None] = {}
    for key, text in items.items():
        if key not in OPTIONS and key not in known:
            raise Refusal("option_unknown", f"There is no setting {key}.", key=key)
        try:
            stored[key] = None if text is None else validate_option(key, text)
        except OptionError as error:
            raise Refusal("option_invalid", f"{key} {error}.", key=key) from error
    _check_needs(known, stored)
    for key, new in stored.items():
        await _store(db, services, known, key, new)
        await audit(db, actor, "option.write", "option", key, **_change(key, known.get(key), new))


def _check_needs(known: Mapping[str, str | None], stored: Mapping[str, str | None]) -> None:
    for key, need in _NEEDS.items():
        if stored.get(key) == "true" and not (stored.get(need) or known.get(need)):
            spec = OPTIONS.get(need)
            if spec is None or not spec.default:
                raise Refusal("option_needs", f"Set {need} before switching on {key}.", key=key, needs=need)


def _change(key: str, before: str | None, after: str | None) -> dict[str, Any]:
    """What the audit keeps of it: nothing of a secret, of an object only the members that differ."""
    if is_secret(key):
        return {}
    default = OPTIONS[key].default if key in OPTIONS else ""
    old, new = (default if text is None else text for text in (before, after))
    one, other = _members(old), _members(new)
    if one is None or other is None:
        return {"before": old[:AUDIT_TEXT_MAX], "after": new[:AUDIT_TEXT_MAX]}
    moved = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))[:AUDIT_MEMBERS_MAX]
    return {
        "before": {name: one[name] for name in moved if name in one},
        "after": {name: other[name] for name in moved if name in other},
    }


def _members(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


async def _store(
    db: AsyncConnection, services: Services, known: Mapping[str, str | None], key: str, text: str | None
) -> None:
    if text is None:
        await db.execute(delete(OptionRow).where(OptionRow.key == key))
        return
    value = services.vault.seal(text) if is_secret(key) else text
    if key in known:
        await db.execute(update(OptionRow).where(OptionRow.key == key).values(value=value))
        return
    try:
        await db.execute(insert(OptionRow).values(key=key, value=value))
    except IntegrityError as error:  # somebody else set it first, a moment ago
        raise Refusal("option_moved", f"{key} was changed by somebody else.", status=409, key=key) from error


async def _conflict(db: AsyncConnection, key: str) -> Refusal:
    """With who changed it last and when, as the audit knows."""
    of_key = (AuditEntry.subject == "option", AuditEntry.subject_id == key)
    found = select(AuditEntry.actor, AuditEntry.at_ms).where(*of_key).order_by(AuditEntry.id.desc()).limit(1)
    row = (await db.execute(found)).first()
    facts = {"by": row.actor, "at": row.at_ms // 1000} if row is not None else {}
    return Refusal("option_moved", f"{key} was changed by somebody else.", status=409, key=key, **facts)


async def put_option(services: Services, request: Request, actor: Actor) -> Response:
    """Write one setting."""
    return await _write(services, actor, [await read_body(request, OptionBody)])


async def put_options(services: Services, request: Request, actor: Actor) -> Response:
    """Write several settings, all or none."""
    items = (await read_body(request, OptionsBody)).items
    if len(items) > ITEMS_MAX:
        raise Refusal("too_many_items", "Too many settings at once.", highest=ITEMS_MAX)
    return await _write(services, actor, items)


async def _write(services: Services, actor: Actor, items: list[OptionBody], message: str = "") -> Response:
    texts = {item.key: _text(item.value) for item in items}
    seen = {item.key: item.version for item in items if item.version is not None}
    async with services.engine.begin() as db:
        await write_options(db, services, actor, texts, seen)
    await signals.changed(services.redis, "options")
    return reply(message=message)


async def reset_model_ratio(services: Services, request: Request, actor: Actor) -> Response:
    """Store the built-in model ratios."""
    return await _write(services, actor, [OptionBody("ModelRatio", OPTIONS["ModelRatio"].default)], "重置模型倍率成功")


async def list_groups(services: Services, request: Request, actor: Actor) -> Response:
    """Names of all groups."""
    return reply(sorted(services.snapshots.current.options.group_ratio))


ROUTES = (
    Route("GET", "/api/option/", Role.ROOT, list[OptionView], list_options, query=("with_secrets_state",)),
    Route("GET", "/api/option/specs", Role.ROOT, list[OptionSpecView], list_specs),
    Route("PUT", "/api/option/", Role.ROOT, None, put_option, body=OptionBody),
    Route("PUT", "/api/option/batch", Role.ROOT, None, put_options, body=OptionsBody),
    Route("POST", "/api/option/rest_model_ratio", Role.ROOT, None, reset_model_ratio),
    Route("POST", "/api/option/reset_model_ratio", Role.ROOT, None, reset_model_ratio),
    Route("GET", "/api/group/", Role.ADMIN, list[str], list_groups),
)
