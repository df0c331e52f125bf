"""Rules of carrying a request over that the golden pairs do not show."""

import json
from decimal import Decimal

import msgspec
import pytest
from openai.types.responses import Response

from schema.dialects import neutral
from schema.dialects.base import ClaudeOptions, GeminiOptions, OpenAIOptions, StreamContext, Target
from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.files import Fetched, put_files, urls_of
from schema.dialects.fold import unfold
from schema.dialects.registry import get_dialect
from tests.schema.dialects.wire_checks import check_responses

OPENAI, CLAUDE, GEMINI = get_dialect("openai"), get_dialect("claude"), get_dialect("gemini")
HI = [{"role": "user", "content": "hi"}]


def openai(**members) -> neutral.Request:
    return OPENAI.read_request(json.dumps({"model": "asked", "messages": HI} | members).encode())


def claude(**members) -> neutral.Request:
    return CLAUDE.read_request(json.dumps({"model": "asked", "max_tokens": 50, "messages": HI} | members).encode())


def to(dialect: str, request: neutral.Request, model: str, dropped: list[str] | None = None, **options) -> dict:
    return json.loads(get_dialect(dialect).write_request(request, Target(model, **options), dropped))


# --- reading ---


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        ("openai", b"[]", ""),
        ("openai", b'{"model":"m","messages":[]}', "messages"),
        ("openai", b'{"messages":[{"role":"user","content":"x"}]}', "model"),
        ("openai", b'{"model":"m","messages":[{"role":"critic","content":"x"}]}', "messages[0].role"),
        ("openai", b'{"model":"m","max_tokens":"9","messages":[{"role":"user"}]}', "max_tokens"),
        ("openai", b'{"model":"m","max_tokens":1073741824,"messages":[{"role":"user"}]}', "max_tokens"),
        ("openai", b'{"model":"m","max_tokens":-1,"messages":[{"role":"user"}]}', "max_tokens"),
        ("openai", b'{"model":"m","messages":[{"role":"user","content":[{"type":"x"}]}]}', "messages[0].content[0]"),
        ("claude", b'{"model":"m","messages":[]}', "messages"),
        ("claude", b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', "messages[0].role"),
        ("gemini", b'{"contents":[]}', "contents"),
        ("gemini", b'{"contents":[{"role":"x","parts":[{"text":"a"}]}]}', "contents[0].role"),
        ("responses", b'{"model":"m"}', "input"),
        (
            "responses",
            b'{"model":"m","input":[{"type":"item_reference","id":"x"}]}',
            "item_reference (stored responses)",
        ),
        ("completions", b'{"model":"m","prompt":""}', "prompt"),
        ("cohere", b'{"model":"m","messages":[]}', "messages"),
    ],
)
def test_bad_requests_name_the_member(dialect, body, param):
    with pytest.raises(DialectError) as refused:
        get_dialect(dialect).read_request(body, path_model="m" if dialect == "gemini" else "")
    assert refused.value.status == 400 and refused.value.param == param


def test_max_completion_tokens_wins_over_max_tokens():
    assert openai(max_tokens=5, max_completion_tokens=7).max_tokens == 7


def test_legacy_functions_become_tools():
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ]
    request = openai(messages=messages, functions=[{"name": "f"}], function_call={"name": "f"})
    call, result = request.turns[1].blocks[0], request.turns[2].blocks[0]
    assert call.id == result.id and result.name == "f"
    assert request.tool_choice == neutral.ToolChoice("named", "f")


# --- to Claude ---


def test_all_system_messages_reach_claude():
    messages = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, *HI]
    assert to("claude", openai(messages=messages), "claude-x")["system"] == "a\n\nb"


