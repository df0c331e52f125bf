"""What every upstream's answer looks like to the relay, however it came."""

from typing import Protocol


class UpstreamAnswer(Protocol):
    """Status and headers at once, the body as it comes. Close it, whatever happened."""

    status: int
    headers: list[tuple[bytes, bytes]]  # lower-case names

    @property
    def ended(self) -> bool: ...

    @property
    def buffered_bytes(self) -> int:
        """Body bytes that have arrived and were not read yet."""
        ...

    def header(self, name: bytes) -> bytes: ...

    def take_whole(self) -> bytes | None:
        """The body, when all of it has arrived and none was read; None: read it."""
        ...

    async def read_some(self, timeout_s: float = 0) -> bytes:
        """Bytes as they arrive (WebSocket: one frame); b"" at the end. Raises UpstreamBroken."""
        ...

    async def read_all(self, bytes_max: int, timeout_s: float = 0) -> bytes: ...

    def abort(self) -> None:
        """Cut the connection now: whoever reads learns that it broke."""
        ...

    def close(self) -> None: ...
