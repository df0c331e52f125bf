"""What each provider answers, as the client reads it: plain, streamed, wrong; and the usage in it."""

import base64
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects import neutral
from schema.dialects.errors import BadAnswer
from schema.dialects.fold import fold
from schema.dialects.openai.meter import ChatMeter
from schema.dialects.providers.answers import finish_answer, finish_events, open_reader, read_chat
from schema.dialects.providers.base import Outgoing, Settings
from schema.dialects.providers.facts import learn
from schema.dialects.providers.framing import ArrayReader, LineReader
from schema.dialects.providers.wires import in_band_error
from schema.dialects.signing.eventstream import write_message
from schema.usage import TokenUsage
from tests.schema.dialects.providers.calls import BODIES, call, channel, prepare

GOLDEN = Path(__file__).parents[3] / "golden" / "providers"
U42 = TokenUsage(input_text=4, output_text=2)
CACHED = TokenUsage(input_text=4, input_cached=3, output_text=2)


def read(name):
    return (GOLDEN / name).read_bytes()


def sent(wire, **members):
    return Outgoing(url="https://x", headers=(), body=b"", wire=wire, **members)


def binary(name):
    """AWS's framing around the fixture's lines."""
    pieces = []
    for line in read(name).splitlines():
        kind, _, payload = line.partition(b" ")
        pieces.append(write_message({":message-type": "event", ":event-type": kind.decode()}, payload))
    return b"".join(pieces)


def events_of(outgoing, data, cuts=()):
    reader, edges = open_reader(outgoing), [0, *sorted(cuts), len(data)]
    events = [event for a, b in pairwise(edges) for event in reader.feed(data[a:b])]
    return events + reader.close(), reader.finished


def said(answer):
    """(thoughts, text, calls, finish) of the first choice."""
    blocks = answer.choices[0].blocks
    thoughts = "".join(block.text for block in blocks if isinstance(block, neutral.Thinking))
    calls = [(block.name, block.arguments) for block in blocks if isinstance(block, neutral.ToolCall)]
    return thoughts, neutral.text_of(blocks), calls, answer.choices[0].finish


CALL = [("f", '{"a":1}')]
PLAIN = [
    ("baidu", "baidu.answer.json", ("", "Hello", [], "length"), U42),
    ("tencent", "tencent.answer.json", ("", "", CALL, "tool_calls"), TokenUsage(input_text=5, output_text=7)),
    ("dify", "dify.answer.json", ("", "Hello", [], "stop"), TokenUsage(input_text=5, output_text=2)),
    ("aiproxy-library", "aiproxy-library.answer.json", ("", "Hello\n\n1. [T](https://d.x/1)", [], "stop"), None),
    ("deepl", "deepl.answer.json", ("", "Hallo", [], "stop"), None),
    ("ollama", "ollama.answer.json", ("", "Hello", [], "length"), U42),
    ("converse", "converse.answer.json", ("hm", "Hello", CALL, "tool_calls"), CACHED),
    ("minimax", "minimax.answer.json", ("", "Hello", [], "stop"), U42),
    (
        "openai",
        "xai.answer.json",
        ("hm", "Hello", [], "stop"),
        TokenUsage(input_text=3, input_cached=1, output_text=12, reasoning=10),
    ),
]


@pytest.mark.parametrize(("wire", "name", "expected", "usage"), PLAIN, ids=[row[1] for row in PLAIN])
def test_plain_answers(wire, name, expected, usage):
    answer = read_chat(sent(wire), read(name))
    assert said(answer) == expected and answer.usage == usage


