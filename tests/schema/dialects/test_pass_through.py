"""Same dialect on both sides: only what must change is changed, and nothing at all when nothing must."""

import json

import pytest

from schema.dialects.base import ClaudeOptions, OpenAIOptions, Target
from schema.dialects.errors import DialectError
from schema.dialects.neutral import Reasoning
from schema.dialects.openai.pass_through import leaves_as_it_came
from schema.dialects.override import OverrideError, apply_override, read_override
from schema.dialects.registry import NAMES, get_dialect


def edit(dialect: str, body: bytes, model: str, **options) -> bytes:
    return get_dialect(dialect).edit_request(body, Target(model, **options))


ODD = b'{ "model" : "m", "temperature":0.0, "n":0, "zzz":{"a":[1.50,"\\u00e9"]}, "big":12345678901234567890123'


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai", ODD + b',"messages":[{"role":"system","content":"s","x":1}]}'),
        ("claude", ODD + b',"max_tokens":5,"thinking":{"type":"disabled"},"messages":[]}'),
        ("responses", ODD + b',"input":"x"}'),
        ("completions", ODD + b',"prompt":"x"}'),
        ("cohere", ODD + b',"messages":[]}'),
        ("gemini", b'{ "contents":[], "zzz" : 1.50}'),
    ],
)
def test_nothing_to_change_leaves_every_byte(dialect, body):
    assert edit(dialect, body, "m") == body


@pytest.mark.parametrize("dialect", [name for name in NAMES if name != "gemini"])
def test_the_model_is_mapped_and_unknown_members_keep_their_bytes(dialect):
    body = b'{"model":"m","max_tokens":5,"zzz":{"a": [1.50]},"big":12345678901234567890123}'
    assert edit(dialect, body, "u") == body.replace(b'"m"', b'"u"')


@pytest.mark.parametrize("dialect", NAMES)
def test_what_is_no_object_is_refused(dialect):
    with pytest.raises(DialectError):
        edit(dialect, b"[1]", "m", reasoning=Reasoning("on", "low"))


def test_streams_ask_for_usage_and_plain_calls_do_not():
    body = b'{"model":"m","stream":true,"messages":[]}'
    assert json.loads(edit("openai", body, "m"))["stream_options"] == {"include_usage": True}
    kept = b'{"model":"m","stream":true,"stream_options":{"x":1},"messages":[]}'
    assert json.loads(edit("openai", kept, "m"))["stream_options"] == {"x": 1, "include_usage": True}
    plain = b'{"model":"m","stream_options":{"include_usage":true},"messages":[]}'
    assert "stream_options" not in json.loads(edit("openai", plain, "m"))
    refused = OpenAIOptions(include_usage=False)
    assert "stream_options" not in json.loads(edit("openai", kept, "m", openai=refused))


def test_reasoning_models():
    body = b'{"model":"o3-mini-high","max_tokens":9,"temperature":1,"top_p":0.5,"group":"vip","reasoning_effort":"low","messages":[{"role":"system","content":"s"},{"role":"user","content":"u","x":1.50}]}'
    found = json.loads(edit("openai", body, "o3-mini", reasoning=Reasoning("on", "high")))
    assert found == {
        "model": "o3-mini",
        "top_p": 0.5,
        "max_completion_tokens": 9,
        "reasoning_effort": "high",
        "messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": "u", "x": 1.5}],
    }
    assert b'"role":"system"' in edit("openai", body, "o1-mini")


def test_grok_takes_the_effort_and_keeps_its_temperature():
    body = b'{"model":"grok-3-mini-high","max_tokens":9,"temperature":0.5,"messages":[]}'
    options = OpenAIOptions(max_tokens_name="max_completion_tokens")
    found = json.loads(edit("openai", body, "grok-3-mini", openai=options, reasoning=Reasoning("on", "high")))
    assert (found["max_completion_tokens"], found["temperature"], found["reasoning_effort"]) == (9, 0.5, "high")
    request = get_dialect("openai").read_request(
        body.replace(b'"messages":[]', b'"messages":[{"role":"user","content":"x"}]')
    )
    target = Target("grok-3-mini", openai=options, reasoning=Reasoning("on", "high"))
    assert json.loads(get_dialect("openai").write_request(request, target)) == found | {
        "model": "grok-3-mini",
        "messages": [{"role": "user", "content": "x"}],
    }


def test_claude_suffix_thinking_and_defaults():
    body = b'{"model":"claude-3-7-sonnet-thinking","top_p":0.5,"top_k":3,"temperature":0.1,"tool_choice":{"type":"tool","name":"f"},"messages":[]}'
    found = json.loads(edit("claude", body, "claude-3-7-sonnet", reasoning=Reasoning("on")))
    assert found == {
        "model": "claude-3-7-sonnet",
        "max_tokens": 8192,
        "thinking": {"type": "enabled", "budget_tokens": 6553},
        "temperature": 1.0,
        "tool_choice": {"type": "auto"},
        "messages": [],
    }


def test_a_client_with_its_own_thinking_only_loses_the_suffix():
    body = b'{"model":"c-thinking","max_tokens":9,"top_p":0.5,"thinking":{"type":"enabled","budget_tokens":7},"messages":[]}'
    assert edit("claude", body, "c", reasoning=Reasoning("on")) == body.replace(b"c-thinking", b"c")


