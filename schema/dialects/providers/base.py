"""The face of a provider: a call and a channel in, one HTTP request out. Sans-IO: no sockets, no clock, no dice.

outgoing = get_provider(channel.provider).prepare(call, channel)     Outgoing, or NeedsFiles: fetch them, ask again
while outgoing.more: the shell sends it, reads the whole answer,
    outgoing = provider.next_step(call, channel, outgoing, body)     tasks to poll, uploads, batches
answers.open_reader(outgoing) / answers.finish_answer(...)           streams and plain answers, for every mode
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from schema.dialects import neutral
from schema.dialects.files import Fetched

Mode = Literal[
    "chat",
    "completion",
    "responses",
    "embedding",
    "moderation",
    "rerank",
    "image",
    "image_edit",
    "image_variation",
    "speech",
    "transcription",
    "translation",
]
Framing = Literal["sse", "json_lines", "json_array", "eventstream", "websocket"]
Headers = tuple[tuple[str, str], ...]

Fact = Literal["", "no_responses", "no_stream_options", "drop_credential"]
"""What a failed attempt taught about a channel. The relay remembers the first two in `ChannelView.facts` and tries the same
channel once more; `drop_credential` means: forget the cached token, fetch a new one, try once more."""


class Settings(Struct, frozen=True):
    """Options of the installation that providers heed; the relay fills it once per snapshot."""

    force_stream_options: bool = True  # FORCE_STREAM_OPTION
    pass_through: bool = False  # global.pass_through_request_enabled: text bodies leave as they came
    fetch_worker: tuple[str, str] = ("", "")  # address and key of what fetches files for us
    azure_api_version: str = "2025-04-01-preview"  # AZURE_DEFAULT_API_VERSION
    reasoning_prefixes: tuple[str, ...] = ("o1", "o3", "o4", "gpt-5")
    claude_default_max_tokens: Mapping[str, int] = field(default_factory=lambda: {"default": 8192})
    claude_thinking: bool = True  # claude.thinking_adapter_enabled
    claude_thinking_share: Decimal = Decimal("0.8")
    claude_headers: Mapping[
        str, Mapping[str, list[str]]
    ] = {}  # claude.model_headers_settings: model -> header -> values
    gemini_safety: Mapping[str, str] = {}  # gemini.safety_settings
    gemini_versions: Mapping[str, str] = field(default_factory=lambda: {"default": "v1beta"})  # gemini.version_settings
    gemini_thinking: bool = False  # gemini.thinking_adapter_enabled
    gemini_thinking_share: Decimal = Decimal("0.6")
    gemini_images_max: int = 16  # GEMINI_VISION_MAX_IMAGE_NUM
    cohere_safety: str = "NONE"  # COHERE_SAFETY_SETTING
    dify_debug: bool = True  # DIFY_DEBUG: workflow and node events shown as reasoning
    return_requested_model: bool = False  # ReturnRequestedModel: answers name the model that was asked for
    forward_client_headers: tuple[str, ...] = ()  # ForwardClientHeaders, lower case
    server_address: str = ""  # OpenRouter's HTTP-Referer
    system_name: str = ""  # OpenRouter's X-Title


class ChannelView(Struct, frozen=True):
    """What a provider sees of a channel. `setting` and `param_override` are decoded JSON."""

    id: int
    provider: str  # symbolic name, see `registry`
    key: str
    type: int = 0  # new-api's number, for messages only
    base_url: str = ""  # '' = the provider's own address
    other: str = ""  # API version, region, account id ...: by provider
    organization: str = ""
    setting: Mapping[str, Any] = {}
    system_prompt: str = ""
    param_override: Mapping[str, Any] = {}  # read by `override.read_override`
    models: frozenset[str] = frozenset()  # names that the channel offers
    literal: frozenset[str] = frozenset()  # names that its mapping writes out: their suffixes are names, not rules
    facts: frozenset[str] = frozenset()  # learned by earlier attempts: see `Fact`


class Call(Struct, frozen=True):
    """One client call, the same for every attempt but for `upstream_model`."""

    mode: Mode
    client_dialect: str  # openai, claude, gemini, responses, completions, cohere
    model: str  # as the client asked
    upstream_model: str  # after the channel's mapping, suffix included
    body: bytes
    stream: bool = False
    path: str = ""
    query: Mapping[str, str] = {}
    client_headers: Mapping[str, str] = {}  # lower-case names
    content_type: str = "application/json"
    settings: Settings = Settings()
    now_s: int = 0  # Unix s
    request_id: str = ""
    user: str = ""  # of our user, for the placeholder {user}


class Outgoing(Struct, frozen=True):
    """One request to a provider, and how its answer is to be read."""

    url: str
    headers: Headers
    body: bytes
    method: str = "POST"
    wire: str = "openai"  # who reads the answer: `wires.get_wire`
    framing: Framing = "sse"  # of a streamed answer
    stream: bool = False  # the provider streams, whatever the client asked for
    passthrough: bool = False  # the answer's bytes may go to the client untouched; `wire` still tells how to meter them
    model: str = ""  # the name that the provider sees, without suffixes
    reasoning_effort: str = ""  # by suffix, for the log
    dropped: tuple[str, ...] = ()  # features that the provider lacks, for the log
    thinking_to_content: bool = False
    more: bool = False  # not the call itself: read the whole answer and ask `next_step`
    delay_s: float = 0.0  # wait before sending (polling)
    state: Any = None  # of the provider, between steps
    quirk: str = ""  # of the provider, for its reader


class NeedsFiles(Struct, frozen=True):
    """The provider takes no URLs: fetch these under the guard and prepare again with `files`."""

    urls: tuple[str, ...]


class CredentialRequest(Struct, frozen=True):
    """A token to be fetched before calls, kept under `Provider.credential_key` by the shell."""

    url: str
    headers: Headers
    body: bytes
    method: str = "POST"


class Credential(Struct, frozen=True):
    token: str
    expires_s: int  # Unix s
    refresh_s: int  # Unix s from which one task should fetch a new one while this is still used


class Provider(Protocol):
    name: str
    label: str  # for people; never an address
    modes: frozenset[str]
    base_url: str  # used when the channel has none; '' = the channel must have one
    retired: bool  # may be stored, is never selected

    def supports(self, mode: str, channel: ChannelView, model: str) -> bool:
        """Is the channel eligible for this mode and upstream model?"""
        ...

    def credential_key(self, channel: ChannelView) -> str:
        """Name under which the shell keeps the token; '' = none is needed. Never contains key material."""
        ...

    def credential_request(self, channel: ChannelView, now_s: int) -> CredentialRequest:
        """Raises KeyFormatError for a key that cannot be used."""
        ...

    def read_credential(self, status: int, body: bytes, now_s: int) -> Credential:
        """Raises BadAnswer when no token was given."""
        ...

    def prepare(
        self, call: Call, channel: ChannelView, *, credential: str = "", files: Mapping[str, Fetched] | None = None
    ) -> Outgoing | NeedsFiles:
        """Raises DialectError (the client's fault, never retried) and KeyFormatError (the channel's, retried elsewhere)."""
        ...

    def next_step(
        self, call: Call, channel: ChannelView, sent: Outgoing, body: bytes, *, credential: str = ""
    ) -> Outgoing:
        """After the answer of an Outgoing with `more`. Raises BadAnswer when the task failed.

        `method` '' in what it returns: nothing is to be sent, `body` is already the whole answer.
        """
        ...

    def read_error(
        self, status: int, body: bytes, channel: ChannelView, headers: Mapping[str, str] | None = None
    ) -> neutral.UpstreamError:
        """An answer that is not 2xx, with its natural status, without key or address. `headers`: lower-case names."""
        ...

    def test_body(self, model: str) -> bytes:
        """The cheapest chat request in OpenAI's dialect."""
        ...


class KeyFormatError(Exception):
    """The channel's key or its settings are not what the provider needs. The text never contains the key."""