STREAMS = [
    ("baidu", "sse", "baidu.stream.sse", ("", "Hello\nthere", [], "stop"), U42),
    ("tencent", "sse", "tencent.stream.sse", ("", "Hello", [], "stop"), TokenUsage(input_text=5, output_text=2)),
    (
        "dify",
        "sse",
        "dify.stream.sse",
        ("", "<think>hm</think>Hello", [], "stop"),
        TokenUsage(input_text=5, output_text=2),
    ),
    (
        "dify-debug",
        "sse",
        "dify.stream.sse",
        ("Workflow: wf1\nNode: llm [succeeded]\n", "<think>hm</think>Hello", [], "stop"),
        TokenUsage(input_text=5, output_text=2),
    ),
    ("dify", "sse", "dify.workflow.sse", ("", "done", [], "stop"), None),
    ("coze", "sse", "coze.stream.sse", ("", "Hello", [], "stop"), U42),
    ("aiproxy-library", "sse", "aiproxy-library.stream.sse", ("", "Hello\n\n1. [T](https://d.x/1)", [], "stop"), None),
    ("replicate", "sse", "replicate.stream.sse", ("", "Hello\nthere", [], "stop"), None),
    ("ollama", "json_lines", "ollama.stream.jsonl", ("hm", "Hello", CALL, "tool_calls"), U42),
    ("converse", "eventstream", "converse.stream.frames", ("hm", "Hello", CALL, "tool_calls"), CACHED),
    (
        "openai",
        "sse",
        "moonshot.stream.sse",
        ("", "Hello", [], "stop"),
        TokenUsage(input_text=1, input_cached=3, output_text=2),
    ),
    (
        "openai",
        "sse",
        "deepseek.stream.sse",
        ("hm", "Hello", [], "stop"),
        TokenUsage(input_text=1, input_cached=3, output_text=2),
    ),
]
IDS = [f"{row[0]}: {row[2]}" for row in STREAMS]


def stream_data(framing, name):
    return binary(name) if framing == "eventstream" else read(name)


@pytest.mark.parametrize(("wire", "framing", "name", "expected", "usage"), STREAMS, ids=IDS)
def test_streams(wire, framing, name, expected, usage):
    events, finished = events_of(sent(wire, framing=framing), stream_data(framing, name))
    answer = fold(events)
    assert finished and said(answer) == expected and answer.usage == usage
    assert sum(isinstance(event, neutral.Finished) for event in events) == 1
    assert isinstance(events[0], neutral.Start)


@pytest.mark.parametrize(("wire", "framing", "name", "expected", "usage"), STREAMS, ids=IDS)
@given(data=st.data())
def test_streams_do_not_depend_on_how_the_network_slices_them(wire, framing, name, expected, usage, data):
    raw = stream_data(framing, name)
    cuts = data.draw(st.sets(st.integers(0, len(raw)), max_size=20))
    assert events_of(sent(wire, framing=framing), raw, cuts) == events_of(sent(wire, framing=framing), raw)