def test_thoughts_of_other_providers_models_do_not_reach_claude():
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1.5}}
    messages = [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [thought, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]},
    ]
    body = {"model": "m", "max_tokens": 9, "thinking": {"type": "enabled", "budget_tokens": 5}, "messages": messages}
    found = json.loads(edit("claude", json.dumps(body).encode(), "m"))
    assert found["messages"][1]["content"] == [call] and "thinking" not in found
    proven = json.dumps(body).replace('"signature": ""', '"signature": "c2ln"').encode()
    assert edit("claude", proven, "m") == proven


def test_bedrock_body():
    options = ClaudeOptions(anthropic_version="bedrock-2023-05-31", keep_stream=False)
    found = json.loads(edit("claude", b'{"model":"m","stream":true,"max_tokens":9,"messages":[]}', "m", claude=options))
    assert found == {"max_tokens": 9, "messages": [], "anthropic_version": "bedrock-2023-05-31"}


def test_gemini_suffix():
    body = b'{"contents":[],"generationConfig":{"maxOutputTokens":1000}}'
    found = json.loads(edit("gemini", body, "gemini-2.5-flash", reasoning=Reasoning("on", include_thoughts=True)))
    assert found["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 600}
    own = b'{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":5}}}'
    assert edit("gemini", own, "gemini-2.5-flash", reasoning=Reasoning("off", budget_tokens=0)) == own


@pytest.mark.parametrize(
    ("dialect", "body", "where"),
    [
        ("openai", {"messages": [{"role": "user", "content": "u"}]}, lambda found: found["messages"][0]["content"]),
        ("openai", {"messages": [{"role": "system", "content": "s"}]}, lambda found: found["messages"][0]["content"]),
        ("claude", {"system": "s", "max_tokens": 1, "messages": []}, lambda found: found["system"]),
        ("gemini", {"system_instruction": {}}, lambda found: found["systemInstruction"]["parts"][0]["text"]),
        ("responses", {"instructions": "s", "input": "x"}, lambda found: found["instructions"]),
    ],
)
def test_the_channel_has_its_own_system_prompt(dialect, body, where):
    found = json.loads(edit(dialect, json.dumps({"model": "m"} | body).encode(), "m", system_prompt="OURS"))
    assert where(found) == "OURS"
    if dialect == "openai":
        assert [message["role"] for message in found["messages"]].count("system") == 1


def test_the_channels_prompt_replaces_the_first_system_text_in_translation():
    request = get_dialect("openai").read_request(
        b'{"model":"m","messages":[{"role":"system","content":"a"},{"role":"system","content":"b"},{"role":"user","content":"u"}]}'
    )
    body = json.loads(get_dialect("claude").write_request(request, Target("c", system_prompt="OURS")))
    assert body["system"] == "OURS\n\nb"


# --- parameter override ---


def test_override_sets_removes_and_keeps_digits():
    body = b'{"model":"m","temperature":1,"big":12345678901234567890}'
    override = read_override('{"temperature":null,"seed":9007199254740993,"x":{"y":1}}')
    assert json.loads(apply_override(body, override)) == {
        "model": "m",
        "big": 12345678901234567890,
        "seed": 9007199254740993,
        "x": {"y": 1},
    }
    assert apply_override(body, {}) is body


def test_override_operations():
    operations = [
        {"path": "generationConfig.topK", "mode": "set", "value": 5},
        {"path": "stop", "mode": "append", "value": "b"},
        {"path": "a.b.c", "mode": "delete"},
        {"path": "model.x", "mode": "set", "value": 1},
    ]
    found = json.loads(
        apply_override(b'{"model":"m","stop":"a"}', read_override(json.dumps({"operations": operations})))
    )
    assert found == {"model": "m", "stop": ["a", "b"], "generationConfig": {"topK": 5}}


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", '{"operations":1}', '{"operations":[{"mode":"set"}]}', '{"operations":[{"path":"a","mode":"x"}]}'],
)
def test_malformed_overrides_are_named(text):
    with pytest.raises(OverrideError):
        read_override(text)


BARE = b'{"model":"gpt-4o","messages":[{"role":"system","content":"s"}],"temperature":1,"max_tokens":5,"stream":false}'


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(Target("gpt-4o"), True, id="nothing to say"),
        pytest.param(Target("gpt-4o", system_prompt="be brief"), False, id="a prompt of the channel"),
        pytest.param(Target("o3-mini"), False, id="a reasoning model"),
        pytest.param(Target("gpt-4o", openai=OpenAIOptions(max_tokens_name="max_completion_tokens")), False, id="a limit's name"),
        pytest.param(Target("grok-3-mini", reasoning=Reasoning("on", "high")), False, id="an effort by suffix"),
        pytest.param(Target("gpt-4o", openai=OpenAIOptions(include_usage=False)), True, id="no usage in streams"),
    ],
)  # fmt: skip
def test_who_leaves_a_bare_request_as_it_came(target: Target, expected: bool):
    body = BARE.replace(b"gpt-4o", target.model.encode())
    assert (
        leaves_as_it_came(target, stream=False)
        == (get_dialect("openai").edit_request(body, target) is body)
        == expected
    )
    streams = body.replace(b'"stream":false', b'"stream":true,"stream_options":{"include_usage":true}')
    same = get_dialect("openai").edit_request(streams, target) is streams
    assert leaves_as_it_came(target, stream=True) == same == (expected and target.openai.include_usage)
