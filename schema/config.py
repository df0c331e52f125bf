"""The environment: every variable that we honour, read once at start into one frozen struct."""

import ipaddress
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from schema.redis_cluster import is_cluster, read_cluster_url

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_PROXIES = ("http://", "https://", "socks5://", "socks5h://")
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class ConfigError(Exception):
    """The environment cannot be used; `problems` holds one sentence per mistake, never a secret value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Config(Struct, frozen=True, kw_only=True):
    """Typed environment. Times end in their unit; '' means "not given". What each one does: `VARIABLES`."""

    port: int = 3000
    host: str = "0.0.0.0"  # noqa: S104  # a gateway is there to be reached
    data_dir: str = "./data"
    log_dir: str = ""
    log_archive_dir: str = ""
    edge_workers: int = 0  # processes; 0 = six for ten cores, at most 8
    node_type: str = "master"
    node_name: str = ""
    frontend_base_url: str = ""
    debug: bool = False
    log_level: str = "info"
    sql_dsn: str = ""
    log_sql_dsn: str = ""
    sqlite_path: str = ""
    sql_max_idle_conns: int = 10
    sql_max_open_conns: int = 50
    sql_max_lifetime_s: int = 60
    redis_url: str = ""  # '' = embedded
    jobs_redis_url: str = ""  # '' = redis_url
    redis_pool_size: int = 10
    allow_eviction: bool = False
    partitions: int = 8
    session_secret: str = ""
    crypto_secret: str = ""
    crypto_secret_old: str = ""
    secrets_at_rest: str = ""  # '' = by origin of the database, off, aesgcm
    sync_frequency_s: int = 60
    streaming_timeout_s: int = 60
    relay_timeout_s: int = 0
    relay_stream_timeout_s: int = 0
    first_byte_timeout_s: int = 0
    connect_timeout_s: int = 10
    retry_deadline_s: int = 60
    force_stream_option: bool = True
    get_media_token: bool = True
    get_media_token_not_stream: bool = True
    max_file_download_mb: int = 20
    max_request_body_mb: int = 64
    request_body_timeout_s: int = 300
    request_header_timeout_s: int = 30
    max_connections: int = 0
    dify_debug: bool = True
    azure_default_api_version: str = "2024-12-01-preview"
    gemini_vision_max_image_num: int = 16
    cohere_safety_setting: str = "NONE"
    relay_proxy: str = ""
    user_content_request_proxy: str = ""
    user_content_request_timeout_s: int = 30
    realtime_idle_timeout_s: int = 600
    realtime_max_session_s: int = 3600
    hold_deadline_s: int = 120
    spool_max_mb: int = 256
    admit_without_redis: int = 0
    error_log_enabled: bool = False
    update_task: bool = True
    channel_update_frequency_min: int = 0
    channel_test_frequency_min: int = 0
    polling_interval_s: int = 0
    notification_limit_duration_min: int = 10
    notify_limit_count: int = 2
    generate_default_token: bool = False
    global_api_rate_limit_enable: bool = True
    global_api_rate_limit: int = 180
    global_api_rate_limit_duration_s: int = 180
    global_web_rate_limit_enable: bool = True
    global_web_rate_limit: int = 60
    global_web_rate_limit_duration_s: int = 180
    critical_rate_limit: int = 20
    critical_rate_limit_duration_s: int = 1200
    initial_root_token: str = ""
    initial_root_access_token: str = ""
    setup_username: str = ""
    setup_password: str = ""
    setup_token: str = ""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    client_ip_header: str = ""
    cors_origins: tuple[str, ...] = ("*",)
    metrics_token: str = ""
    otel_endpoint: str = ""
    otel_sample_ratio: float = 0.01
    shutdown_grace_s: int = 120
    shutdown_delay_s: int = 0
    tz: str = ""
    enable_metric: bool = False
    metric_queue_size: int = 10
    metric_success_rate_threshold: float = 0.8

    @property
    def is_master(self) -> bool:
        return self.node_type != "slave"

    @property
    def sqlite_file(self) -> str:
        """Where SQLite lives: SQLITE_PATH as given, else `one-api.db` in the data folder."""
        return self.sqlite_path or f"{self.data_dir.rstrip('/')}/one-api.db?_busy_timeout=10000"


class Variable(Struct, frozen=True):
    """One variable of the environment."""

    name: str
    field: str
    help: str
    lowest: float | None = None
    highest: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    exact: bool = False  # a boolean that only the text `true` switches on
    aliases: tuple[str, ...] = ()


def _v(
    name: str, field: str, help: str, lowest: float | None = None, highest: float | None = None, **more: Any
) -> Variable:
    return Variable(name, field, help, lowest, highest, **more)


DAY_S = 86_400
VARIABLES: tuple[Variable, ...] = (
    _v("PORT", "port", "listening port", 1, 65_535),
    _v("HOST", "host", "listening address"),
    _v("DATA_DIR", "data_dir", "folder of SQLite, the embedded Valkey, the spool and generated secrets"),
    _v("LOG_DIR", "log_dir", "write log files there as well"),
    _v("LOG_ARCHIVE_DIR", "log_archive_dir", "folder for rows of the log that retention deletes; empty = not kept"),
    _v("EDGE_WORKERS", "edge_workers", "edge processes; 0 = six for ten cores, at least 1, at most 8", 0, 256),
    _v("NODE_TYPE", "node_type", "`slave`: no migrations and no scheduled jobs on this machine"),
    _v("NODE_NAME", "node_name", "name of this machine in logs and lists"),
    _v("FRONTEND_BASE_URL", "frontend_base_url", "slave only: unknown paths are redirected there"),
    _v("DEBUG", "debug", "verbose logs", exact=True),
    _v("LOG_LEVEL", "log_level", "lowest level logged", choices=("debug", "info", "warning", "error")),
    _v("SQL_DSN", "sql_dsn", "database address; empty = SQLite", secret=True),
    _v("LOG_SQL_DSN", "log_sql_dsn", "database of the log table; empty = the same", secret=True),
    _v("SQLITE_PATH", "sqlite_path", "file of SQLite; empty = one-api.db in DATA_DIR"),
    _v("SQL_MAX_IDLE_CONNS", "sql_max_idle_conns", "connections kept in a pool", 1, 10_000),
    _v("SQL_MAX_OPEN_CONNS", "sql_max_open_conns", "most connections of a pool", 1, 100_000),
    _v("SQL_MAX_LIFETIME", "sql_max_lifetime_s", "seconds a connection lives; 0 = for ever", 0, DAY_S),
    _v(
        "REDIS_CONN_STRING",
        "redis_url",
        "redis://, rediss://, unix:// or redis+cluster://host:port,host:port; empty = embedded Valkey",
        secret=True,
    ),
    _v(
        "JOBS_REDIS_CONN_STRING",
        "jobs_redis_url",
        "server of the job queue, never a cluster; empty = REDIS_CONN_STRING, needed where that is a cluster",
        secret=True,
    ),
    _v("REDIS_POOL_SIZE", "redis_pool_size", "connections to Redis for the console", 1, 10_000),
    _v("ALLOW_EVICTION", "allow_eviction", "start although Redis may evict keys (holds may be lost)"),
    _v("LEDGER_PARTITIONS", "partitions", "partitions of the usage stream; fixed once used", 1, 256),
    _v("SESSION_SECRET", "session_secret", "signs sessions; equal on all machines", secret=True),
    _v("CRYPTO_SECRET", "crypto_secret", "keys digests and encryption; empty = SESSION_SECRET", secret=True),
    _v("CRYPTO_SECRET_OLD", "crypto_secret_old", "former CRYPTO_SECRET while rotating", secret=True),
    _v(
        "SECRETS_AT_REST",
        "secrets_at_rest",
        "`off` leaves new secrets plain; empty or `aesgcm`: as the database is, sealed when new or after `medusa secrets encrypt`",
        choices=("", "off", "aesgcm"),
    ),
    _v("SYNC_FREQUENCY", "sync_frequency_s", "seconds between full checks of snapshots", 1, DAY_S),
    _v("STREAMING_TIMEOUT", "streaming_timeout_s", "longest silence inside a stream, seconds", 1, DAY_S),
    _v("RELAY_TIMEOUT", "relay_timeout_s", "whole upstream call without streaming, seconds; 0 = none", 0, DAY_S),
    _v("RELAY_STREAM_TIMEOUT", "relay_stream_timeout_s", "whole upstream stream, seconds; 0 = none", 0, DAY_S),
    _v("RELAY_FIRST_BYTE_TIMEOUT", "first_byte_timeout_s", "to the first upstream byte, seconds; 0 = none", 0, DAY_S),
    _v("RELAY_CONNECT_TIMEOUT", "connect_timeout_s", "to connect to an upstream, seconds", 1, 600),
    _v("RELAY_RETRY_DEADLINE", "retry_deadline_s", "all attempts of a call together, seconds", 1, DAY_S),
    _v(
        "FORCE_STREAM_OPTION",
        "force_stream_option",
        "ask upstreams for usage in streams",
        aliases=("ENFORCE_INCLUDE_USAGE",),
    ),
    _v("GET_MEDIA_TOKEN", "get_media_token", "count picture tokens by size"),
    _v("GET_MEDIA_TOKEN_NOT_STREAM", "get_media_token_not_stream", "the same for calls without streaming"),
    _v("MAX_FILE_DOWNLOAD_MB", "max_file_download_mb", "limit of a fetched file, MiB", 1, 4096),
    _v("MAX_REQUEST_BODY_MB", "max_request_body_mb", "limit of a request body, MiB", 1, 4096),
    _v("REQUEST_HEADER_TIMEOUT", "request_header_timeout_s", "to receive a request's head, seconds", 1, 600),
    _v("REQUEST_BODY_TIMEOUT", "request_body_timeout_s", "to receive a relay call's body, seconds", 1, DAY_S),
    _v("MAX_CONNECTIONS", "max_connections", "open client connections of one edge process; 0 = no limit", 0, 1_000_000),
    _v("DIFY_DEBUG", "dify_debug", "relay Dify's workflow events as reasoning"),
    _v("AZURE_DEFAULT_API_VERSION", "azure_default_api_version", "when neither query nor channel names one"),
    _v("GEMINI_VISION_MAX_IMAGE_NUM", "gemini_vision_max_image_num", "pictures per call; -1 = no limit", -1, 10_000),
    _v(
        "COHERE_SAFETY_SETTING",
        "cohere_safety_setting",
        "NONE sends no field",
        choices=("NONE", "CONTEXTUAL", "STRICT"),
    ),
    _v("RELAY_PROXY", "relay_proxy", "proxy of upstream calls", secret=True),
    _v(
        "USER_CONTENT_REQUEST_PROXY",
        "user_content_request_proxy",
        "proxy of downloads that users ask for; it resolves names itself",
        secret=True,
    ),
    _v("USER_CONTENT_REQUEST_TIMEOUT", "user_content_request_timeout_s", "of such a download, seconds", 1, 3600),
    _v("REALTIME_IDLE_TIMEOUT", "realtime_idle_timeout_s", "Realtime: no event for so long, seconds", 1, DAY_S),
    _v("REALTIME_MAX_SESSION", "realtime_max_session_s", "Realtime: longest session, seconds", 1, 7 * DAY_S),
    _v("HOLD_DEADLINE", "hold_deadline_s", "seconds after which an abandoned hold is reaped", 10, DAY_S),
    _v("SPOOL_MAX_MB", "spool_max_mb", "usage records kept on disk while Redis is away, MiB", 1, 1_000_000),
    _v(
        "ADMIT_WITHOUT_REDIS", "admit_without_redis", "calls admitted at once while Redis is away; 0 = none", 0, 100_000
    ),
    _v("ERROR_LOG_ENABLED", "error_log_enabled", "failed calls become log rows"),
    _v("UPDATE_TASK", "update_task", "poll Midjourney and Suno"),
    _v(
        "CHANNEL_UPDATE_FREQUENCY",
        "channel_update_frequency_min",
        "minutes between balance refreshes; 0 = off",
        0,
        525_600,
    ),
    _v("CHANNEL_TEST_FREQUENCY", "channel_test_frequency_min", "minutes between channel tests; 0 = off", 0, 525_600),
    _v("POLLING_INTERVAL", "polling_interval_s", "seconds between two channels in these loops", 0, 3600),
    _v(
        "NOTIFICATION_LIMIT_DURATION_MINUTE",
        "notification_limit_duration_min",
        "window of the notification limit, minutes",
        1,
        525_600,
    ),
    _v("NOTIFY_LIMIT_COUNT", "notify_limit_count", "notifications per user and kind in it", 0, 100_000),
    _v("GENERATE_DEFAULT_TOKEN", "generate_default_token", "give new users a first token"),
    _v("GLOBAL_API_RATE_LIMIT_ENABLE", "global_api_rate_limit_enable", "limit the management API"),
    _v("GLOBAL_API_RATE_LIMIT", "global_api_rate_limit", "its calls per window and address", 1, 10_000_000),
    _v("GLOBAL_API_RATE_LIMIT_DURATION", "global_api_rate_limit_duration_s", "its window, seconds", 1, DAY_S),
    _v("GLOBAL_WEB_RATE_LIMIT_ENABLE", "global_web_rate_limit_enable", "limit pages"),
    _v("GLOBAL_WEB_RATE_LIMIT", "global_web_rate_limit", "pages per window and address", 1, 10_000_000),
    _v("GLOBAL_WEB_RATE_LIMIT_DURATION", "global_web_rate_limit_duration_s", "its window, seconds", 1, DAY_S),
    _v("CRITICAL_RATE_LIMIT", "critical_rate_limit", "log-ins, registrations, codes per window", 1, 100_000),
    _v("CRITICAL_RATE_LIMIT_DURATION", "critical_rate_limit_duration_s", "its window, seconds", 1, DAY_S),
    _v("INITIAL_ROOT_TOKEN", "initial_root_token", "key of the root account's first token", secret=True),
    _v("INITIAL_ROOT_ACCESS_TOKEN", "initial_root_access_token", "its access token", secret=True),
    _v("SETUP_USERNAME", "setup_username", "unattended set-up: name of the root account"),
    _v("SETUP_PASSWORD", "setup_password", "its password", secret=True, aliases=("ROOT_PASSWORD",)),
    _v("SETUP_TOKEN", "setup_token", "proof of ownership for the set-up page", secret=True),
    _v("TRUSTED_PROXIES", "trusted_proxies", "peers whose X-Forwarded-For counts, comma list of CIDR blocks"),
    _v("CLIENT_IP_HEADER", "client_ip_header", "another header in which trusted peers name the client"),
    _v("CORS_ORIGINS", "cors_origins", "origins that may call the API from a browser, comma list"),
    _v("METRICS_TOKEN", "metrics_token", "opens /metrics to others than loopback", secret=True),
    _v("OTEL_EXPORTER_OTLP_ENDPOINT", "otel_endpoint", "where traces go; empty = nowhere"),
    _v("OTEL_TRACES_SAMPLER_ARG", "otel_sample_ratio", "share of calls that are traced, 0 to 1", 0, 1),
    _v(
        "SHUTDOWN_TIMEOUT",
        "shutdown_grace_s",
        "seconds that open calls may take when stopping",
        0,
        DAY_S,
        aliases=("SHUTDOWN_GRACE_S",),
    ),
    _v("SHUTDOWN_DELAY_S", "shutdown_delay_s", "seconds between not ready and not accepting", 0, 600),
    _v("TZ", "tz", "time zone of log lines; empty = UTC"),
    _v("ENABLE_METRIC", "enable_metric", "disable a channel whose recent success rate is low"),
    _v("METRIC_QUEUE_SIZE", "metric_queue_size", "calls looked at", 1, 100_000),
    _v("METRIC_SUCCESS_RATE_THRESHOLD", "metric_success_rate_threshold", "lowest success rate", 0, 1),
)

# Read by the predecessors, meaningless here; accepted without a word.
IGNORED = frozenset(
    {
        "MEMORY_CACHE_ENABLED",
        "THEME",
        "TOKEN_KEYS_AT_REST",
        "LOG_BODIES",
        "BATCH_UPDATE_ENABLED",
        "BATCH_UPDATE_INTERVAL",
        "GIN_MODE",
        "ENABLE_PPROF",
        "TIKTOKEN_CACHE_DIR",
        "GEMINI_SAFETY_SETTING",
        "GEMINI_VERSION",
        "GEMINI_MODEL_MAP",
        "SQLITE_BUSY_TIMEOUT",
        "DEBUG_SQL",
        "METRIC_SUCCESS_CHAN_SIZE",
        "METRIC_FAIL_CHAN_SIZE",
        "ONLY_ONE_LOG_FILE",
        "TEST_PROMPT",
    }
)


def read_config(environ: Mapping[str, str], *, checked: bool = False) -> Config:
    """Raises ConfigError with every mistake at once. Opens nothing, creates nothing.

    `checked`: whoever started this process has read the same environment and found no mistake.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    types = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for variable in VARIABLES:
        for name in (variable.name, *variable.aliases):
            text = environ.get(name, "").strip()
            if not text:
                continue
            try:
                values[variable.field] = _read_value(variable, types[variable.field], text)
            except ValueError as error:
                problems.append(f"{name}: {error}")
            break
    config = Config(**values)
    if not checked:
        problems += _check(config)
    if problems:
        raise ConfigError(problems)
    return config


