"""Vertex AI: Claude, Gemini, Llama and other open models in a Google Cloud project, or Gemini with an express key.

Sources: cloud.google.com/vertex-ai/generative-ai/docs: partner models (Claude: rawPredict), REST reference
(generateContent, predict), open models (endpoints/openapi), express mode.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schema.dialects import embeddings
from schema.dialects.base import ClaudeOptions
from schema.dialects.files import Fetched
from schema.dialects.providers.base import (
    Call,
    ChannelView,
    Credential,
    CredentialRequest,
    Headers,
    KeyFormatError,
    NeedsFiles,
)
from schema.dialects.providers.gemini import GoogleProvider
from schema.dialects.providers.template import Draft, failed, key_digest
from schema.dialects.signing.jwt import ServiceAccount, SigningKeyError, google_assertion, read_service_account

CLAUDE_VERSION = "vertex-2023-10-16"
REFRESH_EARLY_S = 300  # one task fetches the next token this long before the old one dies
_DATED = re.compile(r"-(\d{8})$")
_CLAUDE_NAMES = {"claude-3-5-sonnet-20241022": "claude-3-5-sonnet-v2@20241022"}


class _Token(Struct, frozen=True):
    access_token: str = ""
    expires_in: int = 3600  # s
    error: str | None = None
    error_description: str | None = None


def family_of(model: str) -> str:
    """claude, gemini (Imagen and text embeddings too) or open (OpenAI-like endpoint)."""
    if model.startswith("claude"):
        return "claude"
    return "gemini" if model.startswith(("gemini", "imagen", "text-embedding", "text-multilingual")) else "open"


def claude_name(model: str) -> str:
    """A date at the end stands behind `@` on Vertex."""
    return _CLAUDE_NAMES.get(model) or _DATED.sub(r"@\1", model)


def region_of(channel: ChannelView, model: str) -> str:
    """Channel's `other`: a region, or an object model -> region with `default`. Raises KeyFormatError without one."""
    text = channel.other.strip()
    if not text.startswith("{"):
        return text or "global"
    try:
        regions = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError:
        raise KeyFormatError("the channel's region is neither a name nor an object of names") from None
    region = regions.get(model) or regions.get("default")
    if not region:
        raise KeyFormatError("the channel's regions have no `default`")
    return region


class VertexProvider(GoogleProvider):
    name = "vertex"
    label = "Vertex AI"

    def supports(self, mode: str, channel: ChannelView, model: str) -> bool:
        if mode == "embedding":
            return "embedding" in model
        if is_express(channel) and family_of(model) != "gemini":
            return False
        return super().supports(mode, channel, model)

    def chat_wire(self, call: Call, channel: ChannelView) -> str:
        return {"claude": "claude", "gemini": "gemini"}.get(family_of(call.upstream_model), "openai")

    def claude_options(self, call: Call, channel: ChannelView) -> ClaudeOptions:
        return replace(super().claude_options(call, channel), anthropic_version=CLAUDE_VERSION, url_sources=False)

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        draft = super().chat(call, channel, files)
        if isinstance(draft, Draft) and draft.wire == "claude":
            action = ":streamRawPredict?alt=sse" if call.stream else ":rawPredict"
            draft.path = claude_name(draft.model) + action
        return draft

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        if call.client_dialect == "gemini":
            request = embeddings.read_gemini_request(call.body, path_model=call.upstream_model)
        else:
            request = embeddings.read_openai_request(call.body, path_model=call.upstream_model)
        body = embeddings.write_vertex_request(request)
        return Draft(body, path=f"{call.upstream_model}:predict", wire="vertex", model=call.upstream_model)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        if is_express(channel):
            base = channel.base_url.rstrip("/") or "https://aiplatform.googleapis.com"
            return f"{base}/v1/publishers/google/models/{draft.path}"
        region = region_of(channel, call.model)
        host = "aiplatform.googleapis.com" if region == "global" else f"{region}-aiplatform.googleapis.com"
        base = channel.base_url.rstrip("/") or f"https://{host}"
        project = _account(channel).project_id or str(channel.setting.get("vertex_project_id") or "")
        if not project:
            raise KeyFormatError("the service account has no project_id")
        family = family_of(draft.model)
        if family == "open":
            tail = "endpoints/openapi/chat/completions"
            return f"{base}/v1beta1/projects/{project}/locations/{region}/{tail}"
        publisher = "anthropic" if family == "claude" else "google"
        return f"{base}/v1/projects/{project}/locations/{region}/publishers/{publisher}/models/{draft.path}"

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        if is_express(channel):
            return (("x-goog-api-key", channel.key.strip()),)
        if not credential:
            raise KeyFormatError("a Vertex call needs a token")
        return (("Authorization", f"Bearer {credential}"),)

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        beta = call.client_headers.get("anthropic-beta") if draft.wire == "claude" else None
        return (("anthropic-beta", beta),) if beta else ()

    # --- token ---

    def credential_key(self, channel: ChannelView) -> str:
        return "" if is_express(channel) else key_digest("vertex", channel.key)

    def credential_request(self, channel: ChannelView, now_s: int) -> CredentialRequest:
        account = _account(channel)
        try:
            assertion = google_assertion(account, now_s)
        except SigningKeyError as error:
            raise KeyFormatError(str(error)) from None
        body = f"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        headers = (("Content-Type", "application/x-www-form-urlencoded"),)
        return CredentialRequest(account.token_uri, headers, body.encode())

    def read_credential(self, status: int, body: bytes, now_s: int) -> Credential:
        try:
            held = msgspec.json.decode(body, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            held = _Token()
        if not held.access_token:
            text = held.error_description or held.error or f"the token service answered with status {status}"
            raise failed(text, code="invalid_credentials", status=401)
        expires_s = now_s + held.expires_in
        return Credential(held.access_token, expires_s, max(expires_s - REFRESH_EARLY_S, now_s))


def is_express(channel: ChannelView) -> bool:
    """An API key instead of a service account's JSON."""
    return not channel.key.lstrip().startswith("{")


def _account(channel: ChannelView) -> ServiceAccount:
    try:
        return read_service_account(channel.key)
    except SigningKeyError as error:
        raise KeyFormatError(str(error)) from None
