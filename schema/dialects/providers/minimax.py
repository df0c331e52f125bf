"""MiniMax: errors inside a 200 (`base_resp`), and a second address for the abab models.

Source: platform.minimaxi.com, ChatCompletion v2, error codes.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import EventReader, Meter
from schema.dialects.errors import BadAnswer
from schema.dialects.files import Fetched
from schema.dialects.openai.answer import read_answer
from schema.dialects.openai.meter import ChatMeter
from schema.dialects.openai.stream_reader import ChunkReader
from schema.dialects.providers.base import Call, ChannelView, NeedsFiles
from schema.dialects.providers.openai_like import OpenAILike, Quirks
from schema.dialects.providers.template import ALL, Draft
from schema.dialects.providers.urls import PATHS, append
from schema.dialects.providers.wires import Formats, in_band_error, minimax_error


class MiniMaxProvider(OpenAILike):
    def __init__(self) -> None:
        super().__init__("minimax", Quirks("MiniMax", "https://api.minimax.chat", modes=ALL, completions=False))

    def takes_stream_options(self, channel: ChannelView) -> bool:
        return not any(model.startswith("abab") for model in channel.models)

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        draft = super().chat(call, channel, files)
        if isinstance(draft, Draft) and draft.wire == "openai":
            draft.wire = "minimax"
            draft.passthrough = draft.passthrough and not call.stream  # the last event is not one of OpenAI's
        return draft

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        if draft.path == PATHS["chat"] and draft.model.startswith("abab"):
            return append(channel.base_url or self.base_url, "/v1/text/chatcompletion_v2")
        return super().address(draft, call, channel)


class _BaseResp(Struct, frozen=True):
    status_code: int = 0
    status_msg: str = ""


class _Chunk(Struct, frozen=True):
    base_resp: _BaseResp | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def failure_of(payload: bytes) -> neutral.UpstreamError | None:
    if b'"base_resp"' not in payload:
        return None
    try:
        held = _decode(payload).base_resp
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return minimax_error(held.status_code, held.status_msg) if held and held.status_code else None


class MiniMaxReader(ChunkReader):
    """The last event says the whole answer once more, as `message`: only its usage counts."""

    def read(self, payload: bytes) -> list[neutral.Event]:
        failure = failure_of(payload)
        if failure is not None:
            return [neutral.Failed(failure)]
        events = super().read(payload)
        if self.finished and b'"message"' in payload:
            return [event for event in events if isinstance(event, neutral.UsageEvent | neutral.Finished)]
        return events


class MiniMaxMeter(ChatMeter):
    names_errors = False  # some have a `base_resp` instead

    def is_error_event(self, payload: bytes) -> bool:
        return failure_of(payload) is not None or super().is_error_event(payload)


class MiniMax:
    def read_answer(self, body: bytes) -> neutral.Answer:
        failure = in_band_error(body)
        if failure is not None:
            raise BadAnswer(failure)
        return read_answer(body)

    def event_reader(self) -> EventReader:
        return MiniMaxReader()

    def meter(self) -> Meter:
        return MiniMaxMeter()


Formats.held["minimax"] = MiniMax()
