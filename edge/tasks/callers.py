"""Who submits a task, and who may read its result: the relay's checks, without those that would hide what was paid for."""

from collections.abc import Mapping

from msgspec.structs import replace

from edge.relay.callers import Caller
from edge.relay.gate import Finder, authenticate, read_key

EXHAUSTED, ENABLED = 4, 1  # tokens.status
_PLACEHOLDER = "midjourney-proxy"  # clients of the proxy send this word as their key and the real one beside it


def read_task_key(headers: Mapping[bytes, bytes], *, drawing: bool) -> tuple[str, int | None]:
    """(key without `sk-`, pinned channel id or None). Raises Refused."""
    bearer = headers.get(b"authorization", b"").decode("latin-1").strip()
    if not drawing:
        return read_key({"authorization": bearer} if bearer else {})
    if _strip(bearer) in ("", _PLACEHOLDER):
        bearer = headers.get(b"mj-api-secret", b"").decode("latin-1").strip()
    key = _strip(bearer)
    return read_key({"authorization": f"Bearer {key}"} if key else {})


def _strip(text: str) -> str:
    return text[7:].strip() if text[:7].lower() == "bearer " else text


class _Lenient:
    """Used-up tokens count as usable: reading costs nothing."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    async def find(self, key: str) -> Caller | None:
        caller = await self._finder.find(key)
        if caller is None:
            return None
        status = ENABLED if caller.token_status == EXHAUSTED else caller.token_status
        return replace(caller, token_status=status, limited=False)


async def authenticate_reader(finder: Finder, key: str, now_s: int) -> Caller:
    """For results: a valid token of the same user. Raises Refused."""
    return await authenticate(_Lenient(finder), key, None, now_s)
