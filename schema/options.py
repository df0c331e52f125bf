"""Settings of the database as typed values: tolerant when they are read, strict when they are written."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from schema.option_shapes import SHAPES
from schema.option_table import OptionSpec, read_table

log = structlog.get_logger(__name__)

Prices = dict[str, Decimal]  # name -> exact number, as the operator typed it
RAW_DEFAULTS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "default_pricing.json").read_text(), parse_float=Decimal, parse_int=Decimal
)
_DEFAULT_TABLES = (
    "model_ratio",
    "completion_ratio",
    "model_price",
    "cache_ratio",
    "cache_creation_ratio",
    "group_ratio",
    "user_usable_groups",
    "topup_group_ratio",
)
_FORGIVEN = frozenset(SHAPES) - {
    "names",
    "ratios",
}  # the predecessors stored them unchecked; their readers skip what is odd
TEXT_MAX = 4 * 1024 * 1024  # characters of one value; the largest price tables known have 200 000


class OptionError(ValueError):
    """A value that may not be written; the text says why and holds no secret."""


def write_prices(prices: Mapping[str, Any]) -> str:
    """The JSON text of a table of exact numbers."""
    inner = ",\n  ".join(f"{json.dumps(name, ensure_ascii=False)}: {_number(value)}" for name, value in prices.items())
    return "{\n  " + inner + "\n}" if inner else "{}"


def _number(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


OPTIONS: dict[str, OptionSpec] = read_table({name: write_prices(RAW_DEFAULTS[name]) for name in _DEFAULT_TABLES})


class Options(Struct, frozen=True, kw_only=True):
    """Every setting, typed. `version` is the version of the table in Redis; equal versions have equal values."""

    version: int = 0
    top_up_link: str
    general_setting_docs_link: str
    quota_per_unit: Decimal
    retry_times: int
    display_in_currency_enabled: bool
    display_token_stat_enabled: bool
    default_collapse_sidebar: bool
    demo_site_enabled: bool
    self_use_mode_enabled: bool
    quota_for_new_user: int
    quota_for_inviter: int
    quota_for_invitee: int
    pre_consumed_quota: int
    balance_exhausted_policy: str
    quota_remind_threshold: int
    channel_disable_threshold: float
    automatic_disable_channel_enabled: bool
    automatic_enable_channel_enabled: bool
    automatic_disable_keywords: tuple[str, ...]
    auto_disable_policy: str
    auto_disable_errors: int
    auto_disable_window_seconds: int
    auto_disable_error_percent: int
    auto_disable_keep_last: bool
    auto_enable_probe: bool
    channel_test_interval_minutes: int
    channel_update_interval_minutes: int
    channel_balance_alert: float
    channel_allow_private: bool
    log_consume_enabled: bool
    log_client_ip: bool
    log_by_key_rows_max: int
    log_retention_days: int
    error_log_retention_days: int
    hourly_data_retention_days: int
    task_retention_days: int
    audit_retention_days: int
    deleted_user_purge_days: int
    data_export_enabled: bool
    data_export_interval: int
    data_export_default_time: str
    drawing_enabled: bool
    task_enabled: bool
    chats: list[Any]
    mj_notify_enabled: bool
    mj_account_filter_enabled: bool
    mj_mode_clear_enabled: bool
    mj_forward_url_enabled: bool
    mj_action_check_success_enabled: bool
    mj_image_signed: bool
    task_timeout_minutes: dict[str, Any]
    check_sensitive_enabled: bool
    check_sensitive_on_prompt_enabled: bool
    sensitive_words: tuple[str, ...]
    stop_on_sensitive_enabled: bool
    stream_cache_queue_length: int
    model_ratio: Prices
    completion_ratio: Prices
    model_price: Prices
    cache_ratio: Prices
    cache_creation_ratio: Prices
    audio_ratio: Prices
    audio_completion_ratio: Prices
    image_ratio: Prices
    group_ratio: Prices
    group_group_ratio: dict[str, Any]
    user_usable_groups: dict[str, Any]
    auto_groups: list[Any]
    pricing_public: bool
    price_tables_merged: tuple[str, ...]
    model_request_rate_limit_enabled: bool
    model_request_rate_limit_duration_minutes: int
    model_request_rate_limit_count: int
    model_request_rate_limit_success_count: int
    model_request_rate_limit_group: dict[str, Any]
    model_tokens_per_minute_limit: int
    model_tokens_per_minute_group: dict[str, Any]
    global_pass_through_request_enabled: bool
    claude_model_headers_settings: dict[str, Any]
    claude_default_max_tokens: dict[str, Any]
    claude_thinking_adapter_enabled: bool
    claude_thinking_adapter_budget_tokens_percentage: float
    gemini_safety_settings: dict[str, Any]
    gemini_version_settings: dict[str, Any]
    gemini_thinking_adapter_enabled: bool
    gemini_thinking_adapter_budget_tokens_percentage: float
    reasoning_prefixes: tuple[str, ...]
    return_requested_model: bool
    general_setting_ping_interval_enabled: bool
    general_setting_ping_interval_seconds: int
    general_setting_ping_before_first_byte: bool
    retry_tier_policy: str
    affinity_enabled: bool
    forward_client_headers: tuple[str, ...]
    pass_upstream_headers: bool
    realtime_allowed_origins: tuple[str, ...]
    breaker_enabled: bool
    breaker_failures: int
    breaker_failure_percent: int
    breaker_open_seconds: float
    breaker_open_seconds_max: float
    breaker_first_byte_seconds: float
    cooldown_seconds: float
    hedge_after_ms: int
    hedge_models: tuple[str, ...]
    hedge_percent: int
    channel_choice: str
    pay_address: str
    epay_id: str
    epay_key: str
    custom_callback_address: str
    price: Decimal
    min_top_up: int
    topup_group_ratio: Prices
    top_up_order_minutes: int
    stripe_api_secret: str
    stripe_webhook_secret: str
    stripe_price_id: str
    stripe_currency: str
    stripe_unit_price: Decimal
    stripe_min_top_up: int
    server_address: str
    worker_url: str
    worker_valid_key: str
    system_name: str
    logo: str
    footer: str
    notice: str
    about: str
    home_page_content: str
    theme: str
    one_api_compat: bool
    legacy_token_keys_in_lists: bool
    access_token_hash_on_use: bool
    webhook_allow_http: bool
    oidc_allow_private: bool
    two_factor_required_for_admins: bool
    passkey_login_enabled: bool
    password_login_enabled: bool
    password_register_enabled: bool
    register_enabled: bool
    email_verification_enabled: bool
    email_domain_restriction_enabled: bool
    email_domain_whitelist: tuple[str, ...]
    email_alias_restriction_enabled: bool
    smtp_server: str
    smtp_port: int
    smtp_account: str
    smtp_from: str
    smtp_token: str
    smtp_ssl_enabled: bool
    smtp_tls_mode: str
    github_o_auth_enabled: bool
    github_client_id: str
    github_client_secret: str
    discord_enabled: bool
    discord_client_id: str
    discord_client_secret: str
    linux_doo_auth_enabled: bool
    linuxdo_client_id: str
    linuxdo_client_secret: str
    linuxdo_minimum_trust_level: int
    telegram_o_auth_enabled: bool
    telegram_bot_token: str
    telegram_bot_name: str
    wechat_auth_enabled: bool
    wechat_server_address: str
    wechat_server_token: str
    wechat_account_qr_code_image_url: str
    turnstile_check_enabled: bool
    turnstile_site_key: str
    turnstile_secret_key: str
    oidc_enabled: bool
    oidc_client_id: str
    oidc_client_secret: str
    oidc_well_known: str
    oidc_authorization_endpoint: str
    oidc_token_endpoint: str
    oidc_user_info_endpoint: str
    file_upload_permission: int
    file_download_permission: int
    image_upload_permission: int
    image_download_permission: int
    chat_link: str
    message_pusher_address: str
    message_pusher_token: str
    lark_client_id: str
    lark_client_secret: str
    approximate_token_enabled: bool
    one_api_origin: bool = False  # adopted from One API: missing ratios are 30 there, `name(type)` keys exist


def read_options(rows: Mapping[str, str], *, version: int = 0, one_api_origin: bool = False) -> Options:
    """The rows of the table over the built-in defaults. A bad value is logged and the default stands.

    In a database adopted from One API its own built-in prices stand between our defaults and the stored table.
    """
    values: dict[str, Any] = {}
    merged = set(rows.get("PriceTablesMerged", "").split(","))
    for key, spec in OPTIONS.items():
        text = next((rows[name] for name in (key, *spec.aliases) if rows.get(name) is not None), None)
        value = parse_value(spec, spec.default)
        if text is not None:
            try:
                stored = parse_value(spec, text, tolerant=True)
            except OptionError as error:
                log.warning("option_ignored", key=key, reason=str(error))
            else:
                keeps_defaults = spec.kind == "prices" and (
                    key in merged or (one_api_origin and key in ("ModelRatio", "CompletionRatio"))
                )
                value = _merge(value, stored, key, one_api_origin) if keeps_defaults else stored
        elif one_api_origin and key in ("ModelRatio", "CompletionRatio"):
            value = _merge(value, {}, key, True)
        if key == "OneApiCompat" and text is None:
            value = one_api_origin
        values[spec.field] = value
    return Options(**values, version=version, one_api_origin=one_api_origin)


def _merge(built_in: Prices, stored: Prices, key: str, one_api: bool) -> Prices:
    theirs: dict[str, Any] = {}
    if one_api:
        theirs = RAW_DEFAULTS["one_api"].get("model_ratio" if key == "ModelRatio" else "completion_ratio", {})
    together = built_in | {name: Decimal(value) for name, value in theirs.items()} | stored
    return {name: value for name, value in together.items() if value >= 0}  # -1 removes a built-in entry


def parse_value(spec: OptionSpec, text: str, *, tolerant: bool = False) -> Any:
    """Text to the type of the setting. Raises OptionError; `tolerant` forgives what the predecessors forgave."""
    match spec.kind:
        case "bool":
            if text not in ("true", "false") and not tolerant:
                raise OptionError("must be true or false")
            return text == "true"
        case "int" | "float":
            return _parse_number(spec, text)
        case "str" | "url" | "enum":
            if spec.kind == "enum" and text not in spec.choices:
                raise OptionError(f"must be one of {', '.join(spec.choices)}")
            if spec.kind == "url" and text and not tolerant and not re.match(r"(https?|data):|/", text):
                raise OptionError("must be an address that begins with http:// or https://")
            return text.rstrip("/") if spec.key == "ServerAddress" else text
        case "words":
            return tuple(item.strip() for item in re.split(r"[,\n]", text) if item.strip())
        case "lines":
            return tuple(line.strip().lower() for line in text.splitlines() if line.strip())
        case "prices":
            return _parse_prices(spec, text)
    return _parse_json(spec, text, tolerant=tolerant)


def _parse_number(spec: OptionSpec, text: str) -> Any:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise OptionError("must be a number") from None
    if not number.is_finite():
        raise OptionError("must be a finite number")
    if spec.lowest is not None and number < Decimal(spec.lowest):
        raise OptionError(f"must be at least {spec.lowest:g}")
    if spec.highest is not None and number > Decimal(spec.highest):
        raise OptionError(f"must be at most {spec.highest:g}")
    if spec.kind == "int":
        if number != number.to_integral_value():
            raise OptionError("must be a whole number")
        return int(number)
    return number if spec.key in ("QuotaPerUnit", "Price", "StripeUnitPrice") else float(number)


def _parse_prices(spec: OptionSpec, text: str) -> Prices:
    try:
        table = json.loads(text or "{}", parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise OptionError("must be a JSON object of names and numbers") from None
    if not isinstance(table, dict):
        raise OptionError("must be a JSON object of names and numbers")
    for name, value in table.items():
        if not isinstance(value, Decimal):
            raise OptionError(f"the value of {name!r} is not a number")
        if value < 0 and not (value == -1 and spec.key != "GroupRatio"):
            raise OptionError(f"the value of {name!r} is negative")
        exponent = value.as_tuple().exponent
        if value > 10**9 or (isinstance(exponent, int) and exponent < -30):
            raise OptionError(f"the value of {name!r} is out of bounds")
    return table


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _parse_json(spec: OptionSpec, text: str, *, tolerant: bool) -> Any:
    wanted: Any = list if spec.kind == "json:list" else dict
    try:
        value: Any = json.loads(text or ("[]" if wanted is list else "{}"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise OptionError("must be JSON") from None
    if type(value) is not wanted:
        raise OptionError(f"must be a JSON {'list' if wanted is list else 'object'}")
    if spec.key == "claude.default_max_tokens":
        value.setdefault("default", 8192)
    problem = SHAPES[spec.shape](value)
    if problem and not (tolerant and spec.shape in _FORGIVEN):
        raise OptionError(problem)
    return value


def validate_option(key: str, text: str) -> str:
    """The text to store. Raises OptionError. Keys that we do not know are stored as they are, without effect."""
    if len(text) > TEXT_MAX:
        raise OptionError("is too long")
    spec = OPTIONS.get(key)
    if spec is None:
        if not re.fullmatch(r"[A-Za-z0-9_.\-]{1,100}", key):
            raise OptionError("is not a name of a setting")
        return text
    value = parse_value(spec, text)
    if spec.kind == "lines":
        return "\n".join(value)
    return str(value) if spec.key == "ServerAddress" else text


def is_secret(key: str) -> bool:
    """Whether a value must never be shown: declared so, or unknown to us with a name that sounds like it."""
    spec = OPTIONS.get(key)
    return spec.secret if spec is not None else key.lower().endswith(("token", "secret", "key"))
