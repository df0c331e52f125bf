"""Models: which exist, which a caller may use, and what they cost."""

import contextlib
from typing import Any

from blacksheep import Content, Request, Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import select, true

from edge.console.access import find_actor
from edge.console.calls import answer, header, reply
from edge.console.envelope import Bare, Refusal
from edge.console.key_access import KeyHolder, find_holder, write_key_error
from edge.console.routes import Actor, Role, Route
from edge.relay.auto_group import AUTO, groups_to_try
from edge.services import Services
from schema.dialects.base import ListedModel
from schema.dialects.registry import get_dialect
from schema.models_catalog import model_lists, owner_of
from schema.options import Options
from schema.pricing import PriceMissing, find_price
from schema.providers import shown_number
from schema.tables import Ability

CREATED_S = 1_626_777_600
PERMISSION = {
    "id": "modelperm-LwHkVFn8AcMItP432fKKDIKJ", "object": "model_permission", "created": CREATED_S,
    "allow_create_engine": True, "allow_sampling": True, "allow_logprobs": True, "allow_search_indices": False,
    "allow_view": True, "allow_fine_tuning": False, "organization": "*", "group": None, "is_blocking": False,
}  # fmt: skip
UNSET_RATIO = 37.5  # shown for a model without a price


class PriceRow(Struct):
    """`quota_type` 0: by tokens, 1: by call. `model_price` in USD."""

    model_name: str
    quota_type: int
    model_ratio: float
    model_price: float
    owner_by: str
    completion_ratio: float
    cache_ratio: float
    audio_ratio: float
    enable_groups: list[str] | UnsetType = UNSET


class ListedModelView(Struct):
    """A model in OpenAI's form."""

    id: str
    object: str
    created: int
    owned_by: str
    permission: list[dict[str, Any]]
    root: str
    parent: str | None = None


class PricingReply(Struct):
    """`group_ratio` and `usable_group` (with descriptions): of the groups that the caller may use."""

    success: bool
    data: list[PriceRow]
    group_ratio: dict[str, float]
    usable_group: dict[str, str]


class GroupView(Struct):
    ratio: float
    desc: str


def usable_groups(options: Options, own: str) -> dict[str, str]:
    """Groups that a user may choose, with their descriptions."""
    found = {name: str(text) for name, text in options.user_usable_groups.items() if name in options.group_ratio}
    if own and own in options.group_ratio:
        found.setdefault(own, "用户分组")
    return found


async def models_of(services: Services, groups: set[str]) -> list[str]:
    """Models with an enabled channel in any of these groups, sorted."""
    async with services.engine.connect() as db:
        found = select(Ability.model).where(Ability.enabled == true(), Ability.group.in_(groups)).distinct()
        return sorted((await db.execute(found)).scalars())


def view_model(name: str) -> ListedModelView:
    return ListedModelView(name, "model", CREATED_S, owner_of(name), [PERMISSION], name)


async def list_by_type(services: Services, request: Request, actor: Actor) -> Response:
    """Built-in models of each channel type."""
    found: dict[str, list[str]] = {}
    for provider, held in model_lists().items():
        number = shown_number(provider.replace("-", "_"))
        models = model_lists()[held.same_as].models if held.same_as else held.models
        if number and models:
            found[str(number)] = list(models)
    return answer(Bare(True, found))


async def list_built_in(services: Services, request: Request, actor: Actor) -> Response:
    """All built-in models."""
    names = dict.fromkeys(name for held in model_lists().values() for name in held.models)
    return answer(Bare(True, [view_model(name) for name in names]))


async def list_enabled(services: Services, request: Request, actor: Actor) -> Response:
    """Names of all models that an enabled channel offers."""
    async with services.engine.connect() as db:
        found = await db.execute(select(Ability.model).where(Ability.enabled == true()).distinct())
        return answer(Bare(True, sorted(found.scalars())))


async def get_pricing(services: Services, request: Request, actor: Actor) -> Response:
    """Prices of all models that are served, with the groups that the caller may use."""
    options = services.snapshots.current.options
    caller = None
    with contextlib.suppress(Refusal):  # a session that ended is a visitor's
        caller = await find_actor(services, request)
    if caller is None and not options.pricing_public:
        raise Refusal("not_signed_in", "Please sign in first.", status=401)
    own = caller.group if caller is not None else "default"
    usable = usable_groups(options, own)
    async with services.engine.connect() as db:
        pairs = await db.execute(select(Ability.model, Ability.group).where(Ability.enabled == true()).distinct())
        groups: dict[str, list[str]] = {}
        for model, group in pairs:
            groups.setdefault(model, []).append(group)
    rows = [_price_row(options, model, sorted(groups[model])) for model in sorted(groups)]
    ratios = {name: float(options.group_ratio[name]) for name in usable}
    return answer(PricingReply(True, rows, ratios, usable))