@pytest.mark.parametrize(("wire", "framing", "name", "expected", "usage"), STREAMS, ids=IDS)
def test_a_stream_that_breaks_off_is_not_finished(wire, framing, name, expected, usage):
    raw = stream_data(framing, name)
    events, finished = events_of(sent(wire, framing=framing), raw[: len(raw) // 3])
    assert not finished
    assert not any(isinstance(event, neutral.Finished) for event in events)


def test_xunfei_frames():
    reader = open_reader(sent("xunfei", framing="websocket", stream=True))
    events = [event for line in read("xunfei.stream.frames").splitlines() for event in reader.read(line)]
    answer = fold(events)
    assert said(answer) == ("", "Hello", [], "stop") and answer.usage == U42 and reader.finished


@pytest.mark.parametrize(
    ("wire", "name", "status", "code"),
    [
        ("xunfei", "xunfei.error.frames", 400, "10013"),
        ("dify", "dify.error.sse", 400, "provider_quota_exceeded"),
        ("coze", "coze.error.sse", 403, "4101"),
        ("baidu", b'data: {"error_code":18,"error_msg":"Open api qps request limit reached"}\n\n', 429, "18"),
        ("tencent", b'data: {"ErrorMsg":{"Code":"LimitExceeded","Message":"m"}}\n\n', 429, "LimitExceeded"),
        (
            "minimax",
            b'data: {"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}\n\n',
            403,
            "insufficient_quota",
        ),
        ("replicate", b"event: error\ndata: boom\n\n", 502, ""),
    ],
)
def test_errors_inside_streams(wire, name, status, code):
    reader = open_reader(sent(wire))
    raw = name if isinstance(name, bytes) else read(name)
    events = reader.read(raw) if wire == "xunfei" else reader.feed(raw)
    [failure] = [event for event in events if isinstance(event, neutral.Failed)]
    assert (failure.error.status, failure.error.code) == (status, code)


def test_bedrock_exceptions_inside_streams():
    data = write_message(
        {":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message":"slow"}'
    )
    for wire in ("claude", "converse"):
        [failure] = open_reader(sent(wire, framing="eventstream")).feed(data)
        assert failure.error.status == 429 and failure.error.message == "slow"


def test_bedrock_claude_streams():
    claude = (
        (GOLDEN.parent / "claude" / "text.stream.sse")
        if (GOLDEN.parent / "claude" / "text.stream.sse").exists()
        else None
    )
    raw = (claude or next((GOLDEN.parent / "claude").glob("*.stream.sse"))).read_bytes()
    payloads = [line[6:] for line in raw.splitlines() if line.startswith(b"data: ")]
    head = {":message-type": "event", ":event-type": "chunk"}
    data = b"".join(write_message(head, msgspec.json.encode({"bytes": base64.b64encode(p).decode()})) for p in payloads)
    framed, finished = events_of(sent("claude", framing="eventstream"), data)
    assert finished and framed == events_of(sent("claude"), raw)[0]


# --- errors inside a 200 ---


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("minimax.error.json", 401, "invalid_api_key"),
        (b'{"base_resp":{"status_code":1039,"status_msg":"tpm"}}', 429, "rate_limit_exceeded"),
        (b'{"base_resp":{"status_code":1027,"status_msg":"sensitive"}}', 400, "content_filter"),
        (b'{"error_code":336003,"error_msg":"bad"}', 400, "336003"),
        (b'{"error_code":6,"error_msg":"No permission"}', 403, "6"),
        (b'{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"r"}', 401, "InvalidApiKey"),
        (b'{"code":"Throttling.RateQuota","message":"m"}', 429, "Throttling.RateQuota"),
        (b'{"code":"DataInspectionFailed","message":"m"}', 400, "DataInspectionFailed"),
        (b'{"success":false,"errors":[{"code":7003,"message":"No route"}],"result":null}', 502, "7003"),
        (b'{"error":{"message":"x","type":"rate_limit_error"}}', 429, ""),
        (b'{"choices":[],"base_resp":{"status_code":1002,"status_msg":"rpm"}}', 429, "rate_limit_exceeded"),
    ],
)
def test_errors_inside_a_200(body, status, code):
    body = read(body) if isinstance(body, str) else body
    error = in_band_error(body)
    assert (error.status, error.code) == (status, code)
    with_usage = body.replace(b"{", b'{"usage":{"prompt_tokens":5,"completion_tokens":5},', 1)
    assert ChatMeter().usage_of_good_answer(with_usage) is None, "it must be looked at more closely"


@pytest.mark.parametrize(
    "body",
    [
        read("minimax.answer.json"),
        b'{"choices":[{"message":{"content":"\\"error\\": yes \\"code\\""}}]}',
        b'{"data":[{"embedding":[1]}],"error":null}',
        b'{"code":20000,"data":[]}',
        b'{"code":"odd","message":"fine","output":{"results":[]}}',
        b'not json with "error"',
    ],
)
def test_answers_are_not_taken_for_errors(body):
    assert in_band_error(body) is None


def test_a_passed_through_answer_keeps_its_bytes_and_tells_its_usage():
    body = read("xai.answer.json")
    answer = finish_answer(call(), sent("openai", passthrough=True), body, "application/json", id="x")
    assert answer.body is body and answer.usage.completion_tokens == 12
    with pytest.raises(BadAnswer) as error:
        finish_answer(call(), sent("minimax", passthrough=True), read("minimax.error.json"), "application/json", id="x")
    assert error.value.error.status == 401


def test_missing_usage_leaves_the_text_to_be_counted():
    answer = finish_answer(call(), sent("deepl"), read("deepl.answer.json"), "application/json", id="x")
    assert answer.usage is None and answer.text == "Hallo"
    body = b'{"choices":[{"message":{"content":"Hello"}}]}'
    plain = finish_answer(call(), sent("openai", passthrough=True), body, "application/json", id="x")
    assert plain.usage is None and plain.text == "Hello"


def test_thinking_to_content_in_streams_and_plain_answers():
    events, _ = events_of(sent("openai", thinking_to_content=True), read("deepseek.stream.sse"))
    assert said(fold(events))[:2] == ("", "<think>\nhm\n</think>\nHello")
    answer = finish_answer(
        call(), sent("openai", thinking_to_content=True), read("xai.answer.json"), "application/json", id="x"
    )
    message = msgspec.json.decode(answer.body)["choices"][0]["message"]
    assert message["content"] == "<think>\nhm\n</think>\nHello" and "reasoning_content" not in message


