"""Dify: chatflows and agents by /chat-messages, workflows by /workflows/run; pictures are uploaded first.

Source: docs.dify.ai: chat-messages, workflows/run, files/upload, stream events.
"""

import base64
from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import EventReader, Target
from schema.dialects.body import encode
from schema.dialects.errors import BadAnswer, Unsupported
from schema.dialects.openai.usage import Usage, read_usage
from schema.dialects.providers.base import Call, ChannelView, Outgoing
from schema.dialects.providers.plain_text import Format, OwnFormat, SSEReader, text_answer
from schema.dialects.providers.template import Draft, failed
from schema.dialects.providers.urls import join
from schema.dialects.providers.wires import Formats

_THINK_BEGIN = (
    '<details style="color:gray;background-color: #f8f8f8;padding: 8px;border-radius: 4px;" open>'
    " <summary> Thinking... </summary>\n"
)
_THINK_END = "</details>"
_LABELS = {"user": "USER", "assistant": "ASSISTANT"}


class DifyProvider(OwnFormat):
    name = "dify"
    label = "Dify"
    base_url = "https://api.dify.ai"
    wire = "dify"

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        path = "/v1/workflows/run" if call.upstream_model.startswith("workflow") else "/v1/chat-messages"
        return join(channel.base_url or self.base_url, draft.path or path)

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        files: list[dict[str, Any]] = []
        uploads: list[neutral.Image] = []
        query = _query(request, files, uploads)
        user = request.user or f"chatcmpl-{call.request_id}"
        inputs = channel.setting.get("dify_inputs")
        inputs = dict(inputs) if isinstance(inputs, dict) else {}
        body: dict[str, Any] = {"response_mode": "streaming" if call.stream else "blocking", "user": user}
        if call.upstream_model.startswith("workflow"):
            body["inputs"] = {"query": query} | inputs
        else:
            body |= {"inputs": inputs, "query": query, "auto_generate_name": False}
        metadata = request.extra.get("metadata")
        if isinstance(metadata, dict) and metadata.get("conversation_id"):
            body["conversation_id"] = str(metadata["conversation_id"])
        if files:
            body["files"] = files
        wire = "dify-debug" if call.settings.dify_debug else "dify"
        if not uploads:
            return Draft(encode(body), wire=wire)
        return self._upload(Draft(b"", wire=wire, state=(body, tuple(uploads))), user)

    def _upload(self, draft: Draft, user: str) -> Draft:
        draft.path, draft.more = "/v1/files/upload", True
        draft.body, draft.content_type = _form(draft.state[1][0], user)
        return draft

    def next_step(
        self, call: Call, channel: ChannelView, sent: Outgoing, body: bytes, *, credential: str = ""
    ) -> Outgoing:
        """After an upload: the next one, or the call itself."""
        message, uploads = sent.state
        try:
            id = msgspec.json.decode(body, type=_Uploaded).id
        except (msgspec.DecodeError, UnicodeDecodeError):
            id = ""
        if not id:
            raise failed("the picture could not be uploaded", code="upload_failed")
        file = {"type": "image", "transfer_method": "local_file", "upload_file_id": id}
        message = message | {"files": [*message.get("files", ()), file]}
        draft = Draft(b"", wire=sent.wire, stream=sent.stream, model=sent.model, dropped=sent.dropped)
        if len(uploads) > 1:
            draft.state = (message, uploads[1:])
            return self.finish(self._upload(draft, message["user"]), call, channel, credential)
        draft.body = encode(message)
        return self.finish(draft, call, channel, credential)


def _query(request: neutral.Request, files: list[dict[str, Any]], uploads: list[neutral.Image]) -> str:
    """One text of the whole conversation; pictures go into `files` and `uploads`."""
    parts = [f"SYSTEM: \n{text.text}\n" for text in request.system]
    for turn in request.turns:
        for block in turn.blocks:
            match block:
                case neutral.Text():
                    parts.append(f"{_LABELS[turn.role]}: \n{block.text}\n")
                case neutral.Image(url=str(url)) if url:
                    files.append({"type": "image", "transfer_method": "remote_url", "url": url})
                case neutral.Image(data=str(data)) if data:
                    uploads.append(block)
                case neutral.Thinking():
                    pass
                case _:
                    raise Unsupported(type(block).__name__.lower(), "Dify")
    return "".join(parts)


def _form(image: neutral.Image, user: str) -> tuple[bytes, str]:
    """(body, content type) of an upload. The boundary cannot stand in base64's alphabet or a user's name."""
    boundary = "----medusaxd.upload.part----"
    kind = image.media_type or "image/png"
    name = f"image.{kind.partition('/')[2] or 'png'}"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="user"\r\n\r\n{user}\r\n--{boundary}\r\n'
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    )
    body = head.encode() + base64.b64decode(image.data) + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


# --- answers ---