def _price_row(options: Options, model: str, groups: list[str]) -> PriceRow:
    price = find_price(options, model=model, group="")
    if isinstance(price, PriceMissing):
        return PriceRow(model, 0, UNSET_RATIO, 0, "", 1, 1, 1, groups)
    if price.per_call:
        return PriceRow(model, 1, 0, float(price.model_price), "", 0, 0, 0, groups)
    return PriceRow(
        model, 0, float(price.model_ratio), 0, "", float(price.completion_ratio), float(price.cache_ratio),
        float(price.audio_ratio), groups,
    )  # fmt: skip


async def _names_for(services: Services, holder: KeyHolder) -> list[str]:
    """A limited token's own list, an entry that ends in * by what is served; else what its group is served."""
    exact = [name for name in holder.models if not name.endswith("*")]
    if holder.models and len(exact) == len(holder.models):
        return sorted(exact)
    served = await models_of(services, set(holder.groups))
    starts = tuple(name[:-1] for name in holder.models if name.endswith("*"))
    return [name for name in served if not holder.models or name in exact or name.startswith(starts)]


async def list_for_key(services: Services, request: Request, actor: Actor) -> Response:
    """Models that a key may use now, in the client's own form."""
    holder = await find_holder(services, request)
    if isinstance(holder, Response):
        return holder
    names = await _names_for(services, holder)
    path = request.url.path
    if path.startswith(b"/v1beta") or header(request, b"x-goog-api-key"):
        return _listed("gemini", names)
    if header(request, b"anthropic-version"):
        return _listed("claude", names)
    return answer({"success": True, "object": "list", "data": [view_model(name) for name in names]})


def _listed(dialect: str, names: list[str]) -> Response:
    body = get_dialect(dialect).write_models([ListedModel(name, CREATED_S, owner_of(name)) for name in names])
    return Response(200, content=Content(b"application/json", body))


async def get_for_key(services: Services, request: Request, actor: Actor) -> Response:
    """One model that a key may use."""
    holder = await find_holder(services, request)
    if isinstance(holder, Response):
        return holder
    name = str((request.route_values or {}).get("model", ""))
    if name not in await _names_for(services, holder):
        message = f"The model '{name}' does not exist"
        return write_key_error(404, message, kind="invalid_request_error", param="model", code="model_not_found")
    if request.url.path.startswith(b"/v1beta") or header(request, b"x-goog-api-key"):
        body = get_dialect("gemini").write_model(ListedModel(name, CREATED_S, owner_of(name)))
        return Response(200, content=Content(b"application/json", body))
    if header(request, b"anthropic-version"):
        body = get_dialect("claude").write_model(ListedModel(name, CREATED_S, owner_of(name)))
        return Response(200, content=Content(b"application/json", body))
    return answer(view_model(name))


async def list_own(services: Services, request: Request, actor: Actor) -> Response:
    """Models of all groups that the caller may use."""
    groups = set(usable_groups(services.snapshots.current.options, actor.group))
    return reply(await models_of(services, groups))


async def list_of_own_group(services: Services, request: Request, actor: Actor) -> Response:
    """Models of the caller's own group."""
    return reply(await models_of(services, {actor.group}))


async def list_own_groups(services: Services, request: Request, actor: Actor) -> Response:
    """Groups that the caller may use, with their ratios."""
    return _groups(services, actor.group)


async def list_public_groups(services: Services, request: Request, actor: Actor) -> Response:
    """Groups that anybody may use."""
    return _groups(services, "")


def _groups(services: Services, own: str) -> Response:
    options = services.snapshots.current.options
    usable = usable_groups(options, own)
    views = {name: GroupView(float(options.group_ratio[name]), text) for name, text in usable.items()}
    behind = groups_to_try(options, own)
    if behind:  # shown with the ratio of the group that is tried first
        text = str(options.user_usable_groups.get(AUTO) or " → ".join(behind))
        views[AUTO] = GroupView(float(options.group_ratio[behind[0]]), text)
    return reply(views)


ROUTES = (
    Route("GET", "/api/models", Role.USER, None, list_by_type, answer=Bare[dict[str, list[str]]]),
    Route("GET", "/api/channel/models", Role.ADMIN, None, list_built_in, answer=Bare[list[ListedModelView]]),
    Route("GET", "/api/channel/models_enabled", Role.ADMIN, None, list_enabled, answer=Bare[list[str]]),
    Route("GET", "/api/pricing", Role.VISITOR, None, get_pricing, answer=PricingReply),
    Route("GET", "/api/user/models", Role.USER, list[str], list_own),
    Route("GET", "/api/user/available_models", Role.USER, list[str], list_of_own_group),
    Route("GET", "/api/user/self/groups", Role.USER, dict[str, GroupView], list_own_groups),
    Route("GET", "/api/user/groups", Role.VISITOR, dict[str, GroupView], list_public_groups),
    Route("GET", "/v1/models", Role.VISITOR, None, list_for_key, answer=dict[str, Any], key=True),
    Route("GET", "/v1/models/:model", Role.VISITOR, None, get_for_key, answer=dict[str, Any], key=True),
    Route("GET", "/v1beta/models", Role.VISITOR, None, list_for_key, answer=dict[str, Any], key=True),
    Route("GET", "/v1beta/models/:model", Role.VISITOR, None, get_for_key, answer=dict[str, Any], key=True),
)
