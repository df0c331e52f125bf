"""OpenAI Chat Completions, and everything that speaks like it."""

from schema.dialects import neutral
from schema.dialects.base import EventReader, EventWriter, Meter, StreamContext, Target
from schema.dialects.files import urls_of
from schema.dialects.openai.answer import read_answer, write_answer
from schema.dialects.openai.errors import read_error, write_error
from schema.dialects.openai.meter import ChatMeter
from schema.dialects.openai.models import write_model, write_models
from schema.dialects.openai.pass_through import edit_request
from schema.dialects.openai.request_reader import read_request
from schema.dialects.openai.request_writer import write_request
from schema.dialects.openai.stream_reader import ChunkReader
from schema.dialects.openai.stream_writer import ChunkWriter


class OpenAI:
    name = "openai"
    stream_type = "text/event-stream"

    read_request = staticmethod(read_request)
    write_request = staticmethod(write_request)
    edit_request = staticmethod(edit_request)
    read_answer = staticmethod(read_answer)
    write_answer = staticmethod(write_answer)
    write_error = staticmethod(write_error)
    read_error = staticmethod(read_error)
    write_models = staticmethod(write_models)
    write_model = staticmethod(write_model)

    def wants_files(self, request: neutral.Request, target: Target) -> list[str]:
        return urls_of(request, images=False)

    def event_reader(self) -> EventReader:
        return ChunkReader()

    def event_writer(self, ctx: StreamContext) -> EventWriter:
        return ChunkWriter(ctx)

    def meter(self) -> Meter:
        return ChatMeter()
