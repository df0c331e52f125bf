"""The neutral form: what every dialect is read into and written from.

Text fields are `str`, binary content is base64 text, JSON Schemas and other open values are plain dicts. A tuple that is
empty means "none given". `None` means "the client did not say", which differs from 0 and False.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from schema.usage import TokenUsage

Role = Literal["user", "assistant"]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]
Json = dict[str, Any]

# --- blocks: the content of a turn, of a tool result and of an answer ---


class Citation(Struct, frozen=True):
    """Where a piece of answer text comes from. Offsets count code points in the answer's text; -1 = unknown."""

    url: str = ""
    title: str = ""
    quote: str = ""  # the cited text of the source, when the provider sends it
    start: int = -1
    end: int = -1


class Text(Struct, frozen=True, tag="text"):
    text: str
    cache_control: Json | None = None  # Claude's prompt-cache mark; kept where the target knows it
    citations: tuple[Citation, ...] = ()


class Image(Struct, frozen=True, tag="image"):
    """Exactly one of `url` (http, https), `data` (base64) and `file_id` is set."""

    url: str = ""
    data: str = ""
    media_type: str = ""  # image/png ...; may be '' for a URL
    detail: str = ""  # OpenAI's low, high, auto; '' = not given
    file_id: str = ""
    cache_control: Json | None = None


class Audio(Struct, frozen=True, tag="audio"):
    data: str = ""
    media_type: str = ""  # audio/wav, audio/mp3 ...
    url: str = ""
    transcript: str = ""  # answers only
    id: str = ""  # answers only: the provider's handle for later turns


class Document(Struct, frozen=True, tag="document"):
    """A file. Exactly one of `data` (base64), `text`, `url` and `file_id` is set."""

    data: str = ""
    text: str = ""
    url: str = ""
    file_id: str = ""
    media_type: str = ""  # application/pdf, text/plain, video/mp4 ...
    filename: str = ""
    cache_control: Json | None = None


class ToolCall(Struct, frozen=True, tag="tool_call"):
    id: str
    name: str
    arguments: str  # JSON text of an object; readers turn '' into '{}'
    signature: str = ""  # Gemini's thoughtSignature that belongs to this call
    cache_control: Json | None = None


class Thinking(Struct, frozen=True, tag="thinking"):
    text: str = ""
    signature: str = ""  # opaque proof of the provider that wrote the text
    redacted: str = ""  # Claude's redacted_thinking data, or OpenAI's encrypted reasoning; then `text` may be ''
    id: str = ""  # Responses: id of the reasoning item


class ToolResult(Struct, frozen=True, tag="tool_result"):
    id: str  # of the ToolCall it answers
    content: tuple["Text | Image | Audio | Document", ...] = ()
    name: str = ""  # function name when known (readers look it up in earlier turns)
    is_error: bool = False
    cache_control: Json | None = None


Block = Text | Image | Audio | Document | ToolCall | ToolResult | Thinking
Part = Text | Image | Audio | Document


class Turn(Struct, frozen=True):
    """One message. ToolResult stands only in user turns, ToolCall and Thinking only in assistant turns."""

    role: Role
    blocks: tuple[Block, ...]
    name: str = ""


# --- request ---


class Function(Struct, frozen=True, tag="function"):
    name: str
    description: str = ""
    parameters: Json | None = None  # JSON Schema of the arguments; None = not given
    strict: bool | None = None
    cache_control: Json | None = None
    custom: bool = False  # Responses: takes free text, which travels as the only argument, `input`


class ServerTool(Struct, frozen=True, tag="server_tool"):
    """A tool that the provider runs itself: `kind` is web_search, code_execution, url_context or the dialect's own name."""

    kind: str
    dialect: str = ""  # whose wire form `raw` is
    raw: Json = {}


Tool = Function | ServerTool


class ToolChoice(Struct, frozen=True):
    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""  # with mode `named`
    parallel: bool | None = None  # False: at most one call a turn
    explicit: bool = True  # False: only `parallel` was given


