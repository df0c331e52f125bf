"""Replicate: a prediction is made, then its stream is read, or (pictures) its result is polled for.

Source: replicate.com/docs/reference/http: models.predictions.create, predictions.get, streaming.
"""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schema.dialects import images, neutral
from schema.dialects.base import Target
from schema.dialects.body import encode
from schema.dialects.providers.answers import IMAGE_READERS
from schema.dialects.providers.base import Call, ChannelView, Outgoing
from schema.dialects.providers.plain_text import Format, NamedReader, OwnFormat, given, messages_of
from schema.dialects.providers.template import TEXT, Draft, failed
from schema.dialects.providers.wires import Formats

POLL_S = 3.0
POLL_TOTAL_S = 180.0  # then the picture is given up
_HOSTS = ("replicate.com", "replicate.delivery")


class ReplicateProvider(OwnFormat):
    name = "replicate"
    label = "Replicate"
    base_url = "https://api.replicate.com/v1/models/"
    modes = TEXT | {"image"}
    wire = "replicate"

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = (channel.base_url or self.base_url).rstrip("/")
        folder = base if base.endswith("/models") else base.removesuffix("/v1") + "/v1/models"
        return f"{folder}/{call.upstream_model}/predictions"

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        messages = messages_of(request, self.label)
        prompt = "".join([f"{item.role}: {item.text}\n" for item in messages if item.role != "system"])
        system = "\n\n".join([item.text for item in messages if item.role == "system"])
        wish = given(
            prompt=prompt,
            system_prompt=system,
            max_tokens=request.max_tokens,
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            presence_penalty=request.sampling.presence_penalty,
            frequency_penalty=request.sampling.frequency_penalty,
        )
        return Draft(encode({"stream": True, "input": wish}), wire="replicate", more=True, stream=True)

    def image(self, call: Call, channel: ChannelView) -> Draft:
        request = images.read_request(call.body)
        wish: dict[str, Any] = {"prompt": request.prompt, "num_outputs": request.n}
        width, _, height = request.size.partition("x")
        if width.isdigit() and height.isdigit():
            wish |= {"width": int(width), "height": int(height)}
        return Draft(encode({"input": wish}), wire="replicate", model=call.upstream_model, more=True, state=0.0)

    def next_step(
        self, call: Call, channel: ChannelView, sent: Outgoing, body: bytes, *, credential: str = ""
    ) -> Outgoing:
        held = _prediction(body)
        if held.status in ("failed", "canceled"):
            raise failed(str(held.error or f"the prediction {held.status}"), code="prediction_failed")
        headers = tuple((name, text) for name, text in sent.headers if name != "Content-Type")
        if call.mode != "image":
            url = _checked(held.urls.stream)
            shown = tuple((name, "text/event-stream" if name == "Accept" else text) for name, text in headers)
            return replace(sent, url=url, method="GET", headers=shown, body=b"", more=False)
        if held.status == "succeeded":
            return replace(sent, method="", more=False)
        if sent.state >= POLL_TOTAL_S:
            raise failed("the picture was not ready in time", code="timeout", status=504)
        return replace(
            sent,
            url=_checked(held.urls.get),
            method="GET",
            headers=headers,
            body=b"",
            delay_s=POLL_S,
            state=sent.state + POLL_S,
        )


def _checked(url: str) -> str:
    """The key goes to Replicate's own hosts alone, whatever an answer says."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not any(host == known or host.endswith("." + known) for known in _HOSTS):
        raise failed("the prediction has no usable address", code="bad_response_body")
    return url


class _Urls(Struct, frozen=True):
    get: str = ""
    stream: str = ""


class _Prediction(Struct, frozen=True):
    status: str = ""
    urls: _Urls = _Urls()
    output: Any = None
    error: Any = None


def _prediction(body: bytes) -> _Prediction:
    try:
        return msgspec.json.decode(body, type=_Prediction)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failed("the upstream's answer cannot be read", code="bad_response_body") from None


class StreamReader(NamedReader):
    """`output` events are raw text; `done` ends."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False

    def read_named(self, name: str, payload: bytes) -> list[neutral.Event]:
        events: list[neutral.Event] = [] if self._started else [neutral.Start()]
        self._started = True
        text = payload.decode("utf-8", "replace")
        if name == "output" and text:
            events.append(neutral.TextDelta(text))
        elif name == "error":
            return [neutral.Failed(neutral.UpstreamError(text or "the prediction failed", "replicate_error"))]
        elif name == "done":
            self.finished = True
            events.append(neutral.Finished("stop"))
        return events


def read_answer(body: bytes) -> neutral.Answer:
    held = _prediction(body)
    text = "".join(map(str, held.output)) if isinstance(held.output, list) else str(held.output or "")
    if not text:
        raise failed(str(held.error or "the prediction has no output"), code="prediction_failed")
    return neutral.Answer(choices=(neutral.Choice((neutral.Text(text),)),))


def read_pictures(body: bytes) -> images.ImageAnswer:
    output = _prediction(body).output
    links = output if isinstance(output, list) else [output]
    pictures = tuple([images.Picture(link) for link in links if isinstance(link, str) and link])
    if not pictures:
        raise failed("no images were generated", code="no_images", status=400)
    return images.ImageAnswer(pictures)


Formats.held["replicate"] = Format(read_answer, StreamReader)
IMAGE_READERS["replicate"] = read_pictures
