"""DeepL: the last message is translated; the target language stands behind the hyphen of the model's name.

Source: developers.deepl.com, translate text.
"""

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import encode
from schema.dialects.providers.base import Call, ChannelView, Headers
from schema.dialects.providers.plain_text import Format, OwnFormat, SSEReader, messages_of, text_answer
from schema.dialects.providers.template import Draft, failed
from schema.dialects.providers.urls import append
from schema.dialects.providers.wires import Formats

_DEFAULT_LANGUAGE = "ZH"


class DeepLProvider(OwnFormat):
    name = "deepl"
    label = "DeepL"
    base_url = "https://api-free.deepl.com"
    wire = "deepl"
    streams = False

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        return append(channel.base_url or self.base_url, "/v2/translate")

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return (("Authorization", f"DeepL-Auth-Key {channel.key.strip()}"),)

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        messages = messages_of(request, self.label)
        language = call.upstream_model.partition("-")[2] or _DEFAULT_LANGUAGE
        return Draft(encode({"text": [messages[-1].text], "target_lang": language}), wire="deepl")


class _Translation(Struct, frozen=True):
    text: str = ""


class _Answer(Struct, frozen=True):
    translations: list[_Translation] | None = None
    message: str | None = None


def read_answer(body: bytes) -> neutral.Answer:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = _Answer()
    if not answer.translations:
        raise failed(answer.message or "the upstream's answer has no translation", code="bad_response_body")
    return text_answer("".join([item.text for item in answer.translations]))


Formats.held["deepl"] = Format(read_answer, SSEReader)
