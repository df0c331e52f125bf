"""What most providers share: chat by translation or pass-through, JSON modes edited in place, override, headers, errors.

A provider is a subclass that says how it differs: `address`, `credentials`, `target`, and a method for each odd mode.
Order of making a request: body -> parameter override -> headers -> header override -> `sign`.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schema.dialects import embeddings, images, multipart, neutral, rerank
from schema.dialects.base import ClaudeOptions, GeminiOptions, OpenAIOptions, Target
from schema.dialects.body import edit_members, read_object
from schema.dialects.errors import BadAnswer, Unsupported
from schema.dialects.files import Fetched, put_files
from schema.dialects.openai.errors import read_error
from schema.dialects.override import apply_override
from schema.dialects.providers.base import (
    Call,
    ChannelView,
    Credential,
    CredentialRequest,
    Framing,
    Headers,
    NeedsFiles,
    Outgoing,
    Settings,
)
from schema.dialects.providers.scrub import scrub_error
from schema.dialects.providers.urls import PATHS, join
from schema.dialects.registry import get_dialect
from schema.dialects.suffixes import Suffix, claude_suffix, gemini_suffix, openai_suffix

TEXT = frozenset({"chat", "completion", "responses"})  # any chat provider serves these through the neutral form
UPLOADS = frozenset({"image_edit", "image_variation", "transcription", "translation"})
ALL = frozenset(PATHS)

_ASKED_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_JSON = "application/json"


class Draft(Struct):
    """A request in the making. `path` is filled by the mode, the address by the provider."""

    body: bytes
    url: str = ""
    path: str = ""
    method: str = "POST"
    content_type: str = _JSON
    wire: str = "openai"
    framing: Framing = "sse"
    stream: bool = False
    passthrough: bool = False
    model: str = ""
    effort: str = ""
    dropped: tuple[str, ...] = ()
    headers: Headers = ()
    more: bool = False
    delay_s: float = 0.0
    state: Any = None
    quirk: str = ""


class BaseProvider:
    name = ""
    label = ""
    base_url = ""
    modes: frozenset[str] = TEXT
    retired = False
    wire = "openai"  # the dialect of chat
    native: frozenset[str] = frozenset({"openai"})  # client dialects passed through
    native_completions = False  # has a /v1/completions of its own
    native_responses = False  # has a /v1/responses of its own

    # --- what may differ ---

    def supports(self, mode: str, channel: ChannelView, model: str) -> bool:
        return not self.retired and mode in self.modes

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        return join(channel.base_url or self.base_url, draft.path)

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return (("Authorization", f"Bearer {credential or channel.key.strip()}"),)

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        return ()

    def sign(self, outgoing: Outgoing, call: Call, channel: ChannelView) -> Outgoing:
        """Last of all: what depends on the final body."""
        return outgoing

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return openai_suffix(call.upstream_model, prefixes=call.settings.reasoning_prefixes, literal=channel.literal)

    def openai_options(self, call: Call, channel: ChannelView) -> OpenAIOptions:
        return OpenAIOptions()

    def claude_options(self, call: Call, channel: ChannelView) -> ClaudeOptions:
        held = call.settings
        return ClaudeOptions(
            default_max_tokens=held.claude_default_max_tokens, thinking_share=held.claude_thinking_share
        )

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        """Quirks in the finished chat body."""
        return body

    # --- making a request ---

    def prepare(
        self, call: Call, channel: ChannelView, *, credential: str = "", files: Mapping[str, Fetched] | None = None
    ) -> Outgoing | NeedsFiles:
        if not self.supports(call.mode, channel, call.upstream_model):
            raise Unsupported(call.mode, self.label)
        draft = self.draft(call, channel, files)
        if isinstance(draft, NeedsFiles):
            return draft
        return self.finish(draft, call, channel, credential)

    def draft(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        match call.mode:
            case "chat" | "completion" | "responses":
                return self.chat(call, channel, files)
            case "embedding":
                return self.embedding(call, channel)
            case "rerank":
                return self.rerank(call, channel)
            case "image":
                return self.image(call, channel)
            case "moderation" | "speech":
                return self.json_mode(call)
        return self.upload(call)

    def chat_wire(self, call: Call, channel: ChannelView) -> str:
        """Dialect of the request for this call: the client's own where the provider speaks it."""
        if call.mode == "responses":
            return "responses" if self.speaks_responses(channel) else self.wire
        if call.mode == "completion":
            return "completions" if self.native_completions else self.wire
        return call.client_dialect if call.client_dialect in self.native else self.wire

    def speaks_responses(self, channel: ChannelView) -> bool:
        """`setting.responses`: native, chat, or auto (the provider's own nature, until a 404 or 405 taught otherwise)."""
        match channel.setting.get("responses"):
            case "native":
                return True
            case "chat":
                return False
        return self.native_responses and "no_responses" not in channel.facts

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        wire = self.chat_wire(call, channel)
        target = self.target(call, channel)
        dialect = get_dialect(wire)
        dropped: list[str] = []
        if call.client_dialect == wire:
            body = dialect.edit_request(call.body, target)
        else:
            request = get_dialect(call.client_dialect).read_request(
                call.body, path_model=call.upstream_model, stream=call.stream
            )
            wanted = [url for url in dialect.wants_files(request, target) if url not in (files or {})]
            if wanted:
                return NeedsFiles(tuple(wanted))
            body = dialect.write_request(put_files(request, files or {}), target, dropped)
        if wire not in ("responses", "completions"):
            body = self.change_chat(body, call, channel)
        path = {"responses": PATHS["responses"], "completions": PATHS["completion"]}.get(wire, PATHS["chat"])
        return Draft(
            body,
            path=path,
            wire=wire,
            stream=call.stream,
            passthrough=call.client_dialect == wire and not self.must_rewrite(call, channel, wire, target.model),
            model=target.model,
            effort=target.reasoning.effort if target.reasoning else "",
            dropped=tuple(dict.fromkeys(dropped)),
        )

    def must_rewrite(self, call: Call, channel: ChannelView, wire: str, model: str) -> bool:
        """Does a setting change the answer, so that its bytes cannot pass untouched?

        `thinking_to_content` and `force_format` speak of Chat Completions; other dialects have their own place for thoughts.
        """
        setting = channel.setting
        if call.settings.return_requested_model and call.model != model:
            return True
        return wire == "openai" and bool(setting.get("thinking_to_content") or setting.get("force_format"))

    def target(self, call: Call, channel: ChannelView) -> Target:
        suffix = self.suffix(call, channel)
        held = call.settings
        return Target(
            model=suffix.name,
            now_ms=call.now_s * 1000,
            seed=call.request_id,
            reasoning=suffix.reasoning,
            claude=self.claude_options(call, channel),
            gemini=self.gemini_options(held),
            openai=replace(
                self.openai_options(call, channel),
                include_usage=self.asks_usage(call, channel),
                reasoning_prefixes=held.reasoning_prefixes,
            ),
            system_prompt=channel.system_prompt,
            cohere_safety_mode=held.cohere_safety,
            name=self.label,
        )

    def gemini_options(self, held: Settings) -> GeminiOptions:
        return GeminiOptions(
            safety=held.gemini_safety, thinking_share=held.gemini_thinking_share, images_max=held.gemini_images_max
        )

    def takes_stream_options(self, channel: ChannelView) -> bool:
        return True

    def asks_usage(self, call: Call, channel: ChannelView) -> bool:
        """May and shall `stream_options.include_usage` be sent? `setting.stream_options` overrides what is known."""
        wish = channel.setting.get("stream_options")
        takes = wish if isinstance(wish, bool) else self.takes_stream_options(channel)
        if not takes or "no_stream_options" in channel.facts:
            return False
        return call.settings.force_stream_options or _ASKED_USAGE.search(call.body) is not None

    # --- other modes ---

    def json_mode(self, call: Call) -> Draft:
        """The client's JSON with the model's name; audio and moderations pass as they are."""
        return Draft(
            with_model(call.body, call.upstream_model),
            path=PATHS[call.mode],
            passthrough=True,
            stream=call.stream,
            model=call.upstream_model,
        )

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        if call.client_dialect == "openai":
            return self.json_mode(call)
        request = embeddings.read_gemini_request(call.body, path_model=call.upstream_model)
        body = embeddings.write_openai_request(request, call.upstream_model)
        return Draft(body, path=PATHS["embedding"], model=call.upstream_model)

    def rerank(self, call: Call, channel: ChannelView) -> Draft:
        """Rerank answers are always written anew: one shape for every provider."""
        request = rerank.read_request(call.body, path_model=call.upstream_model)
        body = rerank.write_jina_request(request, call.upstream_model)
        return Draft(body, path=PATHS["rerank"], wire="rerank", model=call.upstream_model)

    def image(self, call: Call, channel: ChannelView) -> Draft:
        images.read_request(call.body)  # refuses what no provider draws
        return self.json_mode(call)

    def upload(self, call: Call) -> Draft:
        boundary = multipart.boundary_of(call.content_type)
        parts = multipart.read_parts(call.body, boundary)
        body = call.body
        if multipart.field(body, parts, "model") != call.upstream_model:
            body = b"".join(multipart.replace_fields(body, parts, {"model": call.upstream_model}, boundary))
        return Draft(
            body,
            path=PATHS[call.mode],
            content_type=call.content_type,
            passthrough=True,
            stream=call.stream,
            model=call.upstream_model,
        )

    # --- the last steps ---

    def finish(self, draft: Draft, call: Call, channel: ChannelView, credential: str) -> Outgoing:
        body = draft.body
        if channel.param_override and draft.content_type.startswith(_JSON) and body:
            body = apply_override(body, dict(channel.param_override))
            draft.body = body
        headers: Headers = (
            *((("Content-Type", draft.content_type),) if draft.method != "GET" else ()),
            ("Accept", self.accept(draft, call)),
            *self.credentials(call, channel, credential),
            *self.extra_headers(draft, call, channel),
            *draft.headers,
        )
        forwarded = tuple(
            (name, call.client_headers[name])
            for name in call.settings.forward_client_headers
            if name in call.client_headers
        )
        outgoing = Outgoing(
            url=draft.url or self.address(draft, call, channel),
            headers=override_headers((*headers, *forwarded), call, channel),
            body=body,
            method=draft.method,
            wire=draft.wire,
            framing=draft.framing,
            stream=draft.stream,
            passthrough=draft.passthrough,
            model=draft.model or call.upstream_model,
            reasoning_effort=draft.effort,
            dropped=draft.dropped,
            thinking_to_content=bool(channel.setting.get("thinking_to_content"))
            and call.mode in TEXT
            and not draft.passthrough,
            more=draft.more,
            delay_s=draft.delay_s,
            state=draft.state,
            quirk=draft.quirk,
        )
        return self.sign(outgoing, call, channel)

    def accept(self, draft: Draft, call: Call) -> str:
        wanted = call.client_headers.get("accept", "")
        if draft.stream and (not wanted or wanted == "*/*"):
            return "text/event-stream"
        return wanted or "*/*"

    def next_step(
        self, call: Call, channel: ChannelView, sent: Outgoing, body: bytes, *, credential: str = ""
    ) -> Outgoing:
        raise AssertionError(f"{self.name} has no further steps")

    # --- credentials and errors ---

    def credential_key(self, channel: ChannelView) -> str:
        return ""

    def credential_request(self, channel: ChannelView, now_s: int) -> CredentialRequest:
        raise AssertionError(f"{self.name} needs no token")

    def read_credential(self, status: int, body: bytes, now_s: int) -> Credential:
        raise AssertionError(f"{self.name} needs no token")

    def read_error(
        self, status: int, body: bytes, channel: ChannelView, headers: Mapping[str, str] | None = None
    ) -> neutral.UpstreamError:
        error = self.error_of(status, body, headers or {})
        return scrub_error(error, key=channel.key, base_url=channel.base_url or self.base_url)

    def error_of(self, status: int, body: bytes, headers: Mapping[str, str]) -> neutral.UpstreamError:
        return read_error(status, body)

    def test_body(self, model: str) -> bytes:
        """One token of answer; reasoning models need room to think before they say it."""
        wish: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        wish["max_completion_tokens" if model.startswith(("o1", "o3", "o4", "gpt-5")) else "max_tokens"] = (
            50 if "thinking" in model or model.startswith(("o1", "o3", "o4", "gpt-5", "gemini-2.5", "gemini-3")) else 1
        )
        return msgspec.json.encode(wish)


