"""A Gemini stream as one JSON array, for clients that did not ask for server-sent events.

Source: Gemini API reference, streamGenerateContent without alt=sse. Upstreams are always asked for events; a pass-through
only needs their payloads put into an array.
"""


class ArrayFrames:
    """Payloads of events to pieces of one array, each as soon as it is there."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = False

    def frame(self, payload: bytes) -> bytes:
        begun, self._begun = self._begun, True
        return (b",\n" if begun else b"[") + payload

    def close(self) -> bytes:
        return b"]" if self._begun else b"[]"
