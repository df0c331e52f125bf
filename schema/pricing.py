"""The arithmetic of bills: from names and settings to a frozen price, from usage and price to quota. Exact, and rounded once."""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schema.options import RAW_DEFAULTS, Options
from schema.quota import Quota
from schema.usage import PriceRecord, TokenUsage

ZERO, ONE = Decimal(0), Decimal(1)
UNSET_RATIO = Decimal("37.5")  # of a model without a ratio, where the operator or the user accepts that
ONE_API_UNSET_RATIO = Decimal(30)
IMAGE_PRICE_PER_RATIO = Decimal("0.0025")  # USD per picture and ratio, for image models without a price
TASK_PRICE_UNSET = Decimal("0.1")  # USD of a task whose action has no price
CACHE_WRITE_RATIO = Decimal("1.25")
# What a write for an hour costs more than one for five minutes: 2 / 1.25 of the input price. Source: Anthropic, Pricing,
# prompt caching. Times CacheCreationRatio, so that an operator's own ratio moves both.
CACHE_WRITE_HOUR_TIMES = Decimal("1.6")
AUDIO_COMPLETION_RATIO = Decimal(2)
CACHED_PRICES_MAX = 20_000  # prices remembered of one version of the options; about 400 bytes each
_exact = Context(prec=80)  # 10^12 tokens times three ratios of 17 digits fit without rounding


class PriceMissing(Struct, frozen=True):
    """The model has no price, so nobody may call it until the operator sets one."""

    model: str


class _Cache:
    """Prices of one Options object. Options are replaced whole, so identity says whether they are still true."""

    options: Options | None = None
    prices: dict[tuple[Any, ...], PriceRecord | PriceMissing] = {}


def find_price(
    options: Options,
    *,
    model: str,
    group: str,
    user_group: str = "",
    channel_cache_ratio: Decimal | None = None,
    channel_type: int = 0,
    accept_unset: bool = False,
) -> PriceRecord | PriceMissing:
    """The price of one call, to be frozen with its hold.

    Args:
        model: the name that the client asked for, before any mapping.
        group: the group in effect; an unknown one counts as ratio 1.
        user_group: the caller's own group, for GroupGroupRatio.
        channel_cache_ratio: `setting.cache_ratio` of the channel, 0 to 1; wins over the option CacheRatio.
        channel_type: number of the channel, for keys `name(type)` of a database adopted from One API.
        accept_unset: the user accepts models without a ratio.
    """
    if _Cache.options is not options or len(_Cache.prices) > CACHED_PRICES_MAX:
        _Cache.options, _Cache.prices = options, {}
    key = (model, group, user_group, channel_cache_ratio, channel_type, accept_unset)
    price = _Cache.prices.get(key)
    if price is None:
        price = _look_up(options, model, group, user_group, channel_cache_ratio, channel_type, accept_unset)
        _Cache.prices[key] = price
    return price


def _look_up(
    options: Options,
    model: str,
    group: str,
    user_group: str,
    channel_cache_ratio: Decimal | None,
    channel_type: int,
    accept_unset: bool,
) -> PriceRecord | PriceMissing:
    names = (
        (f"{model}({channel_type})", model, billed_name(model))
        if options.one_api_origin
        else (model, billed_name(model))
    )
    model_price = _first(options.model_price, names)
    model_ratio = _first(options.model_ratio, names)
    if model_price is None and model_ratio is None:
        if options.one_api_origin:
            model_ratio = ONE_API_UNSET_RATIO
        elif options.self_use_mode_enabled or accept_unset:
            model_ratio = UNSET_RATIO
        else:
            return PriceMissing(model)
    cache = channel_cache_ratio if channel_cache_ratio is not None else _first(options.cache_ratio, names)
    write = _first(options.cache_creation_ratio, names)
    audio = _first(options.audio_ratio, names)
    spoken = _first(options.audio_completion_ratio, names)
    image = _first(options.image_ratio, names)
    return PriceRecord(
        per_call=model_price is not None,
        model_ratio=ZERO if model_price is not None or model_ratio is None else model_ratio,
        completion_ratio=ZERO if model_price is not None else completion_ratio(options, model, names),
        group_ratio=group_ratio(options, group, user_group),
        model_price=model_price if model_price is not None else Decimal(-1),
        cache_ratio=ONE if cache is None else cache,
        cache_write_ratio=CACHE_WRITE_RATIO if write is None else write,
        audio_ratio=_by_rules("audio_ratio_rules", model) if audio is None else audio,
        audio_completion_ratio=AUDIO_COMPLETION_RATIO if spoken is None else spoken,
        image_ratio=ONE if image is None else image,
        quota_per_unit=Decimal(options.quota_per_unit),
        group=group,
        options_version=options.version,
    )