class Sampling(Struct, frozen=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    n: int | None = None  # choices wanted
    stop: tuple[str, ...] = ()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Json | None = None


class Reasoning(Struct, frozen=True):
    """How much the model should think. `mode` '' = the client did not say; `budget_tokens` None = provider's choice."""

    mode: Literal["", "on", "off", "auto"] = ""
    effort: str = ""  # none, minimal, low, medium, high, xhigh, max; '' = not given
    budget_tokens: int | None = None
    include_thoughts: bool | None = None  # the client wants to see thoughts or their summary
    summary: str = ""  # Responses: auto, concise, detailed


class ResponseFormat(Struct, frozen=True):
    kind: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str = ""
    schema: Json | None = None
    strict: bool | None = None


class Request(Struct, frozen=True):
    model: str
    turns: tuple[Turn, ...] = ()
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    sampling: Sampling = Sampling()
    max_tokens: int | None = None  # limit of the answer, thinking included
    reasoning: Reasoning | None = None
    response_format: ResponseFormat | None = None
    modalities: tuple[str, ...] = ()  # wanted kinds of output: text, audio, image; empty = text
    stream: bool = False
    include_usage: bool = False  # the client asked for usage in the stream (always true outside OpenAI's dialects)
    user: str = ""
    dialect: str = ""  # the client's
    extra: Json = {}  # members of that dialect without a neutral name, as they came


# --- answer ---


class Choice(Struct, frozen=True):
    blocks: tuple[Block, ...] = ()
    finish: Finish | None = "stop"
    stop_sequence: str | None = None
    logprobs: Any = None  # in OpenAI's form
    index: int = 0


class Answer(Struct, frozen=True):
    """`usage` None = the provider sent none (the relay estimates)."""

    id: str = ""
    model: str = ""
    created_s: int = 0  # Unix s; 0 = unknown
    choices: tuple[Choice, ...] = ()
    usage: TokenUsage | None = None


class UpstreamError(Struct, frozen=True):
    """What an upstream said went wrong, in OpenAI's words. `status` is HTTP's, or the natural one of an error inside a 200."""

    message: str
    type: str = ""
    code: str = ""
    param: str = ""
    status: int = 502


# --- stream events ---


class Start(Struct, frozen=True):
    """First event of every stream. Members are '' or 0 when the provider does not tell."""

    id: str = ""
    model: str = ""
    created_s: int = 0


class TextDelta(Struct, frozen=True, gc=False):
    text: str
    choice: int = 0


class ThinkingDelta(Struct, frozen=True, gc=False):
    text: str
    choice: int = 0


class Signature(Struct, frozen=True):
    """Proof for the thinking text before it; for Gemini also of the tool call before it (`tool` = its number)."""

    signature: str
    choice: int = 0
    tool: int = -1
    redacted: bool = False  # a whole redacted block instead of a proof


class ToolStart(Struct, frozen=True):
    """`i` counts the tool calls of a choice from 0. Calls may overlap: use `i`, not the order of events."""

    i: int
    id: str
    name: str
    choice: int = 0


class ToolArgs(Struct, frozen=True, gc=False):
    i: int
    text: str  # a piece of the JSON text
    choice: int = 0


class ToolStop(Struct, frozen=True):
    i: int
    choice: int = 0


class ImageOut(Struct, frozen=True):
    data: str  # base64, or '' when `url` is set
    media_type: str = "image/png"
    url: str = ""
    choice: int = 0


class AudioOut(Struct, frozen=True):
    data: str = ""
    transcript: str = ""
    id: str = ""
    choice: int = 0


class CitationOut(Struct, frozen=True):
    citation: Citation
    choice: int = 0


class UsageEvent(Struct, frozen=True):
    """Counts so far, complete in themselves: the last one wins."""

    usage: TokenUsage


class Finished(Struct, frozen=True):
    reason: Finish
    stop_sequence: str | None = None
    choice: int = 0


class Failed(Struct, frozen=True):
    """The upstream reported an error inside the stream; nothing follows."""

    error: UpstreamError


Event = (
    Start
    | TextDelta
    | ThinkingDelta
    | Signature
    | ToolStart
    | ToolArgs
    | ToolStop
    | ImageOut
    | AudioOut
    | CitationOut
    | UsageEvent
    | Finished
    | Failed
)


def json_text(value: Any) -> str:
    """Compact JSON text of plain values."""
    return msgspec.json.encode(value).decode()


def event_text(event: Event) -> str:
    """What an event adds to the answer's text, thoughts and calls: for counting where a provider reports no usage."""
    match event:
        case TextDelta() | ThinkingDelta() | ToolArgs():
            return event.text
        case ToolStart():
            return event.name
    return ""


def text_of(blocks: tuple[Any, ...]) -> str:
    """All text blocks joined without separator; other kinds are skipped."""
    return "".join([block.text for block in blocks if isinstance(block, Text)])


def arguments_object(arguments: str) -> Json:
    """Tool arguments as an object. Text that a model got wrong is kept whole, under the name `arguments`."""
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}
