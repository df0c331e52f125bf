"""What the ledger asks of its Redis: it may not evict, for a hold or a record that is dropped is money that nobody counts."""

from collections.abc import Mapping
from typing import Any


def find_eviction(info: Mapping[str, Any]) -> str | None:
    """The policy by which this server would drop keys, from its INFO; None when it drops none."""
    policy = str(info.get("maxmemory_policy", "noeviction"))
    return None if policy == "noeviction" else policy


def forgets_all(info: Mapping[str, Any]) -> bool:
    """Without an append-only file a restart of the server loses holds and records that no worker has read."""
    return int(info.get("aof_enabled", 1)) == 0


def refuse_eviction(policy: str) -> str:
    """One sentence for the operator."""
    return (
        f"Redis has maxmemory-policy {policy} and may drop usage records and holds; set noeviction, or ALLOW_EVICTION=1 to"
        " accept the loss."
    )