def _first(table: dict[str, Decimal], names: tuple[str, ...]) -> Decimal | None:
    for name in names:
        value = table.get(name)
        if value is not None and value >= 0:
            return value
    return None


def billed_name(model: str) -> str:
    """The starred name under which all custom GPTs share a price; other names unchanged."""
    if "-gizmo" not in model:
        return model
    for prefix in ("gpt-4o-gizmo", "gpt-4-gizmo"):
        if model.startswith(prefix):
            return f"{prefix}-*"
    return model


def completion_ratio(options: Options, model: str, names: tuple[str, ...] = ()) -> Decimal:
    """What the operator set, else the built-in rules: the operator always wins.

    An entry that only repeats the built-in table is the operator's as well once the table has been stored.
    """
    value = _first(options.completion_ratio, names or (model, billed_name(model)))
    return _by_rules("completion_ratio_rules", billed_name(model)) if value is None else value


def group_ratio(options: Options, group: str, user_group: str = "") -> Decimal:
    """Ratio of the group in effect; GroupGroupRatio[user's group][group] wins over GroupRatio[group]."""
    special = options.group_group_ratio.get(user_group, {}).get(group)
    return Decimal(str(special)) if special is not None else options.group_ratio.get(group, ONE)


def _by_rules(name: str, model: str) -> Decimal:
    for rule in RAW_DEFAULTS[name]:
        if _matches(rule["when"], model):
            return Decimal(rule["ratio"])
    return ONE


def _matches(when: dict[str, Any], model: str) -> bool:
    for condition, words in when.items():
        match condition:
            case "any":
                held = True
            case "equals":
                held = model in words
            case "equals_ignore_case":
                held = model.lower() in words
            case "prefix":
                held = model.startswith(tuple(words))
            case "suffix":
                held = model.endswith(tuple(words))
            case "not_suffix":
                held = not model.endswith(tuple(words))
            case "contains":
                held = any(word in model for word in words)
            case "contains_all":
                held = all(word in model for word in words)
            case _:
                raise AssertionError(condition)
        if not held:
            return False
    return True


def price_image(price: PriceRecord, *, upstream_model: str, size: str, quality: str, count: int) -> PriceRecord:
    """The price of `count` pictures: size and quality multiply a price per picture, which is 0.0025 USD per ratio where
    the model has no price of its own. Calls that report model tokens of pictures (gpt-image-1) need no such price."""
    tables = RAW_DEFAULTS["image"]
    times = Decimal(tables["size_ratio"].get(size, tables["size_ratio_other"]))
    if upstream_model == tables["quality_ratio"]["model"] and quality == tables["quality_ratio"]["quality"]:
        times *= Decimal(tables["quality_ratio"].get(size, tables["quality_ratio"]["square_or_other_size"]))
    unit = price.model_price if price.per_call else price.model_ratio * IMAGE_PRICE_PER_RATIO
    return replace(price, per_call=True, model_price=unit, times=times * max(1, count))