def test_claude_conversations_begin_with_the_user_and_keep_their_quotes():
    messages = [
        {"role": "assistant", "content": '"q"'},
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    assert to("claude", openai(messages=messages), "claude-x")["messages"] == [
        {"role": "user", "content": "..."},
        {"role": "assistant", "content": '"q"'},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice_reaches_claude(choice, expected):
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = to("claude", openai(tools=tools, tool_choice=choice), "claude-x")
    assert body["tool_choice"] == expected
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]


def test_without_tools_claude_gets_no_tools():
    assert not {"tools", "tool_choice"} & to("claude", openai(tools=[], tool_choice="auto"), "claude-x").keys()


@pytest.mark.parametrize(
    ("arguments", "expected"), [("", {}), ('{"n": 12345678901234567890}', {"n": 12345678901234567890})]
)
def test_tool_arguments_keep_every_digit(arguments, expected):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [*HI, {"role": "assistant", "content": None, "tool_calls": [call]}]
    content = to("claude", openai(messages=messages), "claude-x")["messages"][1]["content"]
    assert content == [{"type": "tool_use", "id": "c", "name": "f", "input": expected}]


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", '"x"'])
def test_unreadable_tool_arguments_are_refused(arguments):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    request = openai(messages=[*HI, {"role": "assistant", "content": None, "tool_calls": [call]}])
    for dialect in ("claude", "gemini"):
        with pytest.raises(DialectError):
            to(dialect, request, "m")


def test_a_history_with_calls_defines_its_tools_though_none_may_be_used():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "c", "content": "1"}
    body = to("claude", openai(messages=[*HI, {"role": "assistant", "tool_calls": [call]}, result]), "claude-x")
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"max_tokens": 64_000}, (64_000, 51_200)),
        ({"max_tokens": 100}, (1280, 1024)),
        ({}, (8192, 6553)),
    ],
)
def test_thinking_by_suffix(given, sent):
    request = openai(temperature=0.2, top_p=0.5, top_k=3, **given)
    body = to("claude", request, "claude-3-7-sonnet-20250219", reasoning=neutral.Reasoning("on"))
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == sent
    assert body["temperature"] == 1.0 and not {"top_p", "top_k"} & body.keys()


def test_the_default_limit_is_looked_up_by_the_asked_name():
    options = ClaudeOptions(default_max_tokens={"default": 8192, "asked": 77})
    assert to("claude", openai(), "claude-x", claude=options)["max_tokens"] == 77


def test_thinking_downgrades_a_forced_tool():
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = to("claude", openai(tools=tools, tool_choice="required", reasoning_effort="low"), "claude-3-7-sonnet")
    assert body["tool_choice"] == {"type": "auto"} and body["thinking"]["budget_tokens"] == 1280


def test_no_thinking_after_a_tool_turn_that_was_not_thought():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        *HI,
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    assert "thinking" not in to("claude", openai(messages=history, reasoning_effort="high"), "claude-sonnet-4-5")


@pytest.mark.parametrize("effort", ["none", "minimal"])
def test_little_effort_is_no_thinking(effort):
    assert "thinking" not in to("claude", openai(reasoning_effort=effort), "claude-sonnet-4-5")


def test_newer_claude_models_take_an_effort_and_no_sampling():
    body = to("claude", openai(reasoning_effort="high", temperature=0.3, top_p=0.5), "claude-opus-4-7")
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": "high"} and not {"temperature", "top_p"} & body.keys()


def test_temperature_is_capped_and_top_p_given_way():
    body = to("claude", openai(temperature=1.7, top_p=0.5), "claude-opus-4-1")
    assert body["temperature"] == 1.0 and "top_p" not in body
    assert to("claude", openai(temperature=1.7, top_p=0.5), "claude-3-5-haiku-20241022")["top_p"] == 0.5


def test_bedrock_has_version_instead_of_model_and_stream():
    options = ClaudeOptions(anthropic_version="bedrock-2023-05-31", keep_stream=False, url_sources=False)
    body = to("claude", openai(stream=True), "anthropic.claude-x", claude=options)
    assert body["anthropic_version"] == "bedrock-2023-05-31" and not {"model", "stream"} & body.keys()


# --- to OpenAI ---


def test_reasoning_models_get_their_own_members():
    body = to(
        "openai",
        openai(messages=[{"role": "system", "content": "s"}, *HI], max_tokens=9, temperature=1, top_p=0.5),
        "o3",
    )
    assert body["messages"][0]["role"] == "developer" and body["max_completion_tokens"] == 9
    assert "temperature" not in body and body["top_p"] == 0.5
    assert (
        to("openai", openai(messages=[{"role": "system", "content": "s"}]), "o1-mini")["messages"][0]["role"]
        == "system"
    )


