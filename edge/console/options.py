"""Settings for root: read without secrets, written after validation, effective on every edge within two seconds."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.access import check_fresh
from edge.console.calls import TRUE, query, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.options import OPTIONS, OptionError, is_secret, validate_option
from schema.tables import OptionRow

ITEMS_MAX = 500  # of one batch
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
    """`set` tells of a secret whether it has a value; its value is never shown."""

    key: str
    value: str
    set: bool = True


class OptionBody(Struct):
    key: str
    value: str | bool | int | float


class OptionsBody(Struct):
    items: list[OptionBody]


class OptionSpecView(Struct):
    """How a setting is declared."""

    key: str
    kind: str
    default: str
    group: str
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
                shown.append(OptionView(key, "", bool(rows.get(key))))
        elif spec is None or not spec.hidden or key in rows:
            value = rows.get(key)
            shown.append(OptionView(key, spec.default if value is None and spec else value or ""))
    return reply(shown)


async def list_specs(services: Services, request: Request, actor: Actor) -> Response:
    """How every setting is declared, for editors."""
    specs = [
        OptionSpecView(
            one.key, one.kind, "" if one.secret else one.default, one.group, one.help_en, one.help_zh, one.lowest,
            one.highest, one.choices, one.secret, one.restart,
        )
        for one in OPTIONS.values()
        if not one.hidden
    ]  # fmt: skip
    return reply(specs)


def _text(value: str | bool | int | float) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


async def write_options(db: AsyncConnection, services: Services, actor: Actor, items: dict[str, str]) -> None:
    """In the caller's transaction. Raises Refusal; nothing is stored then."""
    if any(is_secret(key) for key in items):
        check_fresh(actor)
    known = dict((await db.execute(select(OptionRow.key, OptionRow.value))).tuples().all())
    stored: dict[str, str] = {}
    for key, text in items.items():
        if key not in OPTIONS and key not in known:
            raise Refusal("option_unknown", f"There is no setting {key}.", key=key)
        try:
            stored[key] = validate_option(key, text)
        except OptionError as error:
            raise Refusal("option_invalid", f"{key} {error}.", key=key) from error
    for key, need in _NEEDS.items():
        if stored.get(key) == "true" and not (stored.get(need) or known.get(need)):
            spec = OPTIONS.get(need)
            if spec is None or not spec.default:
                raise Refusal("option_needs", f"Set {need} before switching on {key}.", key=key, needs=need)
    for key, text in stored.items():
        value = services.vault.seal(text) if is_secret(key) else text
        await db.execute(delete(OptionRow).where(OptionRow.key == key))
        await db.execute(insert(OptionRow).values(key=key, value=value))
        before = known.get(key)
        shown: dict[str, Any] = {} if is_secret(key) else {"before": (before or "")[:500], "after": text[:500]}
        await audit(db, actor, "option.write", "option", key, **shown)


async def put_option(services: Services, request: Request, actor: Actor) -> Response:
    """Write one setting."""
    body = await read_body(request, OptionBody)
    return await _write(services, actor, {body.key: _text(body.value)})


async def put_options(services: Services, request: Request, actor: Actor) -> Response:
    """Write several settings, all or none."""
    items = (await read_body(request, OptionsBody)).items
    if len(items) > ITEMS_MAX:
        raise Refusal("too_many_items", "Too many settings at once.", highest=ITEMS_MAX)
    return await _write(services, actor, {item.key: _text(item.value) for item in items})


async def _write(services: Services, actor: Actor, items: dict[str, str], message: str = "") -> Response:
    async with services.engine.begin() as db:
        await write_options(db, services, actor, items)
    await signals.changed(services.redis, "options")
    return reply(message=message)


async def reset_model_ratio(services: Services, request: Request, actor: Actor) -> Response:
    """Store the built-in model ratios."""
    return await _write(services, actor, {"ModelRatio": OPTIONS["ModelRatio"].default}, "重置模型倍率成功")


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