def _read_value(variable: Variable, kind: Any, text: str) -> Any:
    reader = _READERS.get(kind, str)
    value = reader(text) if not (kind is bool and variable.exact) else text == "true"
    if isinstance(value, int | float) and kind is not bool:
        if variable.lowest is not None and value < variable.lowest:
            raise ValueError(f"{value} is less than {variable.lowest:g}")
        if variable.highest is not None and value > variable.highest:
            raise ValueError(f"{value} is more than {variable.highest:g}")
    if variable.choices and value not in variable.choices:
        raise ValueError(f"must be one of {', '.join(repr(choice) for choice in variable.choices)}")
    return value


def _read_bool(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return text in _TRUE


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _read_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(item for item in text.replace(",", " ").split() if item)


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    tuple[str, ...]: _read_list,
}


def _check(config: Config) -> list[str]:
    problems = _check_databases(config) + _check_redis(config)
    if config.session_secret == "random_string":  # noqa: S105  # the placeholder of the predecessors' example
        problems.append("SESSION_SECRET: `random_string` is the text of an example; choose a secret of your own")
    if config.user_content_request_proxy and not config.user_content_request_proxy.startswith(_PROXIES):
        problems.append("USER_CONTENT_REQUEST_PROXY: must begin with http://, https://, socks5:// or socks5h://")
    for block in config.trusted_proxies:
        try:
            ipaddress.ip_network(block, strict=False)
        except ValueError:
            problems.append(f"TRUSTED_PROXIES: {block} is not an address or a CIDR block")
    if config.sql_max_open_conns < config.sql_max_idle_conns and config.sql_max_idle_conns != 10:
        problems.append("SQL_MAX_OPEN_CONNS: is less than SQL_MAX_IDLE_CONNS")
    return problems


