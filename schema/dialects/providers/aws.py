"""AWS Bedrock without an SDK: Claude by InvokeModel, every other model by Converse; SigV4 or an API key.

Sources: docs.aws.amazon.com/bedrock: InvokeModel, InvokeModelWithResponseStream, Converse, ConverseStream, cross-region
inference profiles, API keys.
"""

from collections.abc import Mapping
from urllib.parse import quote

from msgspec.structs import replace

from schema.dialects import neutral
from schema.dialects.base import ClaudeOptions
from schema.dialects.body import edit_members
from schema.dialects.files import Fetched, put_files, urls_of
from schema.dialects.openai.errors import read_error
from schema.dialects.providers.base import Call, ChannelView, Headers, KeyFormatError, NeedsFiles, Outgoing
from schema.dialects.providers.converse import write_converse
from schema.dialects.providers.template import TEXT, BaseProvider, Draft, by_name
from schema.dialects.registry import get_dialect
from schema.dialects.signing.sigv4 import sign_sigv4
from schema.dialects.suffixes import Suffix

CLAUDE_VERSION = "bedrock-2023-05-31"
_AREAS = {"us": "us", "eu": "eu", "ap": "apac"}

# our name -> Bedrock's id, and the areas with a cross-region profile. Source: Bedrock user guide, supported models
CLAUDE_IDS: dict[str, tuple[str, str]] = {
    "claude-instant-1.2": ("anthropic.claude-instant-v1", ""),
    "claude-2.0": ("anthropic.claude-v2", ""),
    "claude-2.1": ("anthropic.claude-v2:1", ""),
    "claude-3-sonnet-20240229": ("anthropic.claude-3-sonnet-20240229-v1:0", "us eu ap"),
    "claude-3-opus-20240229": ("anthropic.claude-3-opus-20240229-v1:0", "us"),
    "claude-3-haiku-20240307": ("anthropic.claude-3-haiku-20240307-v1:0", "us eu ap"),
    "claude-3-5-sonnet-20240620": ("anthropic.claude-3-5-sonnet-20240620-v1:0", "us eu ap"),
    "claude-3-5-sonnet-20241022": ("anthropic.claude-3-5-sonnet-20241022-v2:0", "us ap"),
    "claude-3-5-haiku-20241022": ("anthropic.claude-3-5-haiku-20241022-v1:0", "us"),
    "claude-3-7-sonnet-20250219": ("anthropic.claude-3-7-sonnet-20250219-v1:0", "us eu ap"),
    "claude-sonnet-4-20250514": ("anthropic.claude-sonnet-4-20250514-v1:0", "us eu ap"),
    "claude-opus-4-20250514": ("anthropic.claude-opus-4-20250514-v1:0", "us"),
    "claude-opus-4-1-20250805": ("anthropic.claude-opus-4-1-20250805-v1:0", "us"),
    "claude-sonnet-4-5-20250929": ("anthropic.claude-sonnet-4-5-20250929-v1:0", "us eu ap"),
    "claude-haiku-4-5-20251001": ("anthropic.claude-haiku-4-5-20251001-v1:0", "us eu ap"),
}
ERROR_STATUS = {
    "UnrecognizedClientException": 401,
    "InvalidSignatureException": 401,
    "ExpiredTokenException": 401,
    "IncompleteSignature": 401,
    "AccessDeniedException": 403,
    "ThrottlingException": 429,
    "ServiceQuotaExceededException": 429,
    "ValidationException": 400,
    "ResourceNotFoundException": 404,
    "ModelNotReadyException": 503,
    "ServiceUnavailableException": 503,
    "ModelTimeoutException": 504,
}


def read_key(key: str) -> tuple[str, str, str]:
    """(access key, secret key, region) or ('', bearer token, region). Raises KeyFormatError."""
    parts = [part.strip() for part in key.strip().split("|")]
    if len(parts) == 3 and all(parts):
        return parts[0], parts[1], parts[2]
    if len(parts) == 2 and all(parts):
        return "", parts[1], parts[0]
    raise KeyFormatError("the key is not AccessKey|SecretKey|Region, nor Region|ApiKey")


def model_id(model: str, region: str) -> str:
    id, areas = CLAUDE_IDS.get(model, (model, ""))
    area = region.partition("-")[0]
    return f"{_AREAS[area]}.{id}" if area in areas.split() and area in _AREAS else id


def is_claude(model: str) -> bool:
    return model.startswith("claude") or "anthropic." in model


class AWSProvider(BaseProvider):
    name = "aws"
    label = "AWS Bedrock"
    modes = TEXT
    wire = "claude"
    native = frozenset({"claude"})

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return by_name(call, channel)

    def claude_options(self, call: Call, channel: ChannelView) -> ClaudeOptions:
        return replace(
            super().claude_options(call, channel),
            anthropic_version=CLAUDE_VERSION,
            keep_stream=False,
            url_sources=False,
        )

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        draft = (
            self.claude(call, channel, files) if is_claude(call.upstream_model) else self.converse(call, channel, files)
        )
        if isinstance(draft, Draft) and call.stream:
            draft.framing = "eventstream"
        return draft

    def claude(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        draft = super().chat(call, channel, files)
        if not isinstance(draft, Draft):
            return draft
        beta = call.client_headers.get("anthropic-beta")
        if beta:
            names = [name.strip() for name in beta.split(",") if name.strip()]
            draft.body = edit_members(draft.body, {"anthropic_beta": names})
        if call.stream:
            draft.passthrough = False  # the events lie in binary frames
        draft.path = "invoke-with-response-stream" if call.stream else "invoke"
        return draft

    def converse(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        client = get_dialect(call.client_dialect)
        request = client.read_request(call.body, path_model=call.upstream_model, stream=call.stream)
        wanted = [url for url in urls_of(request) if url not in (files or {})]
        if wanted:
            return NeedsFiles(tuple(wanted))
        dropped: list[str] = []
        target = self.target(call, channel)
        body = write_converse(put_files(request, files or {}), target, dropped)
        path = "converse-stream" if call.stream else "converse"
        return Draft(
            body,
            path=path,
            wire="converse",
            stream=call.stream,
            model=target.model,
            dropped=tuple(dict.fromkeys(dropped)),
        )

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        region = read_key(channel.key)[2]
        base = channel.base_url.rstrip("/") or f"https://bedrock-runtime.{region}.amazonaws.com"
        return f"{base}/model/{quote(model_id(draft.model, region), safe='')}/{draft.path}"

    def accept(self, draft: Draft, call: Call) -> str:
        return "application/vnd.amazon.eventstream" if draft.stream else "application/json"

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        access, secret, _ = read_key(channel.key)
        return () if access else (("Authorization", f"Bearer {secret}"),)

    def sign(self, outgoing: Outgoing, call: Call, channel: ChannelView) -> Outgoing:
        access, secret, region = read_key(channel.key)
        if not access:
            return outgoing
        headers = sign_sigv4(
            outgoing.method,
            outgoing.url,
            outgoing.headers,
            outgoing.body,
            access_key=access,
            secret_key=secret,
            region=region,
            service="bedrock",
            now_s=call.now_s,
        )
        return replace(outgoing, headers=headers)

    def error_of(self, status: int, body: bytes, headers: Mapping[str, str]) -> neutral.UpstreamError:
        """Bedrock names the error in a header; an expired or unknown key comes as 403 and is a 401 by nature."""
        error = read_error(status, body)
        name = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
        return replace(error, code=name, status=ERROR_STATUS.get(name, status)) if name else error
