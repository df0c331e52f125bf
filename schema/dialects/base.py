"""The face of a dialect: how a wire format is read and written. Sans-IO: no sockets, no clock, no dice.

Same dialect on both sides: the relay passes bytes on and only a `Meter` looks at them. Different dialects:
`client.read_request` -> neutral -> `upstream.write_request`; `upstream.event_reader()` -> events -> `client.event_writer()`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct, field

from schema.dialects import neutral
from schema.usage import TokenUsage


class ClaudeOptions(Struct, frozen=True):
    """Options `claude.*` and what differs between Claude's hosts."""

    default_max_tokens: Mapping[str, int] = field(default_factory=lambda: {"default": 8192})  # by name with suffix
    thinking_share: Decimal = Decimal("0.8")  # claude.thinking_adapter_budget_tokens_percentage: budget / max_tokens
    anthropic_version: str = ""  # Bedrock, Vertex: goes into the body, `model` leaves it
    keep_stream: bool = True  # False (Bedrock): `stream` is not a member of the body
    url_sources: bool = True  # False (Bedrock, Vertex): pictures by URL must be fetched first


class GeminiOptions(Struct, frozen=True):
    """Options `gemini.*`."""

    safety: Mapping[str, str] = {}  # HARM_CATEGORY_x -> threshold; `default` for the rest; empty: send none
    thinking_share: Decimal = Decimal("0.6")  # gemini.thinking_adapter_budget_tokens_percentage: budget / max_tokens
    images_max: int = 16  # GEMINI_VISION_MAX_IMAGE_NUM, a request
    schema_key: str = "parameters"  # or parametersJsonSchema


class OpenAIOptions(Struct, frozen=True):
    """Quirks of OpenAI-like servers."""

    reasoning_prefixes: tuple[str, ...] = ("o1", "o3", "o4", "gpt-5")
    include_usage: bool = True  # send stream_options.include_usage on streams
    keep_reasoning: bool = False  # the server takes reasoning_content in the history (DeepSeek, Moonshot, Qwen)
    openrouter: bool = False  # reasoning{max_tokens}, cache_control in parts
    top_k: bool = False  # the server knows top_k (OpenAI itself refuses it)
    max_tokens_name: str = ""  # '' = by model: max_completion_tokens for reasoning models, else max_tokens
    developer_role: bool = True  # reasoning models get `developer` instead of `system`
    reasoning_effort: bool = True  # send reasoning_effort to reasoning models
    json_schema: bool = True  # False: the server knows json_object only; the schema goes into the prompt


class Target(Struct, frozen=True):
    """Where a request goes and what is known about it. `quirks` are names that provider modules define for themselves."""

    model: str  # the upstream's name, suffixes already taken off
    now_ms: int = 0
    seed: str = ""  # the call's id: `new_id` derives stable ids from it
    reasoning: neutral.Reasoning | None = None  # from the model's suffix; wins over the client's wish
    claude: ClaudeOptions = ClaudeOptions()
    gemini: GeminiOptions = GeminiOptions()
    openai: OpenAIOptions = OpenAIOptions()
    system_prompt: str = ""  # of the channel; replaces the client's; '' = none
    cohere_safety_mode: str = ""  # COHERE_SAFETY_SETTING; '' or NONE: not sent
    quirks: frozenset[str] = frozenset()
    name: str = "this provider"  # for messages of Unsupported; never an address


class StreamContext(Struct, frozen=True):
    """What a client stream shows that the upstream may not tell."""

    id: str  # used when the upstream sends none; also the base of made-up ids
    model: str  # shown to the client unless the upstream names one
    created_s: int
    include_usage: bool = True  # OpenAI: send the final usage chunk
    prompt_estimate: int = 0  # Claude's message_start needs input_tokens before the upstream has counted
    json_array: bool = False  # Gemini without alt=sse
    rewrite_model: bool = False  # show `model` even when the upstream names another
    request: neutral.Request | None = None  # Responses echoes parts of it