def test_stream_options_only_on_streams_and_only_where_understood():
    assert "stream_options" not in to("openai", claude(), "gpt-4o")
    assert to("openai", claude(stream=True), "gpt-4o")["stream_options"] == {"include_usage": True}
    options = OpenAIOptions(include_usage=False)
    assert "stream_options" not in to("openai", claude(stream=True), "gpt-4o", openai=options)


@pytest.mark.parametrize(("budget", "effort"), [(2047, "low"), (2048, "medium"), (16_383, "medium"), (16_384, "high")])
def test_thinking_budgets_become_efforts_of_reasoning_models_alone(budget, effort):
    request = claude(thinking={"type": "enabled", "budget_tokens": budget})
    assert to("openai", request, "gpt-5")["reasoning_effort"] == effort
    assert "reasoning_effort" not in to("openai", request, "gpt-4o")
    openrouter = OpenAIOptions(openrouter=True)
    assert to("openai", request, "x/y", openai=openrouter)["reasoning"] == {"max_tokens": budget}


def test_history_thinking_goes_only_where_it_is_understood():
    content = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}]
    request = claude(messages=[*HI, {"role": "assistant", "content": content}, *HI])
    assert "reasoning_content" not in to("openai", request, "gpt-4o")["messages"][1]
    kept = to("openai", request, "deepseek-chat", openai=OpenAIOptions(keep_reasoning=True))
    assert kept["messages"][1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}


def test_cache_marks_survive_to_openrouter():
    request = claude(system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}])
    body = to("openai", request, "m", openai=OpenAIOptions(openrouter=True))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]


# --- to Gemini ---


def test_a_thinking_share_of_the_limit():
    options = GeminiOptions(thinking_share=Decimal("0.6"))
    wish = neutral.Reasoning("on", include_thoughts=True)
    body = to("gemini", openai(max_tokens=1000), "gemini-2.5-flash", gemini=options, reasoning=wish)
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 600}
    body = to("gemini", openai(), "gemini-2.5-flash", gemini=options, reasoning=wish)
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": True}


@pytest.mark.parametrize(("model", "budget"), [("gemini-2.5-flash", 0), ("gemini-2.5-pro", 128)])
def test_no_thinking_as_far_as_the_model_allows(model, budget):
    body = to("gemini", openai(reasoning_effort="none"), model)
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": False, "thinkingBudget": budget}


def test_safety_settings_by_category_or_default():
    options = GeminiOptions(safety={"HARM_CATEGORY_HARASSMENT": "BLOCK_NONE", "default": "OFF"})
    found = to("gemini", openai(), "m", gemini=options)["safetySettings"]
    assert len(found) == 5 and found[0] == {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
    assert found[1]["threshold"] == "OFF"


def test_google_tools_by_function_name_in_order():
    names = ["f", "googleSearch", "codeExecution"]
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in names
    ]
    body = to("gemini", openai(tools=tools), "m")
    assert body["tools"] == [{"codeExecution": {}}, {"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}]


def test_gemini_3_wants_a_signature_on_the_first_call():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [*HI, {"role": "assistant", "content": None, "tool_calls": [call, call | {"id": "d"}]}]
    parts = to("gemini", openai(messages=messages), "gemini-3-pro-preview")["contents"][1]["parts"]
    assert parts[0]["thoughtSignature"] == "skip_thought_signature_validator" and "thoughtSignature" not in parts[1]


def test_a_signature_comes_back_through_openai_clients():
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }
    messages = [*HI, {"role": "assistant", "content": None, "tool_calls": [call]}]
    parts = to("gemini", openai(messages=messages), "gemini-3-pro-preview")["contents"][1]["parts"]
    assert parts == [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}]


def test_too_many_pictures_are_refused():
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    request = openai(messages=[{"role": "user", "content": [part] * 3}])
    with pytest.raises(DialectError):
        to("gemini", request, "m", gemini=GeminiOptions(images_max=2))


# --- what cannot be carried ---

AUDIO = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]}]
FILE_ID = [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]


@pytest.mark.parametrize(
    ("members", "dialect", "feature"),
    [
        ({"messages": AUDIO}, "claude", "input_audio"),
        ({"messages": AUDIO}, "cohere", "input_audio"),
        ({"messages": FILE_ID}, "claude", "files by id"),
        ({"messages": FILE_ID}, "gemini", "files by URL or id"),
        ({"modalities": ["text", "audio"]}, "claude", "modalities: audio"),
    ],
)
def test_harmful_losses_are_refused_by_name(members, dialect, feature):
    with pytest.raises(Unsupported) as refused:
        to(dialect, openai(**members), "m")
    assert refused.value.feature == feature and refused.value.status == 400


