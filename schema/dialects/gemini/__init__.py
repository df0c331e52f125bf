"""Gemini generateContent, of Google's API and of Vertex."""

from schema.dialects import neutral
from schema.dialects.base import EventReader as Reader
from schema.dialects.base import EventWriter as Writer
from schema.dialects.base import Meter, StreamContext, Target
from schema.dialects.files import urls_of
from schema.dialects.gemini.answer import read_answer, write_answer
from schema.dialects.gemini.errors import read_error, write_error
from schema.dialects.gemini.meter import GenerateMeter
from schema.dialects.gemini.models import write_model, write_models
from schema.dialects.gemini.pass_through import edit_request
from schema.dialects.gemini.request_reader import read_request
from schema.dialects.gemini.request_writer import write_request
from schema.dialects.gemini.stream_reader import EventReader
from schema.dialects.gemini.stream_writer import EventWriter


class Gemini:
    name = "gemini"
    stream_type = "text/event-stream"  # application/json for a JSON array stream

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
        return urls_of(request)

    def event_reader(self) -> Reader:
        return EventReader()

    def event_writer(self, ctx: StreamContext) -> Writer:
        return EventWriter(ctx)

    def meter(self) -> Meter:
        return GenerateMeter()
