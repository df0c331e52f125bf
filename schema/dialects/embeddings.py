"""Embeddings: OpenAI's and Gemini's clients to OpenAI-like, Gemini, Vertex, Cohere and Ollama providers.

Sources: OpenAI API reference, Embeddings; Gemini API reference, embedContent and batchEmbedContents; Vertex AI text
embeddings (predict); Cohere API reference, Embed v2; Ollama API, embed.
"""

import base64
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from schema.dialects.body import UNREADABLE, encode, read_object, read_struct, without_none
from schema.dialects.errors import BadAnswer, DialectError, Unsupported
from schema.dialects.gemini.wire import Content, camel_members, parts_of
from schema.dialects.neutral import UpstreamError
from schema.dialects.openai.errors import error_of
from schema.dialects.openai.usage import Usage, read_usage
from schema.usage import TokenUsage

GEMINI_BATCH_MAX = 100  # inputs of one batchEmbedContents call


class EmbedRequest(Struct, frozen=True):
    """`inputs` are texts; `token_inputs` says that the client sent token ids instead, which only OpenAI-like servers take."""

    model: str
    inputs: tuple[str, ...]
    token_inputs: bool = False
    dimensions: int | None = None
    base64: bool = False  # the client wants little-endian float32 in base64
    input_type: str = ""  # Cohere's search_document ..., Gemini's RETRIEVAL_DOCUMENT ...
    title: str = ""
    user: str = ""
    batch: bool = True  # Gemini: batchEmbedContents, not embedContent


class EmbedAnswer(Struct, frozen=True):
    """One vector per input, in their order. `usage` None = not reported."""

    vectors: tuple[Sequence[float], ...]
    usage: TokenUsage | None = None


# --- clients ---


class _OpenAIRequest(Struct, frozen=True):
    model: str = ""
    input: str | list[Any] | None = None
    dimensions: int | None = None
    encoding_format: str | None = None
    input_type: str | None = None
    user: str | None = None


class _GeminiRequest(Struct, frozen=True, rename="camel"):
    content: Content | None = None
    requests: list["_GeminiRequest"] | None = None
    output_dimensionality: int | None = None
    task_type: str | None = None
    title: str | None = None
    model: str | None = None


def read_openai_request(body: bytes, *, path_model: str = "") -> EmbedRequest:
    wish = read_struct(read_object(body), _OpenAIRequest)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if wish.input is None or wish.input == []:
        raise DialectError("field input is required", param="input")
    inputs = [wish.input] if isinstance(wish.input, str) else wish.input
    texts = tuple([item for item in inputs if isinstance(item, str)])
    if texts and len(texts) != len(inputs):
        raise DialectError("input mixes texts and token ids", param="input")
    return EmbedRequest(
        model,
        texts,
        token_inputs=not texts,
        dimensions=wish.dimensions,
        base64=wish.encoding_format == "base64",
        input_type=wish.input_type or "",
        user=wish.user or "",
    )


def read_gemini_request(body: bytes, *, path_model: str) -> EmbedRequest:
    """embedContent and batchEmbedContents alike."""
    wish = read_struct(camel_members(read_object(body)), _GeminiRequest)
    items = wish.requests if wish.requests is not None else [wish]
    texts = tuple(["".join([part.text or "" for part in parts_of(item.content)]) for item in items])
    if not texts or not all(texts):
        raise DialectError("content is required", param="content")
    first = items[0]
    model = (path_model or wish.model or first.model or "").removeprefix("models/")
    return EmbedRequest(
        model,
        texts,
        dimensions=first.output_dimensionality,
        input_type=first.task_type or "",
        title=first.title or "",
        batch=wish.requests is not None,
    )


def write_openai_answer(answer: EmbedAnswer, request: EmbedRequest, *, model: str) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if request.base64 else vector}
        for index, vector in enumerate(answer.vectors)
    ]
    prompt = answer.usage.prompt_tokens if answer.usage else 0
    usage = {"prompt_tokens": prompt, "total_tokens": prompt}
    return encode({"object": "list", "data": data, "model": model, "usage": usage})


def write_gemini_answer(answer: EmbedAnswer, request: EmbedRequest) -> bytes:
    if request.batch:
        return encode({"embeddings": [{"values": vector} for vector in answer.vectors]})
    return encode({"embedding": {"values": answer.vectors[0]}})


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


# --- providers ---


def write_openai_request(request: EmbedRequest, model: str) -> bytes:
    """For a client of another dialect; OpenAI's own clients pass through."""
    inputs = request.inputs[0] if len(request.inputs) == 1 else list(request.inputs)
    members = {"model": model, "input": inputs, "dimensions": request.dimensions, "user": request.user or None}
    return encode(without_none(members))


def write_gemini_requests(request: EmbedRequest, model: str) -> list[bytes]:
    """Bodies of batchEmbedContents calls, at most GEMINI_BATCH_MAX inputs each."""
    _refuse_tokens(request, "Gemini")
    items = [
        without_none(
            {
                "model": f"models/{model}",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": request.dimensions,
                "taskType": request.input_type.upper() if request.input_type.isupper() else None,
                "title": request.title or None,
            }
        )
        for text in request.inputs
    ]
    steps = range(0, len(items), GEMINI_BATCH_MAX)
    return [encode({"requests": items[at : at + GEMINI_BATCH_MAX]}) for at in steps]


