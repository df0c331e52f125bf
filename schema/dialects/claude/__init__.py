"""Claude Messages, of Anthropic and of the hosts that speak it (Bedrock, Vertex)."""

from schema.dialects import neutral
from schema.dialects.base import EventReader as Reader
from schema.dialects.base import EventWriter as Writer
from schema.dialects.base import Meter, StreamContext, Target
from schema.dialects.claude.answer import read_answer, write_answer
from schema.dialects.claude.errors import read_error, write_error
from schema.dialects.claude.meter import MessagesMeter
from schema.dialects.claude.models import write_model, write_models
from schema.dialects.claude.pass_through import edit_request
from schema.dialects.claude.request_reader import read_request
from schema.dialects.claude.request_writer import write_request
from schema.dialects.claude.stream_reader import EventReader
from schema.dialects.claude.stream_writer import EventWriter
from schema.dialects.files import urls_of


class Claude:
    name = "claude"
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
        return [] if target.claude.url_sources else urls_of(request)

    def event_reader(self) -> Reader:
        return EventReader()

    def event_writer(self, ctx: StreamContext) -> Writer:
        return EventWriter(ctx)

    def meter(self) -> Meter:
        return MessagesMeter()