def _check_databases(config: Config) -> list[str]:
    given = {"SQL_DSN": config.sql_dsn, "LOG_SQL_DSN": config.log_sql_dsn}
    if not any(given.values()):
        return []
    from schema.database import DsnError, parse_dsn  # brings SQLAlchemy, 20 MB, which not every process needs

    problems = []
    for name, dsn in given.items():
        try:
            parse_dsn(dsn, config.sqlite_file)
        except DsnError as error:
            problems.append(f"{name}: {error}")
    return problems


def _check_redis(config: Config) -> list[str]:
    problems: list[str] = []
    plain = ("redis://", "rediss://", "unix://")
    if is_cluster(config.redis_url):
        try:
            read_cluster_url(config.redis_url)
        except ValueError as error:
            problems.append(f"REDIS_CONN_STRING: {error}")
        if not config.jobs_redis_url:
            problems.append(
                "JOBS_REDIS_CONN_STRING: REDIS_CONN_STRING is a cluster, and jobs need one server of their own; name it here"
            )
    elif config.redis_url and not config.redis_url.startswith(plain):
        problems.append("REDIS_CONN_STRING: must begin with redis://, rediss://, unix:// or redis+cluster://")
    if config.jobs_redis_url and not config.jobs_redis_url.startswith(plain):
        problems.append("JOBS_REDIS_CONN_STRING: must begin with redis://, rediss:// or unix://")
    return problems


def ensure_secrets(config: Config) -> Config:
    """The config with both secrets present. A missing SESSION_SECRET is made once and kept in the data folder,
    readable by its owner alone; CRYPTO_SECRET falls back to SESSION_SECRET. Raises OSError."""
    session = config.session_secret
    if not session:
        folder = Path(config.data_dir)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "session_secret"
        try:
            with file.open("x") as out:
                file.chmod(0o600)
                out.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        session = file.read_text().strip()
        if len(session) < 32:
            raise OSError(f"{file} is damaged: it should hold 64 hexadecimal digits")
    return msgspec.structs.replace(config, session_secret=session, crypto_secret=config.crypto_secret or session)
