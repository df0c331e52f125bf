"""Image generation: OpenAI's clients to OpenAI-like, Imagen, Gemini, Zhipu, xAI, SiliconFlow, Cloudflare and Ali providers.

Sources: OpenAI API reference, Images; Gemini API, Imagen (predict) and image generation; Zhipu, xAI and SiliconFlow API
references; Workers AI text-to-image; DashScope text2image (asynchronous tasks).
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import multipart
from schema.dialects.body import UNREADABLE, encode, read_object, read_struct, rest_of, without_none
from schema.dialects.errors import BadAnswer, DialectError
from schema.dialects.gemini.answer import read_answer as read_gemini
from schema.dialects.neutral import Image, Json, UpstreamError
from schema.dialects.openai.errors import error_of
from schema.usage import TokenUsage

DEFAULT_SIZE = "1024x1024"
COUNT_MAX = 128  # pictures of one call; each is charged
_SIZES = {
    "dall-e-2": frozenset({"256x256", "512x512", "1024x1024"}),
    "dall-e": frozenset({"256x256", "512x512", "1024x1024"}),
    "dall-e-3": frozenset({"1024x1024", "1024x1792", "1792x1024"}),
}
_ASPECTS = {
    "1024x1024": "1:1",
    "512x512": "1:1",
    "256x256": "1:1",
    "1024x1792": "9:16",
    "1792x1024": "16:9",
    "1024x1536": "3:4",
    "1536x1024": "4:3",
}


class ImageRequest(Struct, frozen=True):
    model: str
    prompt: str
    n: int = 1
    size: str = DEFAULT_SIZE
    quality: str = ""  # '' = not given; dall-e-3 means `standard`
    style: str = ""
    response_format: str = ""  # url, b64_json
    user: str = ""
    extra: Json = {}


class Picture(Struct, frozen=True):
    """`url` or `data` (base64) is set."""

    url: str = ""
    data: str = ""
    revised_prompt: str = ""


class ImageAnswer(Struct, frozen=True):
    pictures: tuple[Picture, ...]
    created_s: int = 0
    usage: TokenUsage | None = None  # gpt-image models report tokens


class _Wish(Struct, frozen=True):
    model: str = "dall-e-2"
    prompt: str = ""
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    response_format: str | None = None
    user: str | None = None


def read_request(body: bytes, *, path_model: str = "") -> ImageRequest:
    """Raises DialectError for an empty prompt and for sizes that the named model does not draw."""
    members = read_object(body)
    wish = read_struct(members, _Wish)
    model = path_model or wish.model
    if not wish.prompt:
        raise DialectError("prompt is required", param="prompt")
    n, size = check_count(wish.n), check_size(model, wish.size or DEFAULT_SIZE)
    quality = wish.quality or ("standard" if model == "dall-e-3" else "")
    return ImageRequest(
        model,
        wish.prompt,
        n,
        size,
        quality,
        wish.style or "",
        wish.response_format or "",
        wish.user or "",
        rest_of(members, _Wish),
    )


def read_form_request(body: bytes, content_type: str) -> tuple[ImageRequest, list[multipart.Part]]:
    """Edits and variations come as forms; the form itself is sent on with `model` replaced. Variations have no prompt."""
    parts = multipart.read_parts(body, multipart.boundary_of(content_type))
    if not any(part.filename is not None for part in parts):
        raise DialectError("image is required", param="image")
    fields = {name: multipart.field(body, parts, name) or "" for name in ("model", "prompt", "n", "size", "quality")}
    if fields["n"] and not fields["n"].isdigit():
        raise DialectError("n must be a number", param="n")
    model = fields["model"] or "dall-e-2"
    request = ImageRequest(
        model,
        fields["prompt"],
        check_count(int(fields["n"]) if fields["n"] else None),
        check_size(model, fields["size"] or DEFAULT_SIZE),
        fields["quality"],
    )
    return request, parts


def check_count(n: int | None) -> int:
    if n is not None and not 0 <= n <= COUNT_MAX:
        raise DialectError(f"n must be 1 to {COUNT_MAX}", param="n")
    return n or 1


def check_size(model: str, size: str) -> str:
    if "×" in size:
        raise DialectError("size must be written with the letter x, as in 1024x1024", param="size")
    sizes = _SIZES.get(model)
    if sizes is not None and size not in sizes:
        raise DialectError(f"size must be one of {', '.join(sorted(sizes))} for {model}", param="size")
    return size


# --- providers ---


def write_openai_request(request: ImageRequest, model: str) -> bytes:
    members = {
        "model": model,
        "prompt": request.prompt,
        "n": request.n,
        "size": request.size,
        "quality": request.quality or None,
        "style": request.style or None,
        "response_format": request.response_format or None,
        "user": request.user or None,
    }
    return encode(request.extra | without_none(members))


def write_xai_request(request: ImageRequest, model: str) -> bytes:
    """xAI refuses size, quality and style."""
    members = {
        "model": model,
        "prompt": request.prompt,
        "n": request.n,
        "response_format": request.response_format or None,
    }
    return encode(without_none(members))


def write_zhipu_request(request: ImageRequest, model: str) -> bytes:
    members = {"model": model, "prompt": request.prompt, "size": request.size, "user_id": request.user or None}
    return encode(without_none(members))


def write_siliconflow_request(request: ImageRequest, model: str) -> bytes:
    return encode({"model": model, "prompt": request.prompt, "image_size": request.size, "batch_size": request.n})


def write_cloudflare_request(request: ImageRequest) -> bytes:
    width, _, height = request.size.partition("x")
    size = {"width": int(width), "height": int(height)} if width.isdigit() and height.isdigit() else {}
    return encode({"prompt": request.prompt, **size})


def write_imagen_request(request: ImageRequest) -> bytes:
    parameters = {
        "sampleCount": request.n,
        "aspectRatio": _ASPECTS.get(request.size, "1:1"),
        "personGeneration": "allow_adult",
    }
    return encode({"instances": [{"prompt": request.prompt}], "parameters": parameters})


def write_gemini_request(request: ImageRequest) -> bytes:
    """Gemini's own image models answer through generateContent, one picture a call."""
    config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
    if request.size in _ASPECTS:
        config["imageConfig"] = {"aspectRatio": _ASPECTS[request.size]}
    return encode({"contents": [{"role": "user", "parts": [{"text": request.prompt}]}], "generationConfig": config})


