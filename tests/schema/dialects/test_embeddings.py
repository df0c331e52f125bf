import base64
import json
import struct

import pytest
from google.genai.types import EmbedContentResponse
from openai.types import CreateEmbeddingResponse

from schema.dialects import embeddings
from schema.dialects.embeddings import EmbedAnswer, EmbedRequest
from schema.dialects.errors import BadAnswer, DialectError, Unsupported
from schema.usage import TokenUsage


def read(**members) -> EmbedRequest:
    return embeddings.read_openai_request(json.dumps({"model": "m"} | members).encode())


def test_openai_inputs_may_be_one_text_or_many_or_token_ids():
    assert read(input="a").inputs == ("a",)
    assert read(input=["a", "b"], dimensions=3).dimensions == 3
    assert read(input=[1, 2, 3]).token_inputs and read(input=[[1], [2]]).token_inputs


@pytest.mark.parametrize("wrong", [{}, {"input": None}, {"input": []}, {"input": ["a", 1]}, {"input": 7}])
def test_bad_inputs_are_refused(wrong):
    with pytest.raises(DialectError):
        read(**wrong)


def test_gemini_gets_every_input_in_batches_of_100():
    bodies = embeddings.write_gemini_requests(
        read(input=[f"t{i}" for i in range(250)], dimensions=8), "text-embedding-004"
    )
    requests = [item for body in bodies for item in json.loads(body)["requests"]]
    assert [len(json.loads(body)["requests"]) for body in bodies] == [100, 100, 50]
    assert requests[7] == {
        "model": "models/text-embedding-004",
        "content": {"parts": [{"text": "t7"}]},
        "outputDimensionality": 8,
    }


@pytest.mark.parametrize(
    "write",
    [
        lambda request: embeddings.write_gemini_requests(request, "m"),
        lambda request: embeddings.write_cohere_request(request, "m"),
        lambda request: embeddings.write_ollama_request(request, "m"),
        embeddings.write_vertex_request,
    ],
)
def test_token_ids_are_refused_where_the_provider_has_no_word_for_them(write):
    with pytest.raises(Unsupported):
        write(read(input=[1, 2]))


def test_ollama_answers_one_item_per_vector():
    answer = embeddings.read_ollama_answer(b'{"embeddings":[[1,2],[3,4]],"prompt_eval_count":5}')
    body = json.loads(embeddings.write_openai_answer(answer, read(input=["a", "b"]), model="U"))
    assert [item["embedding"] for item in body["data"]] == [[1, 2], [3, 4]]
    assert body["usage"] == {"prompt_tokens": 5, "total_tokens": 5} and body["model"] == "U"
    CreateEmbeddingResponse.model_validate(body)


def test_base64_is_made_here_when_the_provider_lacks_it():
    answer = EmbedAnswer(((0.5, -1.0),))
    body = json.loads(embeddings.write_openai_answer(answer, read(input="a", encoding_format="base64"), model="m"))
    assert struct.unpack("<2f", base64.b64decode(body["data"][0]["embedding"])) == (0.5, -1.0)


def test_cohere_and_vertex_and_openai_answers():
    body = b'{"id":"x","embeddings":{"float":[[1,2]]},"meta":{"billed_units":{"input_tokens":4}}}'
    assert embeddings.read_cohere_answer(body) == EmbedAnswer(([1.0, 2.0],), TokenUsage(input_text=4))
    body = b'{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":3}}}]}'
    assert embeddings.read_vertex_answer(body) == EmbedAnswer(([1.0],), TokenUsage(input_text=3))
    packed = base64.b64encode(struct.pack("<1f", 0.5)).decode()
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": packed}]
    body = json.dumps({"data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}).encode()
    assert embeddings.read_openai_answer(body) == EmbedAnswer(([0.5], [2.0]), TokenUsage(input_text=2))


def test_gemini_clients_get_their_own_shapes():
    one = embeddings.read_gemini_request(
        b'{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}', path_model="m"
    )
    many = embeddings.read_gemini_request(
        b'{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}', path_model=""
    )
    assert not one.batch and many.batch and many.model == "m" and one.input_type == "RETRIEVAL_QUERY"
    answer = EmbedAnswer(([1.0],))
    assert json.loads(embeddings.write_gemini_answer(answer, one)) == {"embedding": {"values": [1.0]}}
    EmbedContentResponse.model_validate(json.loads(embeddings.write_gemini_answer(answer, many)))


@pytest.mark.parametrize("body", [b"<html>", b'{"error":{"message":"x","type":"rate_limit_error"}}'])
def test_no_answer_is_an_error(body):
    with pytest.raises(BadAnswer):
        embeddings.read_ollama_answer(body)
