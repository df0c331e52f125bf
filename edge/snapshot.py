"""Settings and channels of one moment, read from SQL when a version counter in Redis moves, and at least once a minute."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from msgspec import Struct
from sqlalchemy import select

from edge.channels import RoutedChannel, index_channels, read_channel
from edge.relay.choose import Tiers
from edge.relay.lanes import Lanes
from schema.cluster_pipe import Pipe
from schema.config import Config
from schema.counting import approximate
from schema.database import Engine, read_within
from schema.dialects.providers.base import Settings
from schema.dialects.providers.settings import read_settings
from schema.ledger.keys import VERSIONS
from schema.migrate import find_meta
from schema.options import Options, read_options
from schema.redis_pipe import RedisAway
from schema.secrets import SealError, Vault
from schema.tables import Channel, OptionRow, User
from schema.ticks import next_tick
from schema.word_filter import WordFilter

log = structlog.get_logger(__name__)

ROOT = 100  # role
CHECK_S = 0.5  # a change must be seen within 2 s
READ_S_MAX = 20.0  # a half-open connection must not stop the reading for ever; thousands of channels take some tenths


class EdgeSnapshot(Struct, frozen=True):
    """Immutable but for the lanes; replaced whole."""

    options: Options
    settings: Settings  # what providers need of options and environment
    channels: Mapping[int, RoutedChannel]  # enabled ones
    tiers: Mapping[tuple[str, str], Tiers]  # by group and model
    lanes: Lanes  # fills while calls come
    is_set_up: bool = False  # a root account exists
    words: WordFilter | None = None  # blocked in prompts; None: nothing is


class Snapshots:
    """Holds the newest snapshot; `run` keeps it fresh until cancelled."""

    def __init__(self, config: Config, engine: Engine, pipe: Pipe) -> None:
        self._config, self._engine, self._pipe = config, engine, pipe
        self._vault = Vault(config.crypto_secret or config.session_secret, config.crypto_secret_old)
        self._versions: tuple[bytes | None, ...] = ()
        self._read_at = 0.0
        self._reading = asyncio.Lock()
        self._callers: bytes | None = None
        self.on_callers_changed: Callable[[], None] = lambda: None  # a token or an account was edited
        options = read_options({})
        self.current = EdgeSnapshot(options, (settings := read_settings(options, config)), {}, {}, Lanes(settings))

    @property
    def loaded(self) -> bool:
        return self._read_at > 0

    @property
    def age_s(self) -> float:
        """Since the newest snapshot was read."""
        return asyncio.get_running_loop().time() - self._read_at

    async def read(self, version: int = 0) -> None:
        """Read everything from SQL. Raises what the database raises."""
        async with read_within(self._engine, READ_S_MAX) as db:
            one_api = await find_meta(db, "origin") == "one-api"
            rows = await db.execute(select(OptionRow.key, OptionRow.value))
            texts = {key: self._vault.unseal(value) for key, value in rows if value is not None}
            columns = Channel.__table__.columns
            found = (await db.execute(select(*columns).where(Channel.status == 1))).mappings().all()
            root = (await db.execute(select(User.id).where(User.role == ROOT).limit(1))).first()
        options = read_options(texts, version=version, one_api_origin=one_api)
        channels: dict[int, RoutedChannel] = {}
        for row in found:
            try:
                channels[row["id"]] = read_channel(Channel(**row), self._vault, one_api=one_api)
            except SealError:
                log.error("channel_key_cannot_be_opened", channel=row["id"])
        settings = read_settings(options, self._config)
        approximate(options.approximate_token_enabled)
        self.current = EdgeSnapshot(
            options,
            settings,
            channels,
            index_channels(channels.values()),
            Lanes(settings),
            root is not None,
            _words(options),
        )
        self._read_at = asyncio.get_running_loop().time()

    async def catch_up(self) -> bool:
        """Read now if a counter has moved or the snapshot is old; whether it was read. Raises what Redis and SQL raise."""
        async with self._reading:
            *found, callers = await self._pipe.execute(b"HMGET", VERSIONS, b"options", b"channels", b"callers")
            versions = tuple(found)
            if callers != self._callers:
                self._callers = callers
                self.on_callers_changed()
            if versions == self._versions and self.age_s < self._config.sync_frequency_s:
                return False
            await self.read(int(versions[0] or 0))
            self._versions = versions
            return True

    async def newer(self, seen: EdgeSnapshot) -> EdgeSnapshot | None:
        """What there is now, if it is another one; asked before a call is refused for want of a channel or a price, so that
        what was made a moment ago serves at once. None as well while Redis or the database are away."""
        await self._try_catch_up()
        return self.current if self.current is not seen else None

    async def _try_catch_up(self) -> None:
        try:
            await self.catch_up()
        except RedisAway:
            return  # keeps what it has
        except Exception as error:
            log.warning("snapshot_not_read", error=type(error).__name__)

    async def run(self) -> None:
        while True:
            await next_tick(CHECK_S)
            await self._try_catch_up()


def _words(options: Options) -> WordFilter | None:
    checks = options.check_sensitive_enabled and options.check_sensitive_on_prompt_enabled
    return WordFilter(options.sensitive_words) if checks and any(map(str.strip, options.sensitive_words)) else None