class _Uploaded(Struct, frozen=True):
    id: str = ""


class _Metadata(Struct, frozen=True):
    usage: Usage | None = None


class _Data(Struct, frozen=True):
    outputs: dict[str, Any] | None = None
    error: str | None = None
    status: str | None = None
    text: str | None = None  # text_chunk
    workflow_id: str | None = None
    node_type: str | None = None
    total_tokens: int | None = None


class _Event(Struct, frozen=True):
    event: str = ""
    conversation_id: str | None = None
    answer: str | None = None
    thought: str | None = None
    url: str | None = None
    type: str | None = None
    metadata: _Metadata | None = None
    data: _Data | None = None
    status: int | str | None = None
    code: str | None = None
    message: str | None = None
    task_id: str | None = None


_decode = msgspec.json.Decoder(_Event).decode


def _failure(event: _Event) -> neutral.UpstreamError:
    status = event.status if isinstance(event.status, int) and 400 <= event.status < 600 else 502
    return neutral.UpstreamError(event.message or "Dify reported an error", "dify_error", event.code or "", "", status)


def _output_text(outputs: dict[str, Any] | None) -> str:
    """A workflow's text: its `text`, `answer` or `result`, or else its only output."""
    held = outputs or {}
    for name in ("text", "answer", "result", "output"):
        if isinstance(held.get(name), str):
            return str(held[name])
    texts = [value for value in held.values() if isinstance(value, str)]
    return texts[0] if len(texts) == 1 else neutral.json_text(held) if held else ""


def read_answer(body: bytes) -> neutral.Answer:
    try:
        event = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failed("the upstream's answer cannot be read", code="bad_response_body") from None
    usage = read_usage(event.metadata.usage) if event.metadata else None
    if event.answer is not None:
        return text_answer(event.answer, id=event.conversation_id or "", usage=usage)
    if event.data is not None and event.data.outputs is not None and not event.data.error:
        return text_answer(_output_text(event.data.outputs), id=event.task_id or "")
    if event.data is not None and event.data.error:
        raise failed(event.data.error, code="workflow_failed")
    raise BadAnswer(_failure(event))


class StreamReader(SSEReader):
    """`debug`: workflow and node events are shown as thoughts; they are not part of the answer's text."""

    def __init__(self, *, debug: bool = False) -> None:
        super().__init__()
        self._debug = debug
        self._workflow = False  # a bare workflow: it has no conversation and no message_end
        self._started = self._texts = False

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            event = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        events: list[neutral.Event] = []
        if not self._started and event.event not in ("", "ping"):
            self._started = True
            self._workflow = event.event == "workflow_started" and not event.conversation_id
            events.append(neutral.Start(event.conversation_id or event.task_id or ""))
        return events + self._events(event)

    def _events(self, event: _Event) -> list[neutral.Event]:
        data = event.data or _Data()
        match event.event:
            case "message" | "agent_message" | "message_replace":
                text = (event.answer or "").replace(_THINK_BEGIN, "<think>").replace(_THINK_END, "</think>")
                return [neutral.TextDelta(text)] if text else []
            case "text_chunk":
                self._texts = True
                return [neutral.TextDelta(data.text)] if data.text else []
            case "agent_thought":
                return [neutral.ThinkingDelta(event.thought)] if event.thought else []
            case "message_file" if event.url:
                return [neutral.ImageOut("", url=event.url)]
            case "message_end":
                usage = read_usage(event.metadata.usage) if event.metadata else None
                return self._end([neutral.UsageEvent(usage)] if usage else [])
            case "workflow_finished" if data.error:
                return [neutral.Failed(neutral.UpstreamError(data.error, "dify_error", "workflow_failed"))]
            case "error":
                return [neutral.Failed(_failure(event))]
        if event.event.startswith(("workflow_", "node_")):
            return self._step(event.event, data)
        return []

    def _step(self, name: str, data: _Data) -> list[neutral.Event]:
        events: list[neutral.Event] = []
        if self._debug:
            what = (
                f"Workflow: {data.workflow_id or ''}"
                if name.startswith("workflow_")
                else f"Node: {data.node_type or ''}"
            )
            status = f" [{data.status}]" if name.endswith("_finished") and data.status else ""
            events.append(neutral.ThinkingDelta(f"{what}{status}\n"))
        if name == "workflow_finished" and self._workflow:
            self._workflow = False
            text = "" if self._texts else _output_text(data.outputs)
            events += [neutral.TextDelta(text)] if text else []
            events += self._end([])
        return events

    def _end(self, events: list[neutral.Event]) -> list[neutral.Event]:
        self.finished = True
        return [*events, neutral.Finished("stop")]


def _debugging() -> EventReader:
    return StreamReader(debug=True)


Formats.held["dify"] = Format(read_answer, StreamReader)
Formats.held["dify-debug"] = Format(read_answer, _debugging)