def write_vertex_request(request: EmbedRequest) -> bytes:
    _refuse_tokens(request, "Vertex")
    body: dict[str, Any] = {"instances": [{"content": text} for text in request.inputs]}
    if request.dimensions is not None:
        body["parameters"] = {"outputDimensionality": request.dimensions}
    return encode(body)


def write_cohere_request(request: EmbedRequest, model: str) -> bytes:
    _refuse_tokens(request, "Cohere")
    kind = request.input_type if request.input_type.islower() and request.input_type else "search_document"
    members = {
        "model": model,
        "texts": list(request.inputs),
        "input_type": kind,
        "embedding_types": ["float"],
        "output_dimension": request.dimensions,
    }
    return encode(without_none(members))


def write_ollama_request(request: EmbedRequest, model: str) -> bytes:
    _refuse_tokens(request, "Ollama")
    return encode(without_none({"model": model, "input": list(request.inputs), "dimensions": request.dimensions}))


def _refuse_tokens(request: EmbedRequest, name: str) -> None:
    if request.token_inputs:
        raise Unsupported("input: token ids", name)


class _Item(Struct, frozen=True):
    embedding: list[float] | str = ""
    index: int = 0


class _OpenAIAnswer(Struct, frozen=True):
    data: list[_Item] | None = None
    usage: Usage | None = None
    error: Any = None


class _Values(Struct, frozen=True):
    values: list[float] = []


class _GeminiAnswer(Struct, frozen=True):
    embeddings: list[_Values] | None = None
    embedding: _Values | None = None
    error: Any = None


class _Statistics(Struct, frozen=True):
    token_count: float = 0


class _VertexVector(Struct, frozen=True):
    values: list[float] = []
    statistics: _Statistics | None = None


class _Prediction(Struct, frozen=True):
    embeddings: _VertexVector


class _VertexAnswer(Struct, frozen=True):
    predictions: list[_Prediction] | None = None
    error: Any = None


class _Units(Struct, frozen=True):
    input_tokens: float | None = None


class _Meta(Struct, frozen=True):
    billed_units: _Units | None = None


class _ByType(Struct, frozen=True):
    floats: list[list[float]] | None = field(default=None, name="float")


class _CohereAnswer(Struct, frozen=True):
    embeddings: _ByType | list[list[float]] | None = None
    meta: _Meta | None = None
    error: Any = None


class _OllamaAnswer(Struct, frozen=True):
    embeddings: list[list[float]] | None = None
    prompt_eval_count: int | None = None
    error: Any = None


def read_openai_answer(body: bytes) -> EmbedAnswer:
    answer = _decoded(body, _OpenAIAnswer)
    items = sorted(answer.data or (), key=lambda item: item.index)
    return EmbedAnswer(tuple([_floats(item.embedding) for item in items]), read_usage(answer.usage))


def read_gemini_answers(bodies: list[bytes]) -> EmbedAnswer:
    """Answers of all batches, in their order. Gemini reports no usage."""
    vectors: list[Sequence[float]] = []
    for body in bodies:
        answer = _decoded(body, _GeminiAnswer)
        vectors += [item.values for item in answer.embeddings or ([answer.embedding] if answer.embedding else [])]
    return EmbedAnswer(tuple(vectors))


def read_vertex_answer(body: bytes) -> EmbedAnswer:
    found = [item.embeddings for item in _decoded(body, _VertexAnswer).predictions or ()]
    tokens = int(sum(item.statistics.token_count for item in found if item.statistics))
    return EmbedAnswer(tuple([item.values for item in found]), _prompt_only(tokens))


def read_cohere_answer(body: bytes) -> EmbedAnswer:
    answer = _decoded(body, _CohereAnswer)
    held = answer.embeddings
    vectors = held if isinstance(held, list) else (held.floats or []) if held else []
    units = answer.meta.billed_units if answer.meta else None
    return EmbedAnswer(tuple(vectors), _prompt_only(int(units.input_tokens or 0) if units else 0))


def read_ollama_answer(body: bytes) -> EmbedAnswer:
    answer = _decoded(body, _OllamaAnswer)
    return EmbedAnswer(tuple(answer.embeddings or ()), _prompt_only(answer.prompt_eval_count or 0))


def _prompt_only(tokens: int) -> TokenUsage | None:
    return TokenUsage(input_text=tokens) if tokens else None


def _floats(value: list[float] | str) -> list[float]:
    if isinstance(value, list):
        return value
    raw = base64.b64decode(value)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


A = TypeVar("A", _OpenAIAnswer, _GeminiAnswer, _VertexAnswer, _CohereAnswer, _OllamaAnswer)


def _decoded(body: bytes, kind: type[A]) -> A:
    """Raises BadAnswer for what is no answer of this shape, and for an error inside a 200."""
    try:
        answer = msgspec.json.decode(body, type=kind)
    except UNREADABLE:
        message = "the upstream's answer cannot be read"
        raise BadAnswer(UpstreamError(message, "upstream_error", "bad_response_body")) from None
    if answer.error:
        raise BadAnswer(error_of(answer.error, status=0))
    return answer
