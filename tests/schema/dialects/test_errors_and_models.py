import json

import pytest
from anthropic.types import ErrorResponse, ModelInfo
from openai.types import Model as OpenAIModel

from schema.dialects.base import ListedModel
from schema.dialects.errors import BadAnswer, words_of
from schema.dialects.neutral import UpstreamError
from schema.dialects.registry import NAMES, get_dialect
from tests.schema.dialects.golden import read

READ = [
    pytest.param(
        429,
        b'{"error":{"message":"quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}',
        UpstreamError("quota", "insufficient_quota", "insufficient_quota", "", 429),
        id="OpenAI",
    ),
    pytest.param(400, b'{"error":"bad"}', UpstreamError("bad", "upstream_error", "", "", 400), id="error as text"),
    pytest.param(
        400,
        b'{"error":{"message":"m","code":1210,"param":3}}',
        UpstreamError("m", "upstream_error", "1210", "3", 400),
        id="numbers as code and param",
    ),
    pytest.param(
        429,
        b'[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]',
        UpstreamError("m", "upstream_error", "RESOURCE_EXHAUSTED", "", 429),
        id="Google, as a list",
    ),
    pytest.param(
        401,
        b'{"message":"invalid api token"}',
        UpstreamError("invalid api token", "upstream_error", "bad_response_status_code", "", 401),
        id="Cohere: a message alone",
    ),
    pytest.param(
        422, b'{"detail":"x"}', UpstreamError("x", "upstream_error", "bad_response_status_code", "", 422), id="FastAPI"
    ),
    pytest.param(
        400,
        b'{"header":{"message":"h","code":10013}}',
        UpstreamError("h", "upstream_error", "bad_response_status_code", "", 400),
        id="nested in header",
    ),
    pytest.param(
        502,
        b"<html>proxy at 10.0.0.1</html>",
        UpstreamError("bad response status code 502", "upstream_error", "bad_response_status_code", "", 502),
        id="a page is not shown",
    ),
]


@pytest.mark.parametrize(("status", "body", "expected"), READ)
@pytest.mark.parametrize("name", NAMES)
def test_upstream_errors_are_read_by_every_dialect(name, status, body, expected):
    assert get_dialect(name).read_error(status, body) == expected


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"[[1]]", b'{"error":[]}', b'{"response":7,"header":[]}', b"\xff"]
)
def test_any_body_is_some_error(body):
    assert get_dialect("openai").read_error(500, body).status == 500


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', 529),
        (b'{"type":"error","error":{"type":"invalid_request_error","message":"x"}}', 400),
        (b'{"type":"error","error":{"type":"new_error","message":"x"}}', 502),
    ],
)
def test_an_error_inside_a_200_gets_its_natural_status(body, status):
    with pytest.raises(BadAnswer) as refused:
        get_dialect("claude").read_answer(body)
    assert refused.value.error.status == status


@pytest.mark.parametrize("name", [*NAMES])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff\xfe"])
def test_what_is_no_answer_is_a_bad_answer(name, body):
    with pytest.raises(BadAnswer) as refused:
        get_dialect(name).read_answer(body)
    assert refused.value.error.status == 502


def test_every_client_gets_its_own_envelope():
    written = {
        name: json.loads(get_dialect(name).write_error(429, "rate_limited", "slow down", request_id="r1"))
        for name in NAMES
    }
    openai = {
        "message": "slow down (request id: r1)",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limited",
    }
    assert written["openai"] == written["responses"] == written["completions"] == {"error": openai}
    assert written["claude"]["error"] == {"type": "rate_limit_error", "message": "slow down (request id: r1)"}
    assert written["gemini"]["error"]["status"] == "RESOURCE_EXHAUSTED" and written["gemini"]["error"]["code"] == 429
    assert written["cohere"] == {"message": "slow down (request id: r1)"}
    ErrorResponse.model_validate(written["claude"])


def test_our_own_type_is_kept_for_openai_clients_and_mapped_for_claudes():
    body = get_dialect("openai").write_error(400, "c", "m", type="new_api_error", request_id="")
    assert json.loads(body)["error"]["type"] == "new_api_error"
    body = get_dialect("claude").write_error(400, "c", "m", type="new_api_error", request_id="")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "invalid_request_error"),
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (502, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_claude_words(status, expected):
    assert words_of(status).claude == expected


def test_model_listings():
    models = [ListedModel("gpt-4o", 5, "openai"), ListedModel("text-embedding-3-small")]
    openai = json.loads(get_dialect("openai").write_models(models))
    assert openai["object"] == "list" and OpenAIModel.model_validate(openai["data"][0]).created == 5
    claude = json.loads(get_dialect("claude").write_models(models))
    assert (
        claude["first_id"] == "gpt-4o" and claude["last_id"] == "text-embedding-3-small" and claude["has_more"] is False
    )
    assert ModelInfo.model_validate(claude["data"][0]).id == "gpt-4o"
    gemini = json.loads(get_dialect("gemini").write_models(models))["models"]
    assert gemini[0]["name"] == "models/gpt-4o" and gemini[0]["baseModelId"] == "gpt-4o"
    assert gemini[1]["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]
    assert json.loads(get_dialect("claude").write_models([])) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_a_blocked_prompt_is_the_clients_error():
    with pytest.raises(BadAnswer) as refused:
        get_dialect("gemini").read_answer(read("gemini/blocked.answer.json"))
    assert (refused.value.error.status, refused.value.error.code) == (400, "content_filter")
