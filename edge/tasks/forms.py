"""The body of a submit: JSON, or a form whose text fields are read and whose bytes go upstream as they came."""

from msgspec.structs import replace

from edge.tasks.call import TaskCall, read_json
from schema.dialects import multipart
from schema.dialects.errors import DialectError
from schema.tasks.platform import Submit, TaskRefused

FIELD_BYTES_MAX = 64 * 1024  # of one text field


async def read_submit_body(call: TaskCall) -> Submit:
    """Raises Refused, TaskRefused."""
    place = call.place
    data = await call.raw_body()
    content_type = call.headers.get(b"content-type", b"").decode("latin-1")
    if not content_type.lower().startswith("multipart/form-data") or place.platform == "mj":
        return call.platform.read_submit(place.path, read_json(data, place.platform), place.mode)
    try:
        parts = multipart.read_parts(data, multipart.boundary_of(content_type))
    except DialectError as error:
        raise TaskRefused("invalid_request", error.message) from None
    fields = {
        part.name: data[part.start : min(part.end, part.start + FIELD_BYTES_MAX)].decode("utf-8", "replace")
        for part in parts
        if part.filename is None
    }
    submit = call.platform.read_submit(place.path, fields, place.mode)
    return replace(submit, form=data, content_type=content_type)
