"""What a provider answered, made into what the client reads, for every mode; and the usage in it.

Plain answers: `finish_answer`. Streams: `open_reader`, whose events the client's event writer takes. A stream that the client
did not ask for: `finish_events`. A plain answer where a stream was asked for: `fold.unfold` of `read_chat`.
"""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from schema.counting import count_text
from schema.dialects import audio, embeddings, images, neutral, rerank
from schema.dialects.base import EventReader
from schema.dialects.embeddings import EmbedAnswer, EmbedRequest
from schema.dialects.errors import BadAnswer
from schema.dialects.fold import fold
from schema.dialects.images import ImageAnswer
from schema.dialects.openai.errors import error_of
from schema.dialects.openai.meter import ChatMeter
from schema.dialects.providers import framing
from schema.dialects.providers.base import Call, Outgoing
from schema.dialects.providers.template import TEXT
from schema.dialects.providers.wires import get_wire, in_band_error
from schema.dialects.registry import get_dialect
from schema.dialects.thinking_to_content import ThinkingToContent, turn_answer
from schema.usage import TokenUsage

_JSON = "application/json"
usage_of_passed = ChatMeter().usage_of_good_answer  # of a chat answer that is passed on as it came; None: look closer


class ClientAnswer(Struct, frozen=True):
    """`usage` None = the provider reported none: count `text`. `images` is what a picture call is charged for."""

    body: bytes
    content_type: str = _JSON
    usage: TokenUsage | None = None
    text: str = ""  # of the answer, only when `usage` is None
    images: int = 0
    search_units: int = 0


# --- streams ---


class FilteredReader:
    """A reader whose thoughts are turned into text."""

    def __init__(self, reader: EventReader) -> None:
        self._reader, self._filter = reader, ThinkingToContent()

    @property
    def finished(self) -> bool:
        return self._reader.finished

    @finished.setter
    def finished(self, value: bool) -> None:
        self._reader.finished = value

    def feed(self, data: bytes) -> list[neutral.Event]:
        return self._filter.turn(self._reader.feed(data))

    def read(self, payload: bytes) -> list[neutral.Event]:
        return self._filter.turn(self._reader.read(payload))

    def close(self) -> list[neutral.Event]:
        return self._filter.turn(self._reader.close()) + self._filter.close()


def open_reader(outgoing: Outgoing) -> EventReader:
    """Reader of the provider's stream, whatever its framing. WebSocket: hand each text frame to `read`."""
    reader = get_wire(outgoing.wire).event_reader()
    framed = framing.framed(outgoing.framing, reader)
    return FilteredReader(framed) if outgoing.thinking_to_content else framed


# --- plain answers ---


def read_chat(outgoing: Outgoing, body: bytes) -> neutral.Answer:
    """Raises BadAnswer."""
    answer = get_wire(outgoing.wire).read_answer(body)
    return turn_answer(answer) if outgoing.thinking_to_content else answer


def finish_answer(call: Call, sent: Outgoing, body: bytes, content_type: str, *, id: str) -> ClientAnswer:
    """Raises BadAnswer for an error inside a 200 and for what is no answer."""
    if sent.passthrough:
        return _untouched(call, sent, body, content_type)
    match call.mode:
        case "embedding":
            return _embedding(call, sent, body)
        case "rerank":
            return _rerank(call, body, id)
        case "image":
            return _image(call, sent, body)
        case "transcription" | "translation":
            return _transcription(call, body)
    assert call.mode in TEXT, call.mode
    return _write_chat(call, read_chat(sent, body), id)


def finish_events(call: Call, events: Iterable[neutral.Event], *, id: str) -> ClientAnswer:
    """A whole stream as one plain answer. Raises BadAnswer if the stream failed."""
    return _write_chat(call, fold(events), id)


def _write_chat(call: Call, answer: neutral.Answer, id: str) -> ClientAnswer:
    client = get_dialect(call.client_dialect)
    if call.settings.return_requested_model:
        answer = msgspec.structs.replace(answer, model=call.model)
    request = client.read_request(call.body, path_model=call.model) if call.mode == "responses" else None
    body = client.write_answer(answer, model=call.upstream_model, created_s=call.now_s, id=id, request=request)
    return ClientAnswer(body, _JSON, answer.usage, "" if answer.usage else _text_of(answer))


def _text_of(answer: neutral.Answer) -> str:
    parts = []
    for choice in answer.choices:
        for block in choice.blocks:
            match block:
                case neutral.Text() | neutral.Thinking():
                    parts.append(block.text)
                case neutral.ToolCall():
                    parts.append(block.name + block.arguments)
    return "".join(parts)


