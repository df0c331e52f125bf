"""Made-up ids: the same call and the same place in it give the same id, so a retried or resumed step agrees with itself."""

import re
from hashlib import blake2s

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


def derived_id(prefix: str, seed: str, place: object) -> str:
    """`prefix` + 32 hex digits."""
    return prefix + blake2s(f"{seed}/{place}".encode(), digest_size=16).hexdigest()


def safe_tool_id(tool_id: str) -> str:
    """A tool id that every provider takes (Claude: letters, digits, `_`, `-`); odd ones are mapped, always alike."""
    return tool_id if _SAFE(tool_id) else derived_id("call_", tool_id, "")


def prefixed(prefix: str, upstream_id: str, fallback: str) -> str:
    """The upstream's id in the client's form: `msg_` + id unless it already begins so."""
    known = upstream_id or fallback
    return known if known.startswith(prefix) else prefix + known