def price_task(options: Options, *, action: str, group: str, user_group: str = "") -> PriceRecord:
    """The price of an asynchronous task by its action, `mj_imagine` or `suno_music`; 0.1 USD when none is set."""
    found = find_price(options, model=action, group=group, user_group=user_group, accept_unset=True)
    assert isinstance(found, PriceRecord)
    return found if found.per_call else replace(found, per_call=True, model_price=TASK_PRICE_UNSET)


class _Weights(Struct, frozen=True):
    """A price as whole numbers: quota of one token of each kind, times `scale`."""

    scale: int  # a power of ten
    call: Quota | None  # the whole charge in price mode, else None
    text: int = 0
    cached: int = 0
    cache_write: int = 0
    image: int = 0
    audio: int = 0
    output: int = 0
    output_audio: int = 0
    cache_write_1h: int = 0


_weights: dict[int, tuple[PriceRecord, _Weights]] = {}  # by identity: hashing eleven decimals costs more than it saves


def _keep_weights(price: PriceRecord) -> _Weights:
    if len(_weights) > CACHED_PRICES_MAX:
        _weights.clear()
    made = _make_weights(price)
    _weights[id(price)] = (price, made)
    return made


def _make_weights(price: PriceRecord) -> _Weights:
    """Exact: products of decimals are decimals, and a power of ten turns them into whole numbers."""
    times = _exact.multiply
    if price.per_call:
        exact = times(times(times(price.model_price, price.times), price.quota_per_unit), price.group_ratio)
        return _Weights(1, Quota(max(1, int(exact.to_integral_value(ROUND_HALF_UP))) if exact > 0 else 0))
    base = times(price.model_ratio, price.group_ratio)
    spoken = times(price.audio_ratio, price.audio_completion_ratio)
    ratios = (
        ONE, price.cache_ratio, price.cache_write_ratio, price.image_ratio, price.audio_ratio,
        price.completion_ratio, spoken, cache_write_hour_ratio(price),
    )  # fmt: skip
    exacts = [times(base, ratio) for ratio in ratios]
    digits = max(0, *(-int(exact.as_tuple().exponent) for exact in exacts))
    return _Weights(10**digits, None, *(int(exact.scaleb(digits, _exact)) for exact in exacts))


def cache_write_hour_ratio(price: PriceRecord) -> Decimal:
    """Of a prompt token written to the cache for an hour, relative to an ordinary one."""
    return _exact.multiply(price.cache_write_ratio, CACHE_WRITE_HOUR_TIMES)