def write_ali_request(request: ImageRequest, model: str) -> bytes:
    """Needs the header `X-DashScope-Async: enable`; the answer is a task to be polled."""
    parameters: dict[str, Any] = {"size": request.size.replace("x", "*"), "n": request.n}
    return encode({"model": model, "input": {"prompt": request.prompt}, "parameters": parameters})


class _Datum(Struct, frozen=True):
    url: str | None = None
    b64_json: str | None = None
    revised_prompt: str | None = None


class _Details(Struct, frozen=True):
    image_tokens: int | None = None
    text_tokens: int | None = None
    cached_tokens: int | None = None


class _Usage(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None


class _OpenAIAnswer(Struct, frozen=True):
    created: float | None = None
    data: list[_Datum] | None = None
    images: list[_Datum] | None = None  # SiliconFlow
    usage: _Usage | None = None
    error: Any = None


class _Prediction(Struct, frozen=True, rename="camel"):
    bytes_base64_encoded: str | None = None
    rai_filtered_reason: str | None = None


class _ImagenAnswer(Struct, frozen=True):
    predictions: list[_Prediction] | None = None
    error: Any = None


_decode_openai = msgspec.json.Decoder(_OpenAIAnswer, strict=False).decode
_decode_imagen = msgspec.json.Decoder(_ImagenAnswer, strict=False).decode


def read_openai_answer(body: bytes) -> ImageAnswer:
    """Also Zhipu's, xAI's and SiliconFlow's. Raises BadAnswer when there is no picture."""
    try:
        answer = _decode_openai(body)
    except UNREADABLE:
        raise _unreadable() from None
    if answer.error:
        raise BadAnswer(error_of(answer.error, status=0))
    found = answer.data if answer.data is not None else answer.images
    if not found:
        raise _no_images()
    pictures = [Picture(item.url or "", item.b64_json or "", item.revised_prompt or "") for item in found]
    return ImageAnswer(tuple(pictures), int(answer.created or 0), read_usage(answer.usage))


def read_usage(usage: _Usage | None) -> TokenUsage | None:
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return None
    prompt = usage.input_tokens or 0
    images = min((usage.input_tokens_details.image_tokens or 0) if usage.input_tokens_details else 0, prompt)
    return TokenUsage(input_text=prompt - images, input_image=images, output_text=usage.output_tokens or 0)


def usage_of_answer(body: bytes) -> TokenUsage | None:
    """Tokens of a passed-through answer, and nothing else of it."""
    try:
        return read_usage(_decode_openai(body).usage)
    except UNREADABLE:
        return None


def count_of_answer(body: bytes) -> int:
    """Pictures in a passed-through answer: what is charged."""
    try:
        return len(_decode_openai(body).data or ())
    except UNREADABLE:
        return 0


def read_imagen_answer(body: bytes) -> ImageAnswer:
    """Filtered pictures are skipped; if none is left that is the client's error."""
    try:
        answer = _decode_imagen(body)
    except UNREADABLE:
        raise _unreadable() from None
    if answer.error:
        raise BadAnswer(error_of(answer.error, status=0))
    pictures = [
        Picture(data=item.bytes_base64_encoded)
        for item in answer.predictions or ()
        if item.bytes_base64_encoded and not item.rai_filtered_reason
    ]
    if not pictures:
        raise _no_images()
    return ImageAnswer(tuple(pictures))


def read_gemini_answer(body: bytes) -> ImageAnswer:
    answer = read_gemini(body)
    blocks = [block for choice in answer.choices for block in choice.blocks]
    pictures = [Picture(block.url, block.data) for block in blocks if isinstance(block, Image)]
    if not pictures:
        raise _no_images()
    return ImageAnswer(tuple(pictures), usage=answer.usage)


def _unreadable() -> BadAnswer:
    return BadAnswer(UpstreamError("the upstream's answer cannot be read", "upstream_error", "bad_response_body"))


def _no_images() -> BadAnswer:
    return BadAnswer(UpstreamError("no images were generated", "invalid_request_error", "no_images", status=400))


# --- Ali's tasks ---


class AliTask(Struct, frozen=True):
    """`pictures` is filled when `done` and not failed; `failure` is the provider's word."""

    id: str = ""
    done: bool = False
    pictures: tuple[Picture, ...] = ()
    failure: str = ""


class _AliOutput(Struct, frozen=True):
    task_id: str = ""
    task_status: str = ""
    results: list[_Datum] | None = None
    message: str | None = None
    code: str | None = None


class _AliAnswer(Struct, frozen=True):
    output: _AliOutput | None = None
    code: str | None = None
    message: str | None = None


_decode_ali = msgspec.json.Decoder(_AliAnswer, strict=False).decode


def read_ali_task(body: bytes) -> AliTask:
    """Answer of the creation and of each poll."""
    try:
        answer = _decode_ali(body)
    except UNREADABLE:
        raise _unreadable() from None
    output = answer.output
    if output is None:
        text = answer.message or "the upstream's answer has no task"
        raise BadAnswer(UpstreamError(text, answer.code or "ali_error", answer.code or ""))
    match output.task_status:
        case "SUCCEEDED":
            pictures = tuple([Picture(item.url or "") for item in output.results or () if item.url])
            return AliTask(output.task_id, True, pictures, "" if pictures else "no images were generated")
        case "FAILED" | "CANCELED" | "UNKNOWN":
            return AliTask(output.task_id, True, failure=output.message or output.code or output.task_status)
    return AliTask(output.task_id)


# --- clients ---


def write_answer(answer: ImageAnswer, *, created_s: int) -> bytes:
    """url, b64_json and revised_prompt are always there, '' if none."""
    data = [
        {"url": picture.url, "b64_json": picture.data, "revised_prompt": picture.revised_prompt}
        for picture in answer.pictures
    ]
    body: dict[str, Any] = {"created": answer.created_s or created_s, "data": data}
    if answer.usage is not None:
        usage = answer.usage
        body["usage"] = {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "input_tokens_details": {
                "image_tokens": usage.input_image,
                "text_tokens": usage.prompt_tokens - usage.input_image,
            },
        }
    return encode(body)
