"""Cloudflare Workers AI: OpenAI-like chat and embeddings of an account, everything else by `run`.

Source: developers.cloudflare.com/workers-ai: OpenAI-compatible endpoints, REST `ai/run`, Whisper, text-to-image; AI Gateway.
"""

import base64

import msgspec
from msgspec import Struct

from schema.dialects import audio, images
from schema.dialects.base import OpenAIOptions
from schema.dialects.errors import Unsupported
from schema.dialects.providers.answers import IMAGE_READERS
from schema.dialects.providers.base import Call, ChannelView, KeyFormatError
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.template import Draft, failed
from schema.dialects.providers.urls import PATHS

_GATEWAY = "https://gateway.ai.cloudflare.com"
_TEXT_FORMATS = frozenset({"json", "text"})


class CloudflareProvider(OpenAILike):
    def __init__(self) -> None:
        quirks = Quirks(
            "Cloudflare",
            "https://api.cloudflare.com",
            modes=CHAT_EMBED | {"image", "transcription"},
            completions=False,
            options=OpenAIOptions(developer_role=False, reasoning_prefixes=(), top_k=True),
        )
        super().__init__("cloudflare", quirks)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = (channel.base_url or self.base_url).rstrip("/")
        runs = draft.path not in (PATHS["chat"], PATHS["embedding"])
        if base.startswith(_GATEWAY):
            return f"{base}/{draft.model}" if runs else base + draft.path
        account = channel.other.strip()
        if not account:
            raise KeyFormatError("a Cloudflare channel needs the account id")
        folder = f"{base}/client/v4/accounts/{account}/ai"
        return f"{folder}/run/{draft.model}" if runs else folder + draft.path

    def image(self, call: Call, channel: ChannelView) -> Draft:
        body = images.write_cloudflare_request(images.read_request(call.body))
        return Draft(body, path=PATHS["image"], wire="cloudflare", model=call.upstream_model)

    def upload(self, call: Call) -> Draft:
        """Whisper takes the recording's bytes alone."""
        wish = audio.read_transcription_request(call.body, call.content_type)
        if wish.response_format not in _TEXT_FORMATS or wish.stream:
            feature = "stream" if wish.stream else f"response_format {wish.response_format}"
            raise Unsupported(feature, self.label)
        recording = call.body[wish.file.start : wish.file.end]
        return Draft(
            recording,
            path=PATHS["transcription"],
            content_type="application/octet-stream",
            wire="cloudflare",
            model=call.upstream_model,
        )


class _Drawn(Struct, frozen=True):
    image: str = ""  # base64


class _Run(Struct, frozen=True):
    result: _Drawn | None = None


def read_picture(body: bytes) -> images.ImageAnswer:
    """Either the picture's own bytes or JSON with base64, by model."""
    if not body.startswith(b"{"):
        return images.ImageAnswer((images.Picture(data=base64.b64encode(body).decode()),))
    try:
        held = msgspec.json.decode(body, type=_Run)
    except (msgspec.DecodeError, UnicodeDecodeError):
        held = _Run()
    if held.result is None or not held.result.image:
        raise failed("no images were generated", code="no_images")
    return images.ImageAnswer((images.Picture(data=held.result.image),))


IMAGE_READERS["cloudflare"] = read_picture
