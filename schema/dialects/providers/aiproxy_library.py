"""AIProxy Library: questions to a library of documents; the sources stand under the answer as a list.

Source: docs.aiproxy.io, library ask.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import encode
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.plain_text import Format, OwnFormat, SSEReader, messages_of, text_answer
from schema.dialects.providers.template import Draft, failed
from schema.dialects.providers.urls import append
from schema.dialects.providers.wires import Formats


class LibraryProvider(OwnFormat):
    """The channel's `other` is the library's id."""

    name = "aiproxy-library"
    label = "AIProxy Library"
    base_url = "https://api.aiproxy.io"
    wire = "aiproxy-library"

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        return append(channel.base_url or self.base_url, "/api/library/ask")

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        query = messages_of(request, self.label)[-1].text
        body = {"model": target.model, "query": query, "libraryId": channel.other, "stream": call.stream}
        return Draft(encode(body), wire="aiproxy-library")


class _Document(Struct, frozen=True):
    title: str = ""
    url: str = ""


class _Body(Struct, frozen=True, rename="camel"):
    """Plain answers have `answer`, pieces of a stream `content` and, at the end, `finish`."""

    success: bool = True
    answer: str | None = None
    content: str | None = None
    finish: bool = False
    model: str = ""
    documents: list[_Document] | None = None
    err_code: Any = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def _sources(documents: list[_Document] | None) -> str:
    lines = [f"{at}. [{held.title}]({held.url})" for at, held in enumerate(documents or (), 1)]
    return "\n\n" + "\n".join(lines) if lines else ""


def read_answer(body: bytes) -> neutral.Answer:
    try:
        held = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failed("the upstream's answer cannot be read", code="bad_response_body") from None
    if not held.success or held.answer is None:
        raise failed(held.message or "the upstream's answer has no answer", code=str(held.err_code or ""))
    return text_answer(held.answer + _sources(held.documents), model=held.model)


class StreamReader(SSEReader):
    def __init__(self) -> None:
        super().__init__()
        self._started = False

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            held = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        if not held.success:
            text = held.message or "the upstream reported an error"
            return [neutral.Failed(neutral.UpstreamError(text, "upstream_error", str(held.err_code or "")))]
        events: list[neutral.Event] = [] if self._started else [neutral.Start(model=held.model)]
        self._started = True
        text = (held.content or "") + _sources(held.documents)
        if text:
            events.append(neutral.TextDelta(text))
        if held.finish:
            self.finished = True
            events.append(neutral.Finished("stop"))
        return events


Formats.held["aiproxy-library"] = Format(read_answer, StreamReader)