def test_the_requested_model_is_shown_when_the_operator_wants_it():
    wish = call(model="asked", upstream="other", settings=Settings(return_requested_model=True))
    answer = finish_answer(wish, sent("openai"), read("xai.answer.json"), "application/json", id="x")
    assert msgspec.json.decode(answer.body)["model"] == "asked"


@pytest.mark.parametrize("dialect", ["openai", "claude", "gemini", "completions", "responses"])
@pytest.mark.parametrize(("wire", "name", "expected", "usage"), PLAIN, ids=[row[1] for row in PLAIN])
def test_every_client_reads_every_plain_answer(wire, name, expected, usage, dialect):
    body = BODIES["responses"] | {"model": "m"} if dialect == "responses" else None
    wish = call("responses" if dialect == "responses" else "chat", dialect=dialect, body=body)
    answer = finish_answer(wish, sent(wire), read(name), "application/json", id="id1")
    assert answer.usage == usage
    assert msgspec.json.decode(answer.body) and (expected[1][:5].encode() in answer.body or not expected[1])


def test_a_stream_for_a_plain_client_is_folded():
    events, _ = events_of(sent("coze"), read("coze.stream.sse"))
    body = msgspec.json.decode(finish_events(call(), events, id="x").body)
    assert body["choices"][0]["message"]["content"] == "Hello" and body["usage"]["total_tokens"] == 6


# --- embeddings, rerank, pictures, audio ---