class EventReader(Protocol):
    """One upstream stream. Bytes may be cut anywhere. `read` takes one whole payload when another framing is around it."""

    def feed(self, data: bytes) -> list[neutral.Event]: ...

    def read(self, payload: bytes) -> list[neutral.Event]: ...

    def close(self) -> list[neutral.Event]:
        """The upstream's end: what was still pending. Never invents a Finished."""
        ...

    finished: bool  # a proper end was seen; False at close() = the upstream broke off


class EventWriter(Protocol):
    """One client stream. `write` answers b"" when an event shows nothing in this dialect."""

    def write(self, event: neutral.Event) -> bytes: ...

    def close(self) -> bytes:
        """The proper end, also when the upstream broke off: the client's stream is always well-formed."""
        ...

    def error(self, error: neutral.UpstreamError) -> bytes:
        """An error event, and the end of the stream; close() must not follow."""
        ...

    def ping(self) -> bytes: ...


class Meter(Protocol):
    """Watches a passed-through stream or answer. Stateless: the caller keeps the counts and merges them."""

    markers: tuple[bytes, ...]  # an event with usage contains one of these
    last_tells: bool  # the last event with usage tells all of it; no: what several of them tell is merged
    names_errors: bool  # every event that is an error holds b'"error"'

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        """Usage in one event's data; None when it has none."""
        ...

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        """Counts after another event with usage."""
        ...

    def read_text(self, payload: bytes) -> str:
        """Text, reasoning and tool arguments of one event, for estimates."""
        ...

    def usage_of_answer(self, body: bytes) -> TokenUsage | None: ...

    def text_of_answer(self, body: bytes) -> str: ...

    def is_error_event(self, payload: bytes) -> bool: ...

    def is_end_event(self, payload: bytes) -> bool:
        """The event that a complete stream ends with (or carries the finish reason)."""
        ...

    def is_usage_only(self, payload: bytes) -> bool:
        """OpenAI: the extra chunk that a client which did not ask for usage must not see."""
        ...

    def shows_usage(self, payload: bytes) -> bool:
        """Does the usage stand where a client of the dialect looks for it? Some servers hide it inside a choice."""
        ...


class ListedModel(Struct, frozen=True):
    id: str
    created_s: int = 1_626_777_600
    owned_by: str = "custom"
    display_name: str = ""


class Dialect(Protocol):
    name: str
    stream_type: str  # Content-Type of a stream

    def read_request(self, body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
        """Raises DialectError (400). `path_model` and `stream` come from the URL where the dialect puts them there."""
        ...

    def write_request(self, request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
        """Names of harmless features that the target lacks are appended to `dropped`; others raise Unsupported."""
        ...

    def edit_request(self, body: bytes, target: Target) -> bytes:
        """Same dialect on both sides: the client's body with what must change (model, name rules, defaults).

        The very same bytes when nothing must. Raises DialectError for a body that cannot be read.
        """
        ...

    def wants_files(self, request: neutral.Request, target: Target) -> list[str]:
        """URLs to fetch and put in with `files.put_files` before write_request."""
        ...

    def read_answer(self, body: bytes) -> neutral.Answer:
        """Raises BadAnswer for an error inside a 200 and for what is no answer."""
        ...

    def write_answer(
        self, answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
    ) -> bytes: ...

    def event_reader(self) -> EventReader: ...

    def event_writer(self, ctx: StreamContext) -> EventWriter: ...

    def write_error(
        self,
        status: int,
        code: str,
        message: str,
        *,
        type: str | None = None,
        param: str | None = None,
        request_id: str,
    ) -> bytes: ...

    def read_error(self, status: int, body: bytes) -> neutral.UpstreamError: ...

    def meter(self) -> Meter: ...

    def write_models(self, models: Sequence[ListedModel]) -> bytes: ...

    def write_model(self, model: ListedModel) -> bytes: ...
