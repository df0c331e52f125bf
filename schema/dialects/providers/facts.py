"""What a failed attempt teaches about a channel, so that the same channel may be tried once more in another way."""

from schema.dialects.providers.base import Fact, Outgoing

_BAIDU_TOKEN = (b'"error_code":110', b'"error_code":111', b'"error_code": 110', b'"error_code": 111')


def learn(sent: Outgoing, status: int, body: bytes) -> Fact:
    """'' = nothing. `status` is the upstream's own, before any mapping; 200 for an error inside an answer."""
    if sent.wire == "responses" and status in (404, 405):
        return "no_responses"
    if status in (400, 422) and b"stream_options" in body and b"stream_options" in sent.body:
        return "no_stream_options"
    if any(mark in body for mark in _BAIDU_TOKEN):
        return "drop_credential"
    return ""