@pytest.mark.parametrize(
    ("name", "wire", "body", "tokens"),
    [
        (
            "cohere",
            "cohere",
            b'{"id":"x","embeddings":{"float":[[1.0],[2.0]]},"meta":{"billed_units":{"input_tokens":5}}}',
            5,
        ),
        ("ollama", "ollama", b'{"model":"m","embeddings":[[1.0],[2.0]],"prompt_eval_count":5}', 5),
        (
            "tencent",
            "tencent",
            b'{"Response":{"Data":[{"Embedding":[2.0],"Index":1},{"Embedding":[1.0],"Index":0}],"Usage":{"PromptTokens":5,"TotalTokens":5}}}',
            5,
        ),
        (
            "baidu",
            "baidu",
            b'{"id":"x","object":"embedding_list","data":[{"embedding":[1.0],"index":0},{"embedding":[2.0],"index":1}],"usage":{"prompt_tokens":5,"total_tokens":5}}',
            5,
        ),
        (
            "vertex",
            "vertex",
            b'{"predictions":[{"embeddings":{"values":[1.0],"statistics":{"token_count":2}}},{"embeddings":{"values":[2.0],"statistics":{"token_count":3}}}]}',
            5,
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_embeddings(name, wire, body, tokens, packed):
    """One vector an input, in order; base64 is made here where the provider has none."""
    model = {"vertex": "text-embedding-005", "baidu": "bge-large-zh"}.get(name, "m")
    wish = call(
        "embedding",
        model=model,
        body={"model": model, "input": ["a", "b"]} | ({"encoding_format": "base64"} if packed else {}),
    )
    answer = finish_answer(wish, prepare(name, "embedding", model=model), body, "application/json", id="x")
    held = msgspec.json.decode(answer.body)
    vectors = [item["embedding"] for item in held["data"]]
    assert vectors == (["AACAPw==", "AAAAQA=="] if packed else [[1.0], [2.0]])
    assert answer.usage.prompt_tokens == tokens == held["usage"]["total_tokens"] and held["model"] == model


def test_gemini_embeddings_of_several_batches_and_of_geminis_own_client():
    wish = call("embedding", model="gemini-embedding-001", body={"model": "x", "input": ["a", "b"]})
    outgoing = sent("gemini", state=(b'{"embeddings":[{"values":[1.0]}]}',))
    answer = finish_answer(wish, outgoing, b'{"embeddings":[{"values":[2.0]}]}', "application/json", id="x")
    assert [item["embedding"] for item in msgspec.json.decode(answer.body)["data"]] == [[1.0], [2.0]]
    own = call("embedding", dialect="gemini", model="g", body={"content": {"parts": [{"text": "a"}]}})
    answer = finish_answer(own, sent("openai"), b'{"data":[{"embedding":[1.0],"index":0}]}', "application/json", id="x")
    assert msgspec.json.decode(answer.body) == {"embedding": {"values": [1.0]}}


@pytest.mark.parametrize(
    "body",
    [
        b'{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}],"usage":{"total_tokens":5}}',
        b'{"id":"x","results":[{"index":0,"relevance_score":0.1},{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"input_tokens":5}}}',
        b'{"output":{"results":[{"index":0,"relevance_score":0.1},{"index":1,"relevance_score":0.9}]},"usage":{"total_tokens":5},"request_id":"r"}',
    ],
    ids=["jina", "cohere", "ali"],
)
def test_rerank(body):
    answer = finish_answer(call("rerank"), sent("rerank"), body, "application/json", id="x")
    held = msgspec.json.decode(answer.body)
    assert held["results"] == [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    assert held["usage"] == {"total_tokens": 5, "prompt_tokens": 5}


@pytest.mark.parametrize(
    ("wire", "body", "picture"),
    [
        (
            "imagen",
            b'{"predictions":[{"bytesBase64Encoded":"QUJD"},{"raiFilteredReason":"x"}]}',
            {"url": "", "b64_json": "QUJD", "revised_prompt": ""},
        ),
        (
            "ali-task",
            b'{"output":{"task_id":"t","task_status":"SUCCEEDED","results":[{"url":"https://u"},{"code":"x"}]}}',
            {"url": "https://u", "b64_json": "", "revised_prompt": ""},
        ),
        ("cloudflare", b"\x89PNG", {"url": "", "b64_json": "iVBORw==", "revised_prompt": ""}),
        (
            "cloudflare",
            b'{"result":{"image":"QUJD"},"success":true,"errors":[]}',
            {"url": "", "b64_json": "QUJD", "revised_prompt": ""},
        ),
        (
            "replicate",
            b'{"status":"succeeded","output":["https://u"]}',
            {"url": "https://u", "b64_json": "", "revised_prompt": ""},
        ),
        (
            "openai",
            b'{"images":[{"url":"https://u"}],"timings":{}}',
            {"url": "https://u", "b64_json": "", "revised_prompt": ""},
        ),
    ],
    ids=["imagen", "ali", "cloudflare bytes", "cloudflare json", "replicate", "siliconflow"],
)
def test_pictures_are_counted_as_they_come(wire, body, picture):
    answer = finish_answer(call("image"), sent(wire), body, "application/json", id="x")
    assert msgspec.json.decode(answer.body)["data"] == [picture] and answer.images == 1


def test_passed_through_pictures_are_counted_too():
    body = (
        b'{"created":1,"data":[{"b64_json":"QQ=="},{"b64_json":"QQ=="}],"usage":{"input_tokens":3,"output_tokens":4}}'
    )
    answer = finish_answer(call("image"), sent("openai", passthrough=True), body, "application/json", id="x")
    assert answer.images == 2 and answer.usage.total_tokens == 7


def test_cloudflares_transcript():
    wish = call("transcription")
    answer = finish_answer(
        wish, sent("cloudflare"), b'{"result":{"text":"hello"},"success":true}', "application/json", id="x"
    )
    assert msgspec.json.decode(answer.body) == {"text": "hello"} and answer.text == "hello"


def test_speech_passes_as_bytes():
    answer = finish_answer(call("speech"), sent("openai", passthrough=True), b"ID3\0", "audio/mpeg", id="x")
    assert (answer.body, answer.content_type) == (b"ID3\0", "audio/mpeg")


@pytest.mark.parametrize(
    "wire", ["baidu", "tencent", "dify", "coze", "deepl", "ollama", "converse", "minimax", "replicate", "xunfei"]
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"x":1}'])
def test_what_is_no_answer_is_a_bad_answer(wire, body):
    with pytest.raises(BadAnswer):
        read_chat(sent(wire), body)


@pytest.mark.parametrize(
    "wire", ["baidu", "tencent", "dify", "coze", "ollama", "converse", "minimax", "replicate", "xunfei"]
)
@given(data=st.binary(max_size=60))
def test_unknown_events_never_fail(wire, data):
    reader = open_reader(sent(wire))
    for payload in (data, b'{"event":"new_kind","type":"x"}', b"{}", b"[]", b"null"):
        reader.read(payload)


# --- errors with a status of their own ---


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "expected"),
    [
        (
            "openai",
            401,
            b'{"error":{"message":"Incorrect API key provided: sk-fakekey-0123456789.","type":"invalid_request_error","code":"invalid_api_key"}}',
            {},
            (401, "invalid_api_key"),
        ),
        (
            "aws",
            403,
            b'{"message":"The security token included in the request is invalid."}',
            {"x-amzn-errortype": "UnrecognizedClientException:http://x"},
            (401, "UnrecognizedClientException"),
        ),
        (
            "aws",
            429,
            b'{"message":"Too many requests"}',
            {"x-amzn-errortype": "ThrottlingException"},
            (429, "ThrottlingException"),
        ),
        (
            "aws",
            424,
            b'{"message":"m"}',
            {"x-amzn-errortype": "ModelNotReadyException"},
            (503, "ModelNotReadyException"),
        ),
        (
            "gemini",
            400,
            b'[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]',
            {},
            (400, "INVALID_ARGUMENT"),
        ),
        (
            "anthropic",
            529,
            b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
            {},
            (529, ""),
        ),
        ("cohere", 401, b'{"message":"invalid api token"}', {}, (401, "bad_response_status_code")),
        (
            "mistral",
            422,
            b'{"object":"error","message":"bad","type":"invalid_request_error","code":null}',
            {},
            (422, "bad_response_status_code"),
        ),
        ("ollama", 404, b'{"error":"model not found"}', {}, (404, "")),
        ("azure", 400, b'{"error":{"message":"filtered","code":"content_filter","status":400}}', {}, (400, None)),
        ("openai", 502, b"<html>bad gateway at https://api.openai.com</html>", {}, (502, "bad_response_status_code")),
    ],
)
def test_errors_by_status(name, status, body, headers, expected):
    from schema.dialects.providers.registry import get_provider

    error = get_provider(name).read_error(status, body, channel(name), headers)
    assert error.status == expected[0] and expected[1] in (error.code, None)
    assert error.message


@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("openai", "Incorrect API key provided: sk-fakekey-0123456789"),
        ("openai", "Incorrect key: sk-proj-abc***************xyz"),
        ("aws", "signature of fakeSecretKeyFakeSecret for AKIAFAKEACCESS"),
        ("azure", "Post https://res.openai.azure.com/openai/deployments/x: refused"),
        ("openai", "dial tcp: lookup api.openai.com: no such host"),
        ("baidu", "client id fakeapikey unknown"),
        ("openai", "header Authorization: Bearer abcdef"),
    ],
)
def test_no_key_and_no_address_in_error_texts(name, leak):
    from schema.dialects.providers.registry import get_provider

    view = channel(name)
    body = msgspec.json.encode({"error": {"message": leak}})
    message = get_provider(name).read_error(400, body, view).message
    for part in ("fakekey", "sk-proj", "fakeSecret", "AKIAFAKE", "azure.com", "api.openai.com", "fakeapikey", "abcdef"):
        assert part not in message
    assert message