def _untouched(call: Call, sent: Outgoing, body: bytes, content_type: str) -> ClientAnswer:
    """The very bytes, looked at once for errors inside a 200 and for usage."""
    if not content_type.startswith(_JSON):
        if call.mode in TEXT:
            _check_object(body)
        text = audio.text_of_transcription(body) if call.mode in ("transcription", "translation") else ""
        return ClientAnswer(body, content_type, text=text)
    if sent.wire == "openai" and call.mode == "chat":  # most calls
        usage = usage_of_passed(body)
        if usage is not None:
            return ClientAnswer(body, content_type, usage)
    error = in_band_error(body)
    if error is not None:
        raise BadAnswer(error)
    match call.mode:
        case "image" | "image_edit" | "image_variation":
            return ClientAnswer(body, content_type, images.usage_of_answer(body), images=images.count_of_answer(body))
        case "transcription" | "translation":
            return ClientAnswer(body, content_type, text=audio.text_of_transcription(body))
    meter = get_wire(sent.wire).meter()
    usage = meter.usage_of_answer(body)
    if usage is not None or call.mode not in TEXT:
        return ClientAnswer(body, content_type, usage)
    _check_object(body)
    return ClientAnswer(body, content_type, None, meter.text_of_answer(body))


def _check_object(body: bytes) -> None:
    """Raises BadAnswer for what is no JSON object: a page of a proxy, a cut answer."""
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = "The upstream's answer is not valid."
        raise BadAnswer(neutral.UpstreamError(text, "upstream_error", "bad_response_body", status=502)) from None


# --- other modes ---

EMBEDDING_READERS: dict[str, Callable[[bytes], EmbedAnswer]] = {
    "openai": embeddings.read_openai_answer,
    "vertex": embeddings.read_vertex_answer,
    "cohere": embeddings.read_cohere_answer,
    "ollama": embeddings.read_ollama_answer,
}
IMAGE_READERS: dict[str, Callable[[bytes], ImageAnswer]] = {
    "openai": images.read_openai_answer,
    "imagen": images.read_imagen_answer,
    "gemini": images.read_gemini_answer,
}


def read_embed_request(call: Call) -> EmbedRequest:
    if call.client_dialect == "gemini":
        return embeddings.read_gemini_request(call.body, path_model=call.upstream_model)
    return embeddings.read_openai_request(call.body, path_model=call.upstream_model)


def _embedding(call: Call, sent: Outgoing, body: bytes) -> ClientAnswer:
    request = read_embed_request(call)
    if sent.wire == "gemini":
        answer = embeddings.read_gemini_answers([*(sent.state or ()), body])
    else:
        _raise_in_band(body)
        answer = EMBEDDING_READERS[sent.wire](body)
    if not answer.vectors:
        raise BadAnswer(error_of({"message": "the upstream's answer has no vectors"}, status=0))
    if call.client_dialect == "gemini":
        return ClientAnswer(embeddings.write_gemini_answer(answer, request), _JSON, answer.usage)
    return ClientAnswer(embeddings.write_openai_answer(answer, request, model=sent.model), _JSON, answer.usage)


def _rerank(call: Call, body: bytes, id: str) -> ClientAnswer:
    request = rerank.read_request(call.body, path_model=call.upstream_model)
    answer = rerank.read_answer(body)
    if answer.usage is None:  # counted here, and shown as well
        texts = (request.query, *(rerank.text_of(document) for document in request.documents))
        tokens = sum(count_text(call.model, text) for text in texts)
        answer = msgspec.structs.replace(answer, usage=TokenUsage(input_text=tokens, estimated=True))
    if call.client_dialect == "cohere":
        written = rerank.write_cohere_answer(answer, request, id=id)
    else:
        written = rerank.write_answer(answer, request, model=call.upstream_model, id=id)
    return ClientAnswer(written, _JSON, answer.usage, search_units=answer.search_units)


def _image(call: Call, sent: Outgoing, body: bytes) -> ClientAnswer:
    _raise_in_band(body)
    answer = IMAGE_READERS[sent.wire](body)
    written = images.write_answer(answer, created_s=call.now_s)
    return ClientAnswer(written, _JSON, answer.usage, images=len(answer.pictures))


class _Said(Struct, frozen=True):
    text: str = ""


class _Transcript(Struct, frozen=True):
    """Cloudflare's run answers: `result.text`."""

    result: _Said | None = None


def _transcription(call: Call, body: bytes) -> ClientAnswer:
    _raise_in_band(body)
    try:
        held = msgspec.json.decode(body, type=_Transcript)
    except (msgspec.DecodeError, UnicodeDecodeError):
        held = _Transcript()
    if held.result is None:
        raise BadAnswer(error_of({"message": "the upstream's answer has no text"}, status=0))
    wish = audio.read_transcription_request(call.body, call.content_type)
    written, content_type = audio.write_transcription(held.result.text, response_format=wish.response_format)
    return ClientAnswer(written, content_type, text=held.result.text)


def _raise_in_band(body: bytes) -> None:
    error = in_band_error(body)
    if error is not None:
        raise BadAnswer(error)
