import json

import pytest

from schema.dialects import count_tokens, moderation
from schema.dialects.errors import DialectError
from tests.schema.dialects.golden import read


def test_claude_and_gemini_count_requests_say_everything_a_tokenizer_needs():
    request = count_tokens.read_count_request("claude", read("claude/tools.request.json"))
    found = count_tokens.countable(request)
    assert "weather" in found.texts and '{"city":"Paris"}' in found.texts and "And now?" in found.texts
    assert len(found.images) == 1 and len(found.tools) == 2 and found.roles == ("user", "assistant", "user")
    wrapped = json.dumps({"generateContentRequest": json.loads(read("gemini/tools.request.json"))}).encode()
    request = count_tokens.read_count_request("gemini", wrapped, path_model="m")
    assert "Use tools." in count_tokens.countable(request).texts


def test_counts_are_written_and_read():
    assert count_tokens.write_count("claude", 7) == b'{"input_tokens":7}'
    assert count_tokens.write_count("gemini", 7) == b'{"totalTokens":7}'
    assert count_tokens.read_count(b'{"input_tokens":7}') == 7
    assert count_tokens.read_count(b'{"totalTokens":7,"cachedContentTokenCount":1}') == 7
    assert count_tokens.read_count(b"{}") is None


def test_moderation_inputs():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x/a.png"}}]
    request = moderation.read_request(json.dumps({"input": parts}).encode())
    assert request == moderation.ModerationRequest(moderation.DEFAULT_MODEL, ("a",), 1)
    assert moderation.read_request(b'{"model":"m","input":["a","b"]}').texts == ("a", "b")
    assert moderation.edit_request(b'{"input":"a"}', "m") == b'{"input":"a","model":"m"}'


@pytest.mark.parametrize("body", [b"{}", b'{"input":""}', b'{"input":null}', b'{"input":[]}'])
def test_empty_moderation_input_is_refused(body):
    with pytest.raises(DialectError):
        moderation.read_request(body)