# --- what an attempt teaches ---


@pytest.mark.parametrize(
    ("outgoing", "status", "body", "fact"),
    [
        (sent("responses"), 404, b"", "no_responses"),
        (sent("responses"), 405, b"", "no_responses"),
        (sent("openai"), 404, b"", ""),
        (
            Outgoing(url="", headers=(), body=b'{"stream_options":{}}'),
            400,
            b'{"error":"Unknown parameter: stream_options"}',
            "no_stream_options",
        ),
        (sent("openai"), 400, b'{"error":"Unknown parameter: stream_options"}', ""),
        (sent("baidu"), 200, b'{"error_code":110,"error_msg":"Access token invalid"}', "drop_credential"),
    ],
)
def test_facts(outgoing, status, body, fact):
    assert learn(outgoing, status, body) == fact


# --- framings ---

LINES = [b'{"a":1}', b'{"b":"x\\ny"}', b"{}"]
ARRAY = b'[{"a":1}\n,\r\n{"b":"}{\\"]"},{"c":{"d":[{}]}}]'


@given(st.sets(st.integers(0, 40)))
def test_json_lines(cuts):
    data = b"\n".join(LINES)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    reader = LineReader()
    assert [line for a, b in pairwise(edges) for line in reader.feed(data[a:b])] + reader.close() == LINES


@given(st.sets(st.integers(0, len(ARRAY))))
def test_json_arrays(cuts):
    edges, reader = [0, *sorted(cuts), len(ARRAY)], ArrayReader()
    found = [item for a, b in pairwise(edges) for item in reader.feed(ARRAY[a:b])]
    assert found == [b'{"a":1}', b'{"b":"}{\\"]"}', b'{"c":{"d":[{}]}}']
