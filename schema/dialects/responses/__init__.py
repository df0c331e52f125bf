"""OpenAI Responses, for stateless use."""

from schema.dialects import neutral
from schema.dialects.base import EventReader as Reader
from schema.dialects.base import EventWriter as Writer
from schema.dialects.base import Meter, StreamContext, Target
from schema.dialects.openai.errors import read_error, write_error
from schema.dialects.openai.models import write_model, write_models
from schema.dialects.responses.answer import read_answer, write_answer
from schema.dialects.responses.meter import ResponsesMeter
from schema.dialects.responses.pass_through import edit_request
from schema.dialects.responses.request_reader import read_request
from schema.dialects.responses.request_writer import write_request
from schema.dialects.responses.stream_reader import EventReader
from schema.dialects.responses.stream_writer import EventWriter


class Responses:
    name = "responses"
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
        return []

    def event_reader(self) -> Reader:
        return EventReader()

    def event_writer(self, ctx: StreamContext) -> Writer:
        return EventWriter(ctx)

    def meter(self) -> Meter:
        return ResponsesMeter()
