"""Rerank: Jina's and Cohere's clients to Jina-like, Cohere, SiliconFlow, Xinference and Ali providers.

Sources: Jina reranker API; Cohere API reference, Rerank v2; SiliconFlow API, rerank; Xinference REST API; DashScope API,
text rerank.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects.body import UNREADABLE, encode, read_object, read_struct, without_none
from schema.dialects.errors import BadAnswer, DialectError
from schema.dialects.neutral import UpstreamError, json_text
from schema.dialects.openai.errors import error_of
from schema.usage import TokenUsage


class RerankRequest(Struct, frozen=True):
    """`documents` are texts, objects with `text`, or anything else, as the client sent them."""

    model: str
    query: str
    documents: tuple[Any, ...]
    top_n: int | None = None  # None = all
    return_documents: bool = False
    max_tokens_per_doc: int | None = None
    max_chunks_per_doc: int | None = None
    overlap_tokens: int | None = None


class Ranked(Struct, frozen=True):
    index: int
    score: float


class RerankAnswer(Struct, frozen=True):
    """Best first. `usage` None = the provider reported no tokens."""

    results: tuple[Ranked, ...]
    id: str = ""
    usage: TokenUsage | None = None
    search_units: int = 0  # Cohere bills searches


class _Wish(Struct, frozen=True):
    model: str = ""
    query: str = ""
    documents: list[Any] | None = None
    top_n: int | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None
    max_chunk_per_doc: int | None = None
    max_chunks_per_doc: int | None = None
    overlap_tokens: int | None = None


def read_request(body: bytes, *, path_model: str = "") -> RerankRequest:
    """Jina's and Cohere's shapes differ in optional members alone."""
    wish = read_struct(read_object(body), _Wish)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.query:
        raise DialectError("query is required", param="query")
    if not wish.documents:
        raise DialectError("documents is required", param="documents")
    return RerankRequest(
        model,
        wish.query,
        tuple(wish.documents),
        wish.top_n or None,
        bool(wish.return_documents),
        wish.max_tokens_per_doc,
        wish.max_chunks_per_doc or wish.max_chunk_per_doc,
        wish.overlap_tokens,
    )


def text_of(document: Any) -> str:
    """The text that is ranked: also what is counted when a provider reports no usage."""
    if isinstance(document, str):
        return document
    if isinstance(document, dict) and isinstance(document.get("text"), str):
        return str(document["text"])
    return json_text(document)


# --- providers ---


def write_jina_request(request: RerankRequest, model: str) -> bytes:
    """For Jina, SiliconFlow, Xinference and whatever speaks like them."""
    members = {
        "model": model,
        "query": request.query,
        "documents": list(request.documents),
        "top_n": request.top_n,
        "return_documents": request.return_documents or None,
        "max_chunks_per_doc": request.max_chunks_per_doc,
        "overlap_tokens": request.overlap_tokens,
    }
    return encode(without_none(members))


def write_cohere_request(request: RerankRequest, model: str) -> bytes:
    """v2 takes texts alone."""
    members = {
        "model": model,
        "query": request.query,
        "documents": [text_of(document) for document in request.documents],
        "top_n": request.top_n,
        "max_tokens_per_doc": request.max_tokens_per_doc,
    }
    return encode(without_none(members))


def write_ali_request(request: RerankRequest, model: str) -> bytes:
    documents = [text_of(document) for document in request.documents]
    parameters = without_none({"top_n": request.top_n, "return_documents": request.return_documents or None})
    return encode({"model": model, "input": {"query": request.query, "documents": documents}, "parameters": parameters})


class _Result(Struct, frozen=True):
    index: int = 0
    relevance_score: float = 0.0


class _Usage(Struct, frozen=True):
    total_tokens: float | None = None
    prompt_tokens: float | None = None


class _Units(Struct, frozen=True):
    input_tokens: float | None = None
    search_units: float | None = None


class _Meta(Struct, frozen=True):
    billed_units: _Units | None = None
    tokens: _Units | None = None


class _Output(Struct, frozen=True):
    results: list[_Result] | None = None


class _Answer(Struct, frozen=True):
    """All providers' answers: none uses another's members for something else."""

    id: str | None = None
    request_id: str | None = None
    results: list[_Result] | None = None
    output: _Output | None = None
    usage: _Usage | None = None
    meta: _Meta | None = None
    error: Any = None
    code: Any = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Answer, strict=False).decode


def read_answer(body: bytes) -> RerankAnswer:
    """Answer of any provider. Raises BadAnswer for what has no results."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        raise BadAnswer(_unreadable("the upstream's answer cannot be read")) from None
    if answer.error:
        raise BadAnswer(error_of(answer.error, status=0))
    found = answer.results if answer.results is not None else answer.output.results if answer.output else None
    if found is None:
        raise BadAnswer(_unreadable(answer.message or "the upstream's answer has no results", str(answer.code or "")))
    ranked = sorted([Ranked(item.index, item.relevance_score) for item in found], key=lambda item: -item.score)
    units = answer.meta.billed_units if answer.meta else None
    return RerankAnswer(
        tuple(ranked),
        answer.id or answer.request_id or "",
        _usage(answer),
        int(units.search_units or 0) if units else 0,
    )


def _unreadable(message: str, code: str = "") -> UpstreamError:
    return UpstreamError(message, "upstream_error", code or "bad_response_body")


def _usage(answer: _Answer) -> TokenUsage | None:
    tokens = (answer.usage.total_tokens or answer.usage.prompt_tokens or 0) if answer.usage else 0
    for held in (answer.meta.billed_units, answer.meta.tokens) if answer.meta else ():
        tokens = tokens or (held.input_tokens or 0 if held else 0)
    return TokenUsage(input_text=int(tokens)) if tokens else None


# --- clients ---


def write_answer(answer: RerankAnswer, request: RerankRequest, *, model: str, id: str) -> bytes:
    """Jina's shape. Documents are the client's own, and only if it asked for them."""
    tokens = answer.usage.prompt_tokens if answer.usage else 0
    body = {
        "id": answer.id or id,
        "object": "list",
        "model": model,
        "results": _results(answer, request),
        "usage": {"total_tokens": tokens, "prompt_tokens": tokens},
    }
    return encode(body)


def write_cohere_answer(answer: RerankAnswer, request: RerankRequest, *, id: str) -> bytes:
    tokens = answer.usage.prompt_tokens if answer.usage else 0
    units: dict[str, int] = {"search_units": answer.search_units or 1} | ({"input_tokens": tokens} if tokens else {})
    meta = {"api_version": {"version": "2"}, "billed_units": units}
    return encode({"id": answer.id or id, "results": _results(answer, request), "meta": meta})


def _results(answer: RerankAnswer, request: RerankRequest) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for item in answer.results[: request.top_n]:
        result: dict[str, Any] = {"index": item.index, "relevance_score": item.score}
        if request.return_documents and 0 <= item.index < len(request.documents):
            document = request.documents[item.index]
            result["document"] = {"text": document} if isinstance(document, str) else document
        results.append(result)
    return results