def charge(usage: TokenUsage, price: PriceRecord) -> Quota:
    """Whole quota of one answered call: exact, rounded half up once, here.

    At least 1 when the ratios are above 0 and any token was used; a price per call is taken whatever was used.
    """
    held = _weights.get(id(price))
    weights = held[1] if held is not None and held[0] is price else _keep_weights(price)
    if weights.call is not None:
        return weights.call
    total = usage.input_text * weights.text + usage.output_text * weights.output
    if usage.input_cached:
        total += usage.input_cached * weights.cached
    if usage.input_cache_write:
        total += usage.input_cache_write * weights.cache_write
    if usage.input_cache_write_1h:
        total += usage.input_cache_write_1h * weights.cache_write_1h
    if usage.input_image:
        total += usage.input_image * weights.image
    if usage.input_audio:
        total += usage.input_audio * weights.audio
    if usage.output_audio:
        total += usage.output_audio * weights.output_audio
    if total > 0:
        return Quota((2 * total + weights.scale) // (2 * weights.scale) or 1)
    return Quota(1 if weights.text > 0 and usage.total_tokens > 0 else 0)


def quota_saved(usage: TokenUsage, price: PriceRecord) -> Quota:
    """What the cached prompt tokens would have cost more without the cache; never negative."""
    if price.per_call or not usage.input_cached:
        return Quota(0)
    saved = usage.input_cached * (ONE - price.cache_ratio) * price.model_ratio * price.group_ratio
    return Quota(max(0, int(saved.to_integral_value(ROUND_HALF_UP))))


def estimate_hold(
    prompt_tokens: int, max_tokens: int | None, price: PriceRecord, *, completion_guess: int = 500
) -> Quota:
    """Quota to hold before a call: the whole prompt and the expected answer at full price.

    Args:
        max_tokens: the client's own limit of the answer; None = none given, then `completion_guess` (PreConsumedQuota).
    """
    held = _weights.get(id(price))
    weights = held[1] if held is not None and held[0] is price else _keep_weights(price)
    if weights.call is not None:
        return weights.call
    prompt, expected = max(0, prompt_tokens), completion_guess if max_tokens is None else max(0, max_tokens)
    total = prompt * weights.text + expected * weights.output
    if total > 0:
        return Quota((2 * total + weights.scale) // (2 * weights.scale) or 1)
    return Quota(1 if weights.text > 0 and prompt + expected > 0 else 0)


def content_text(price: PriceRecord, usage: TokenUsage) -> str:
    """The text of a log row, word for word as the predecessors write it."""
    group = f"分组倍率 {price.group_ratio:.2f}"
    if price.per_call:
        return f"模型价格 {price.model_price * price.times:.2f}，{group}"
    audio = ""
    if usage.input_audio or usage.output_audio:
        audio = f"，音频倍率 {price.audio_ratio:.2f}，音频补全倍率 {price.audio_completion_ratio:.2f}"
    return f"模型倍率 {price.model_ratio:.2f}，补全倍率 {price.completion_ratio:.2f}{audio}，{group}"


def other_members(
    usage: TokenUsage,
    price: PriceRecord,
    *,
    first_byte_ms: int,
    use_channel: list[int],
    upstream_model: str = "",
    dialect: str = "openai",
    request_id: str = "",
    cut: bool = False,
    pictures: bool = False,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`logs.other`: the members that existing front-ends and scripts read, and ours. Numbers are plain JSON numbers.

    `upstream_model`: '' when the name was not mapped. `first_byte_ms`: -1 when none came. `pictures`: priced by the picture;
    what size, quality and count multiplied the price by is kept as text, since it is exact.
    """
    other: dict[str, Any] = {
        "model_ratio": float(price.model_ratio),
        "group_ratio": float(price.group_ratio),
        "completion_ratio": float(price.completion_ratio),
        "model_price": float(price.model_price * price.times) if price.per_call else -1,
        "cache_tokens": usage.input_cached,
        "cache_ratio": float(price.cache_ratio),
        "frt": first_byte_ms if first_byte_ms >= 0 else -1000,
        "admin_info": {"use_channel": [str(channel) for channel in use_channel]},
        "request_id": request_id,
        "estimated": usage.estimated,
    }
    if cut:
        other["cut"] = True
    if usage.input_image:
        other["image_tokens"] = usage.input_image
    if pictures:
        other["times"] = str(price.times)
    if upstream_model:
        other |= {"is_model_mapped": True, "upstream_model_name": upstream_model}
    if dialect == "claude" or usage.cache_written:
        other |= {
            "cache_creation_tokens": usage.cache_written,
            "cache_creation_ratio": float(price.cache_write_ratio),
        }
    if usage.input_cache_write_1h:
        other |= {
            "cache_creation_tokens_5m": usage.input_cache_write,
            "cache_creation_ratio_5m": float(price.cache_write_ratio),
            "cache_creation_tokens_1h": usage.input_cache_write_1h,
            "cache_creation_ratio_1h": float(cache_write_hour_ratio(price)),
        }
    if dialect == "claude":
        other["claude"] = True
    if usage.input_image:
        other |= {"image_tokens": usage.input_image, "image_ratio": float(price.image_ratio)}
    if usage.input_audio or usage.output_audio:
        other |= {
            "audio": True,
            "audio_input": usage.input_audio,
            "audio_output": usage.output_audio,
            "text_input": usage.input_text + usage.input_cached,
            "text_output": usage.output_text,
            "audio_ratio": float(price.audio_ratio),
            "audio_completion_ratio": float(price.audio_completion_ratio),
        }
    return other | (more or {})
