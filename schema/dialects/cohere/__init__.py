"""Cohere's v2 chat."""

from schema.dialects import neutral
from schema.dialects.base import EventReader as Reader
from schema.dialects.base import EventWriter as Writer
from schema.dialects.base import Meter, StreamContext, Target
from schema.dialects.body import edit_members, read_object
from schema.dialects.cohere.answer import read_answer, write_answer, write_error
from schema.dialects.cohere.meter import CohereMeter
from schema.dialects.cohere.request import read_request, write_request
from schema.dialects.cohere.stream import EventReader, EventWriter
from schema.dialects.openai.errors import read_error
from schema.dialects.openai.models import write_model, write_models


class Cohere:
    name = "cohere"
    stream_type = "text/event-stream"

    read_request = staticmethod(read_request)
    write_request = staticmethod(write_request)
    read_answer = staticmethod(read_answer)
    write_answer = staticmethod(write_answer)
    write_error = staticmethod(write_error)
    read_error = staticmethod(read_error)
    write_models = staticmethod(write_models)
    write_model = staticmethod(write_model)

    def edit_request(self, body: bytes, target: Target) -> bytes:
        members = read_object(body)
        return edit_members(body, {} if members.get("model") == target.model else {"model": target.model})

    def wants_files(self, request: neutral.Request, target: Target) -> list[str]:
        return []

    def event_reader(self) -> Reader:
        return EventReader()

    def event_writer(self, ctx: StreamContext) -> Writer:
        return EventWriter(ctx)

    def meter(self) -> Meter:
        return CohereMeter()
