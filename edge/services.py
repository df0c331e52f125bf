"""What the edge builds once at start and hands to everything that serves a request."""

from typing import Any, Protocol

import httpx
from msgspec import Struct

from edge.metrics import Meters
from schema.config import Config
from schema.database import Engine
from schema.options import Options
from schema.secrets import Vault


class Snapshot(Protocol):
    """The settings of one moment; replaced whole, never edited."""

    @property
    def options(self) -> Options: ...

    @property
    def is_set_up(self) -> bool:
        """A root account exists."""
        ...


class SnapshotStore(Protocol):
    """Holds the newest snapshot."""

    @property
    def current(self) -> Snapshot: ...


class Services(Struct, frozen=True, kw_only=True):
    """Only what some route reads; grows with the routes."""

    config: Config
    snapshots: SnapshotStore
    engine: Engine
    log_engine: Engine  # the same object unless LOG_SQL_DSN is set
    redis: Any  # redis.asyncio.Redis, for everything that is not hot
    http: httpx.AsyncClient  # cold calls to addresses that an admin set
    vault: Vault  # seals and opens stored secrets
    started_s: int = 0  # Unix s
    meters: Meters | None = None  # counts for /metrics
