"""Baidu Wenxin v1: a token for two keys, a path for each model.

Source: cloud.baidu.com/doc/WENXINWORKSHOP: chat, embeddings, access_token, error codes.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import encode
from schema.dialects.embeddings import EmbedAnswer, read_openai_answer
from schema.dialects.errors import BadAnswer, Unsupported
from schema.dialects.openai.usage import Usage, read_usage
from schema.dialects.providers.answers import EMBEDDING_READERS, read_embed_request
from schema.dialects.providers.base import (
    Call,
    ChannelView,
    Credential,
    CredentialRequest,
    Headers,
    KeyFormatError,
)
from schema.dialects.providers.plain_text import Format, Message, OwnFormat, SSEReader, given, messages_of, text_answer
from schema.dialects.providers.template import TEXT, Draft, failed, key_digest
from schema.dialects.providers.wires import Formats, baidu_error

REFRESH_EARLY_S = 3600  # tokens live 30 days
_FOLDER = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
_EMBEDS = ("Embedding", "bge-large", "tao-8k")
_NAMES = {
    "ERNIE-4.0": "completions_pro",
    "ERNIE-Bot-4": "completions_pro",
    "ERNIE-4.0-8K": "completions_pro",
    "ERNIE-Bot": "completions",
    "ERNIE-3.5-8K": "completions",
    "ERNIE-Bot-turbo": "eb-instant",
    "ERNIE-Lite-8K-0922": "eb-instant",
    "ERNIE-Speed": "ernie_speed",
    "ERNIE-Speed-8K": "ernie_speed",
    "ERNIE-Bot-8K": "ernie_bot_8k",
    "ERNIE-Lite-8K-0308": "ernie-lite-8k",
    "BLOOMZ-7B": "bloomz_7b1",
    "Embedding-V1": "embedding-v1",
    "bge-large-zh": "bge_large_zh",
    "bge-large-en": "bge_large_en",
    "tao-8k": "tao_8k",
}


class _Token(Struct, frozen=True):
    access_token: str = ""
    expires_in: int = 0  # s
    error_description: str | None = None


class BaiduProvider(OwnFormat):
    name = "baidu"
    label = "Baidu Wenxin"
    base_url = "https://aip.baidubce.com"
    modes = TEXT | {"embedding"}
    wire = "baidu"

    def supports(self, mode: str, channel: ChannelView, model: str) -> bool:
        return super().supports(mode, channel, model) and (mode == "embedding") == model.startswith(_EMBEDS)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = (channel.base_url or self.base_url).rstrip("/")
        kind = "embeddings" if call.mode == "embedding" else "chat"
        name = _NAMES.get(call.upstream_model) or call.upstream_model.lower()
        return f"{base}{_FOLDER}/{kind}/{name}?access_token={draft.state}"

    def finish(self, draft: Draft, call: Call, channel: ChannelView, credential: str) -> Any:
        if not credential:
            raise KeyFormatError("a Baidu call needs a token")
        draft.state = credential
        outgoing = super().finish(draft, call, channel, credential)
        return msgspec.structs.replace(outgoing, state=None)

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return ()

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        messages = messages_of(request, self.label)
        system = "\n\n".join([message.text for message in messages if message.role == "system"])
        limit = request.max_tokens
        body = given(
            messages=[{"role": item.role, "content": item.text} for item in alternating(messages)],
            system=system,
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            penalty_score=request.sampling.frequency_penalty,
            user_id=request.user,
            max_output_tokens=max(limit, 2) if limit else None,
        )
        return Draft(encode(body | {"stream": call.stream}), wire="baidu")

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        request = read_embed_request(call)
        if request.token_inputs:
            raise Unsupported("input: token ids", self.label)
        return Draft(encode({"input": list(request.inputs)}), wire="baidu", model=call.upstream_model)

    # --- token ---

    def credential_key(self, channel: ChannelView) -> str:
        return key_digest("baidu", channel.key)

    def credential_request(self, channel: ChannelView, now_s: int) -> CredentialRequest:
        key, mark, secret = channel.key.strip().partition("|")
        if not mark or not key or not secret:
            raise KeyFormatError("the key is not ApiKey|SecretKey")
        query = f"grant_type=client_credentials&client_id={key}&client_secret={secret}"
        headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
        base = (channel.base_url or self.base_url).rstrip("/")
        return CredentialRequest(f"{base}/oauth/2.0/token?{query}", headers, b"")

    def read_credential(self, status: int, body: bytes, now_s: int) -> Credential:
        try:
            held = msgspec.json.decode(body, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            held = _Token()
        if not held.access_token:
            raise failed(held.error_description or "no token was given", code="invalid_credentials", status=401)
        expires_s = now_s + held.expires_in
        return Credential(held.access_token, expires_s, max(expires_s - REFRESH_EARLY_S, now_s))


def alternating(messages: list[Message]) -> list[Message]:
    """User and assistant by turns, a user at both ends: Baidu refuses anything else. Neighbours were merged already."""
    turns = [message for message in messages if message.role != "system"]
    if turns and turns[0].role == "assistant":
        turns.insert(0, Message("user", "..."))
    if turns and turns[-1].role == "assistant":
        turns.append(Message("user", "..."))
    return turns


class _Piece(Struct, frozen=True):
    id: str = ""
    created: int = 0
    result: str | None = None
    is_end: bool = False
    is_truncated: bool = False
    usage: Usage | None = None
    error_code: int | None = None
    error_msg: str | None = None


_decode = msgspec.json.Decoder(_Piece).decode


def _finish(piece: _Piece) -> neutral.Finish:
    return "length" if piece.is_truncated else "stop"


def read_answer(body: bytes) -> neutral.Answer:
    try:
        piece = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failed("the upstream's answer cannot be read", code="bad_response_body") from None
    if piece.error_code:
        raise BadAnswer(baidu_error(piece.error_code, piece.error_msg or ""))
    if piece.result is None:
        raise failed("the upstream's answer has no result", code="bad_response_body")
    usage = read_usage(piece.usage)
    return text_answer(piece.result, id=piece.id, created_s=piece.created, usage=usage, finish=_finish(piece))


class StreamReader(SSEReader):
    def __init__(self) -> None:
        super().__init__()
        self._started = False

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            piece = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        if piece.error_code:
            return [neutral.Failed(baidu_error(piece.error_code, piece.error_msg or ""))]
        events: list[neutral.Event] = [] if self._started else [neutral.Start(piece.id, "", piece.created)]
        self._started = True
        if piece.result:
            events.append(neutral.TextDelta(piece.result))
        usage = read_usage(piece.usage)
        if usage is not None:
            events.append(neutral.UsageEvent(usage))
        if piece.is_end:
            self.finished = True
            events.append(neutral.Finished(_finish(piece)))
        return events


def read_embeddings(body: bytes) -> EmbedAnswer:
    return read_openai_answer(body)


Formats.held["baidu"] = Format(read_answer, StreamReader)
EMBEDDING_READERS["baidu"] = read_embeddings
