"""What the edge builds once at start and hands to everything that serves a request."""

from typing import Protocol

from msgspec import Struct

from schema.config import Config
from schema.options import Options


class Snapshot(Protocol):
    """The settings of one moment; replaced whole, never edited."""

    @property
    def options(self) -> Options: ...


class SnapshotStore(Protocol):
    """Holds the newest snapshot."""

    @property
    def current(self) -> Snapshot: ...


class Services(Struct, frozen=True, kw_only=True):
    """Only what some route reads today; grows with the routes."""

    config: Config
    snapshots: SnapshotStore