def test_mcp_servers_and_computers_are_not_silently_lost():
    with pytest.raises(Unsupported):
        to("openai", claude(mcp_servers=[{"url": "https://x"}]), "m")
    with pytest.raises(Unsupported):
        to("openai", claude(tools=[{"type": "computer_20250124", "name": "computer"}]), "m")


def test_harmless_losses_are_listed():
    dropped: list[str] = []
    to(
        "claude",
        openai(seed=1, n=2, logit_bias={"5": 1}, presence_penalty=0.5, store=True, metadata={"a": "b"}),
        "m",
        dropped,
    )
    assert set(dropped) == {"seed", "n", "logit_bias", "presence_penalty", "store", "metadata"}


# --- files ---


def test_urls_are_found_once_and_filled_everywhere():
    image = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    history = [
        {"role": "user", "content": [image]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]},
    ]
    request = claude(messages=history)
    assert urls_of(request) == ["https://x/a.png"]
    assert GEMINI.wants_files(request, Target("m")) == ["https://x/a.png"]
    assert OPENAI.wants_files(request, Target("m")) == []
    with pytest.raises(Unsupported):
        to("gemini", request, "m")
    filled = put_files(request, {"https://x/a.png": Fetched("aGk=", "image/png")})
    assert json.dumps(to("gemini", filled, "m")).count("aGk=") == 2


# --- round trips ---


@pytest.mark.parametrize("through", ["openai", "claude", "gemini", "responses", "cohere"])
def test_tool_histories_survive_a_round_trip(through):
    calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": f"f{i % 2}", "arguments": json.dumps({"x": i})}}
        for i in range(3)
    ]
    history = [
        *HI,
        {"role": "assistant", "content": "look", "tool_calls": calls},
        *[{"role": "tool", "tool_call_id": call["id"], "content": f"r{i}"} for i, call in enumerate(calls)],
        {"role": "user", "content": "go on"},
    ]
    request = openai(messages=history)
    body = get_dialect(through).write_request(request, Target("m"))
    back = get_dialect(through).read_request(body, path_model="m")

    def facts(asked):
        blocks = [block for turn in asked.turns for block in turn.blocks]
        found = [
            (block.name, msgspec.json.decode(block.arguments))
            for block in blocks
            if isinstance(block, neutral.ToolCall)
        ]
        results = [
            (block.name, neutral.text_of(block.content)) for block in blocks if isinstance(block, neutral.ToolResult)
        ]
        pairs = [block.id for block in blocks if isinstance(block, neutral.ToolCall)]
        answers = [block.id for block in blocks if isinstance(block, neutral.ToolResult)]
        return found, results, pairs == answers

    assert facts(back) == facts(request)


# --- tools of Responses that take free text ---


def test_custom_tools_travel_as_functions_and_come_back_as_they_were():
    tool = {
        "type": "custom",
        "name": "patch",
        "description": "Apply",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
    }
    history = [
        {"role": "user", "content": "x"},
        {"type": "custom_tool_call", "call_id": "c0", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c0", "output": "ok"},
    ]
    responses = get_dialect("responses")
    request = responses.read_request(json.dumps({"model": "m", "input": history, "tools": [tool]}).encode())
    body = to("openai", request, "gpt-4o")
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert "start: x" in body["tools"][0]["function"]["description"]
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"input": "*** Begin"}
    calls = (neutral.ToolCall("c1", "patch", '{"input":"a\\nb"}'), neutral.ToolCall("c2", "other", "{}"))
    answer = neutral.Answer(choices=(neutral.Choice(calls, "tool_calls"),))
    written = json.loads(responses.write_answer(answer, model="m", created_s=1, id="i", request=request))
    Response.model_validate(written)
    assert [item["type"] for item in written["output"]] == ["custom_tool_call", "function_call"]
    assert written["output"][0]["input"] == "a\nb"
    writer = responses.event_writer(StreamContext("i", "m", 1, request=request))
    stream = b"".join([writer.write(event) for event in unfold(answer)]) + writer.close()
    check_responses(stream)
    assert b"response.custom_tool_call_input.done" in stream