def by_name(call: Call, channel: ChannelView) -> Suffix:
    """Suffix rules of Claude and Gemini names, wherever the models are hosted."""
    if call.upstream_model in channel.literal and call.upstream_model.endswith(("-low", "-medium", "-high")):
        return Suffix(call.upstream_model)
    if call.upstream_model.startswith("gemini"):
        return gemini_suffix(call.upstream_model, enabled=call.settings.gemini_thinking)
    return claude_suffix(call.upstream_model, enabled=call.settings.claude_thinking)


def with_model(body: bytes, model: str) -> bytes:
    """The body with `model`; the very same bytes when it already says so."""
    members = read_object(body)
    changes: dict[str, Any] = {} if members.get("model") == model else {"model": model}
    if "group" in members:
        changes["group"] = None
    return edit_members(body, changes)


def override_headers(headers: Headers, call: Call, channel: ChannelView) -> Headers:
    """`setting.header_override`: a value replaces or adds, null removes; {api_key}, {model} and {user} are filled in."""
    wish = channel.setting.get("header_override")
    if not isinstance(wish, Mapping) or not wish:
        return headers
    names = {str(name).lower() for name in wish}
    kept = [(name, value) for name, value in headers if name.lower() not in names]
    for name, value in wish.items():
        if value is not None:
            text = str(value).replace("{api_key}", channel.key).replace("{model}", call.upstream_model)
            kept.append((str(name), text.replace("{user}", call.user).replace("\r", "").replace("\n", "")))
    return tuple(kept)


def key_digest(name: str, key: str) -> str:
    """Names a cached token by the key it was made from: a changed key never uses the old token."""
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def failed(message: str, *, code: str = "", status: int = 502, type: str = "upstream_error") -> BadAnswer:
    return BadAnswer(neutral.UpstreamError(message, type, code, "", status))
