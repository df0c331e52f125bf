import json

import pytest
from cohere.v2.types.v2rerank_response import V2RerankResponse

from schema.dialects import rerank
from schema.dialects.errors import BadAnswer, DialectError
from schema.usage import TokenUsage

DOCUMENTS = ["alpha", {"text": "beta", "n": 1}, {"title": "gamma"}]


def read(**members):
    return rerank.read_request(json.dumps({"model": "m", "query": "q", "documents": DOCUMENTS} | members).encode())


def test_top_n_is_sent_only_if_asked():
    assert "top_n" not in json.loads(rerank.write_jina_request(read(), "u"))
    assert json.loads(rerank.write_jina_request(read(top_n=2), "u"))["top_n"] == 2


@pytest.mark.parametrize("wrong", [{"model": ""}, {"query": ""}, {"documents": []}, {"documents": "x"}])
def test_bad_requests_are_refused(wrong):
    with pytest.raises(DialectError):
        read(**wrong)


def test_cohere_and_ali_get_texts():
    body = json.loads(rerank.write_cohere_request(read(max_tokens_per_doc=9), "rerank-v3.5"))
    assert body["documents"] == ["alpha", "beta", '{"title":"gamma"}'] and body["max_tokens_per_doc"] == 9
    body = json.loads(rerank.write_ali_request(read(top_n=1, return_documents=True), "gte-rerank"))
    assert body["parameters"] == {"top_n": 1, "return_documents": True} and body["input"]["query"] == "q"


ANSWERS = {
    "jina": (
        {
            "model": "m",
            "usage": {"total_tokens": 12},
            "results": [{"index": 1, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.9}],
        },
        12,
    ),
    "cohere": (
        {
            "id": "c",
            "results": [{"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.1}],
            "meta": {"billed_units": {"search_units": 1}},
        },
        None,
    ),
    "siliconflow": (
        {
            "id": "s",
            "results": [{"index": 1, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.9}],
            "meta": {"billed_units": {"input_tokens": 7}, "tokens": {"input_tokens": 7}},
        },
        7,
    ),
    "ali": (
        {
            "request_id": "r",
            "output": {"results": [{"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.1}]},
            "usage": {"total_tokens": 5},
        },
        5,
    ),
}


@pytest.mark.parametrize("provider", ANSWERS)
def test_every_provider_answer_is_read_best_first(provider):
    wire, tokens = ANSWERS[provider]
    answer = rerank.read_answer(json.dumps(wire).encode())
    assert [(item.index, item.score) for item in answer.results] == [(0, 0.9), (1, 0.1)]
    assert answer.usage == (None if tokens is None else TokenUsage(input_text=tokens))


def test_documents_come_back_only_if_asked_and_as_the_client_sent_them():
    answer = rerank.read_answer(json.dumps(ANSWERS["jina"][0]).encode())
    plain = json.loads(rerank.write_answer(answer, read(), model="U", id="i"))
    assert plain["results"][0] == {"index": 0, "relevance_score": 0.9}
    assert plain["usage"] == {"total_tokens": 12, "prompt_tokens": 12} and plain["model"] == "U"
    full = json.loads(rerank.write_answer(answer, read(return_documents=True, top_n=1), model="U", id="i"))
    assert full["results"] == [{"index": 0, "relevance_score": 0.9, "document": {"text": "alpha"}}]


def test_cohere_clients_get_cohere_answers():
    answer = rerank.read_answer(json.dumps(ANSWERS["cohere"][0]).encode())
    body = json.loads(rerank.write_cohere_answer(answer, read(), id="i"))
    assert V2RerankResponse.model_validate(body).results[0].relevance_score == 0.9


@pytest.mark.parametrize("body", [b"x", b'{"code":"InvalidApiKey","message":"no","request_id":"r"}'])
def test_no_results_is_an_error(body):
    with pytest.raises(BadAnswer):
        rerank.read_answer(body)
