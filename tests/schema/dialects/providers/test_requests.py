"""Where each provider is called, with which credential, and what of the body changes."""

import msgspec
import pytest

from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.files import Fetched
from schema.dialects.providers.base import KeyFormatError, NeedsFiles, Settings
from schema.dialects.providers.registry import canonical, get_provider, providers
from schema.providers import PROVIDERS
from tests.schema.dialects.providers.calls import NOW_S, call, channel, form, prepare, sent_body

KEY = "sk-fakekey-0123456789"
BEARER = f"Bearer {KEY}"


def header(sent, name):
    return dict(sent.headers).get(name)


@pytest.mark.parametrize(
    ("name", "mode", "url"),
    [
        ("openai", "chat", "https://api.openai.com/v1/chat/completions"),
        ("openai", "responses", "https://api.openai.com/v1/responses"),
        ("openai", "embedding", "https://api.openai.com/v1/embeddings"),
        ("openai", "moderation", "https://api.openai.com/v1/moderations"),
        ("openai", "image", "https://api.openai.com/v1/images/generations"),
        ("openai", "image_edit", "https://api.openai.com/v1/images/edits"),
        ("openai", "speech", "https://api.openai.com/v1/audio/speech"),
        ("openai", "transcription", "https://api.openai.com/v1/audio/transcriptions"),
        ("openai", "translation", "https://api.openai.com/v1/audio/translations"),
        ("openai", "completion", "https://api.openai.com/v1/completions"),
        ("openrouter", "chat", "https://openrouter.ai/api/v1/chat/completions"),
        ("minimax", "chat", "https://api.minimax.chat/v1/chat/completions"),
        ("perplexity", "chat", "https://api.perplexity.ai/chat/completions"),
        ("jina", "rerank", "https://api.jina.ai/v1/rerank"),
        ("jina", "embedding", "https://api.jina.ai/v1/embeddings"),
        ("siliconflow", "rerank", "https://api.siliconflow.cn/v1/rerank"),
        ("siliconflow", "speech", "https://api.siliconflow.cn/v1/audio/speech"),
        ("mistral", "chat", "https://api.mistral.ai/v1/chat/completions"),
        ("mistral", "completion", "https://api.mistral.ai/v1/chat/completions"),
        ("mistral", "embedding", "https://api.mistral.ai/v1/embeddings"),
        ("deepseek", "chat", "https://api.deepseek.com/v1/chat/completions"),
        ("deepseek", "completion", "https://api.deepseek.com/beta/completions"),
        ("volcengine", "chat", "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
        ("volcengine", "embedding", "https://ark.cn-beijing.volces.com/api/v3/embeddings"),
        ("baidu-v2", "chat", "https://qianfan.baidubce.com/v2/chat/completions"),
        ("baidu-v2", "embedding", "https://qianfan.baidubce.com/v2/embeddings"),
        ("xai", "chat", "https://api.x.ai/v1/chat/completions"),
        ("xai", "image", "https://api.x.ai/v1/images/generations"),
        ("ollama", "chat", "http://localhost:11434/v1/chat/completions"),
        ("ollama", "embedding", "http://localhost:11434/api/embed"),
        ("ali", "chat", "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"),
        ("ali", "embedding", "https://dashscope.aliyuncs.com/compatible-mode/v1/embeddings"),
        ("ali", "rerank", "https://dashscope.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank"),
        ("ali", "image", "https://dashscope.aliyuncs.com/api/v1/services/aigc/text2image/image-synthesis"),
        ("cohere", "chat", "https://api.cohere.ai/v2/chat"),
        ("cohere", "embedding", "https://api.cohere.ai/v2/embed"),
        ("cohere", "rerank", "https://api.cohere.ai/v2/rerank"),
        ("cloudflare", "chat", "https://api.cloudflare.com/client/v4/accounts/account1/ai/v1/chat/completions"),
        ("cloudflare", "embedding", "https://api.cloudflare.com/client/v4/accounts/account1/ai/v1/embeddings"),
        ("cloudflare", "transcription", "https://api.cloudflare.com/client/v4/accounts/account1/ai/run/m"),
        ("cloudflare", "image", "https://api.cloudflare.com/client/v4/accounts/account1/ai/run/m"),
        ("mokaai", "embedding", "https://api.moka.ai/embeddings"),
        ("dify", "chat", "https://api.dify.ai/v1/chat-messages"),
        ("coze", "chat", "https://api.coze.com/v3/chat"),
        ("novita", "chat", "https://api.novita.ai/v3/openai/chat/completions"),
        ("groq", "chat", "https://api.groq.com/openai/v1/chat/completions"),
        ("gemini-openai", "chat", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        ("xunfei-v2", "chat", "https://spark-api-open.xf-yun.com/v1/chat/completions"),
        ("ai360", "chat", "https://api.360.cn/v1/chat/completions"),
        ("lingyiwanwu", "chat", "https://api.lingyiwanwu.com/v1/chat/completions"),
        ("moonshot", "chat", "https://api.moonshot.cn/v1/chat/completions"),
        ("xinference", "rerank", "https://x.example/v1/rerank"),
    ],
)
def test_bearer_providers(name, mode, url):
    sent = prepare(name, mode, model="m")
    assert (sent.url, sent.method, header(sent, "Authorization")) == (url, "POST", BEARER)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://a.b/", "https://a.b/v1/chat/completions"),
        ("https://a.b/v1", "https://a.b/v1/chat/completions"),
        ("https://a.b/api/v3/", "https://a.b/api/v3/chat/completions"),
        ("https://a.b/v4", "https://a.b/v4/chat/completions"),
        (
            "https://gateway.ai.cloudflare.com/v1/acc/gw/openai",
            "https://gateway.ai.cloudflare.com/v1/acc/gw/openai/chat/completions",
        ),
    ],
)
def test_versions_in_base_urls_are_not_doubled(base, url):
    assert prepare("openai", view=channel("openai", base_url=base)).url == url


@pytest.mark.parametrize(
    ("name", "base", "url"),
    [
        (
            "ali",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions",
        ),
        ("volcengine", "https://ark.x/api/v3", "https://ark.x/api/v3/chat/completions"),
        ("zhipu-v4", "https://open.x/api/paas/v4", "https://open.x/api/paas/v4/chat/completions"),
        ("baidu-v2", "https://q.x/v2", "https://q.x/v2/chat/completions"),
        ("cohere", "https://api.cohere.com/v1", "https://api.cohere.com/v2/chat"),
        (
            "cloudflare",
            "https://gateway.ai.cloudflare.com/v1/a/g/workers-ai",
            "https://gateway.ai.cloudflare.com/v1/a/g/workers-ai/v1/chat/completions",
        ),
        ("custom", "https://c.x/full/path/{model}", "https://c.x/full/path/m"),
        ("custom", "https://c.x{path}?k=1", "https://c.x/v1/chat/completions?k=1"),
        ("custom", "https://c.x/exact", "https://c.x/exact"),
        ("custom", "https://c.x", "https://c.x/v1/chat/completions"),
    ],
)
def test_own_base_urls(name, base, url):
    assert prepare(name, view=channel(name, base_url=base), model="m").url == url


def test_volcengine_bots_have_their_own_folder():
    assert prepare("volcengine", model="bot-1").url.endswith("/api/v3/bots/chat/completions")


def test_minimax_old_models_have_their_own_address():
    assert prepare("minimax", model="abab6.5-chat").url == "https://api.minimax.chat/v1/text/chatcompletion_v2"


# --- pass-through ---


def test_a_body_that_needs_no_change_is_the_very_same_object():
    wish = call(model="gpt-4o")
    sent = get_provider("openai").prepare(wish, channel("openai"))
    assert sent.body is wish.body
    assert sent.passthrough


def test_unknown_members_and_number_forms_survive_a_mapped_model():
    raw = b'{"model":"a","messages":[{"role":"user","content":"hi","x":1.10}],"odd":{"n":1e400},"seed":12345678901234567890}'
    sent = get_provider("openai").prepare(call(model="a", upstream="b", body=raw), channel("openai"))
    assert sent.body == raw.replace(b'"model":"a"', b'"model":"b"')


@pytest.mark.parametrize(
    ("setting", "settings", "passthrough"),
    [
        ({}, Settings(), True),
        ({"thinking_to_content": True}, Settings(), False),
        ({"force_format": True}, Settings(), False),
        ({}, Settings(return_requested_model=True), False),
    ],
)
def test_settings_that_change_answers_end_the_pass_through(setting, settings, passthrough):
    sent = prepare("openai", view=channel("openai", setting=setting), model="a", upstream="b", settings=settings)
    assert sent.passthrough is passthrough


@pytest.mark.parametrize(
    ("dialect", "name"), [("claude", "anthropic"), ("gemini", "gemini"), ("gemini", "vertex"), ("cohere", "cohere")]
)
def test_native_dialects_pass_through(dialect, name):
    bodies = {
        "claude": {"model": "claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "odd": 1},
        "gemini": {"contents": [{"parts": [{"text": "hi"}]}], "odd": 1},
        "cohere": {"model": "command-a", "messages": [{"role": "user", "content": "hi"}], "odd": 1},
    }
    model = {"claude": "claude-x", "gemini": "gemini-2.5-flash", "cohere": "command-a"}[dialect]
    wish = call(model=model, dialect=dialect, body=bodies[dialect])
    sent = get_provider(name).prepare(wish, channel(name), credential="t")
    assert sent.body is wish.body and sent.passthrough and sent.wire == dialect


def test_uploads_keep_order_and_headers_and_change_the_model_alone():
    sent = prepare("openai", "transcription", model="whisper-1", upstream="w2")
    assert sent.body == form("w2")
    assert header(sent, "Content-Type").startswith("multipart/form-data; boundary=")


# --- Azure, Claude, Google, AWS ---


def test_azure_deployments_lose_their_dots():
    sent = prepare("azure", model="gpt-3.5-turbo", view=channel("azure", other="2024-06-01"))
    assert (
        sent.url
        == "https://res.openai.azure.com/openai/deployments/gpt-35-turbo/chat/completions?api-version=2024-06-01"
    )
    assert header(sent, "api-key") == KEY and header(sent, "Authorization") is None


@pytest.mark.parametrize(
    ("query", "other", "version"),
    [({"api-version": "q"}, "o", "q"), ({}, "o", "o"), ({}, "", "2025-04-01-preview")],
)
def test_azure_version_of_query_then_channel_then_option(query, other, version):
    sent = prepare("azure", "embedding", view=channel("azure", other=other), query=query)
    assert sent.url.endswith(f"/deployments/m/embeddings?api-version={version}")


def test_azure_keeps_dots_when_told_and_has_one_address_for_responses():
    view = channel("azure", setting={"azure_keep_dots": True})
    assert "/deployments/gpt-4.1/" in prepare("azure", model="gpt-4.1", view=view).url
    assert prepare("azure", "responses").url == "https://res.openai.azure.com/openai/v1/responses?api-version=preview"


def test_claude_headers():
    settings = Settings(claude_headers={"claude-x": {"anthropic-beta": ["b1", "b2"]}})
    sent = prepare("anthropic", model="claude-x", client_headers={"anthropic-beta": "mine"}, settings=settings)
    assert header(sent, "x-api-key") == KEY and header(sent, "anthropic-version") == "2023-06-01"
    assert [value for name, value in sent.headers if name == "anthropic-beta"] == ["b1", "b2"]
    plain = prepare("anthropic", model="claude-y", client_headers={"anthropic-beta": "mine", "anthropic-version": "v"})
    assert (header(plain, "anthropic-beta"), header(plain, "anthropic-version")) == ("mine", "v")


def test_claude_thinking_suffix():
    sent = prepare("anthropic", model="claude-3-7-sonnet-20250219-thinking")
    body = sent_body(sent)
    assert body["model"] == "claude-3-7-sonnet-20250219"
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 6553} and body["max_tokens"] == 8192


@pytest.mark.parametrize(
    ("members", "url"),
    [
        ({}, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ({"stream": True}, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        (
            {"settings": Settings(gemini_versions={"default": "v1", "gemini-2.5-flash": "v9"})},
            "/v9/models/gemini-2.5-flash:generateContent",
        ),
        ({"view": channel("gemini", other="v1")}, "/v1/models/gemini-2.5-flash:generateContent"),
        (
            {"view": channel("gemini", base_url="https://generativelanguage.googleapis.com/v1beta")},
            "/v1beta/models/gemini-2.5-flash:generateContent",
        ),
        ({"mode": "image", "model": "imagen-4.0-generate-001"}, "/v1beta/models/imagen-4.0-generate-001:predict"),
        ({"mode": "image", "model": "gemini-2.5-flash-image"}, "/v1beta/models/gemini-2.5-flash-image:generateContent"),
        (
            {"mode": "embedding", "model": "gemini-embedding-001"},
            "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        ),
    ],
)
def test_gemini_urls(members, url):
    sent = prepare("gemini", **members)
    assert sent.url == "https://generativelanguage.googleapis.com" + url
    assert header(sent, "x-goog-api-key") == KEY


def test_gemini_thinking_suffix_only_with_the_option():
    on = prepare("gemini", model="gemini-2.5-flash-thinking-128", settings=Settings(gemini_thinking=True))
    assert "/gemini-2.5-flash:" in on.url
    assert sent_body(on)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 128
    assert "/gemini-2.5-flash-thinking-128:" in prepare("gemini", model="gemini-2.5-flash-thinking-128").url


def test_gemini_embeddings_go_in_batches_of_a_hundred():
    provider, view = get_provider("gemini"), channel("gemini")
    wish = call("embedding", model="gemini-embedding-001", body={"model": "x", "input": [f"t{i}" for i in range(250)]})
    sent = provider.prepare(wish, view)
    sizes = []
    while sent.more:
        sizes.append(len(sent_body(sent)["requests"]))
        sent = provider.next_step(wish, view, sent, b"{}")
    assert [*sizes, len(sent_body(sent)["requests"])] == [100, 100, 50]
    assert sent.state == (b"{}", b"{}")


@pytest.mark.parametrize(
    ("model", "other", "url"),
    [
        (
            "gemini-2.5-flash",
            "us-central1",
            "https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent",
        ),
        (
            "gemini-2.5-flash",
            "global",
            "https://aiplatform.googleapis.com/v1/projects/proj/locations/global/publishers/google/models/gemini-2.5-flash:generateContent",
        ),
        (
            "claude-3-5-sonnet-20241022",
            "r1",
            "https://r1-aiplatform.googleapis.com/v1/projects/proj/locations/r1/publishers/anthropic/models/claude-3-5-sonnet-v2@20241022:rawPredict",
        ),
        (
            "claude-sonnet-4-5-20250929",
            '{"claude-sonnet-4-5-20250929":"eu1","default":"d1"}',
            "https://eu1-aiplatform.googleapis.com/v1/projects/proj/locations/eu1/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        (
            "meta/llama3-405b-instruct-maas",
            '{"default":"d1"}',
            "https://d1-aiplatform.googleapis.com/v1beta1/projects/proj/locations/d1/endpoints/openapi/chat/completions",
        ),
    ],
)
def test_vertex_urls(model, other, url):
    sent = prepare("vertex", model=model, view=channel("vertex", other=other))
    assert sent.url == url and header(sent, "Authorization") == "Bearer tok-secret"


def test_vertex_claude_bodies_name_the_version_and_no_model():
    body = sent_body(prepare("vertex", model="claude-3-haiku-20240307", stream=True))
    assert body["anthropic_version"] == "vertex-2023-10-16" and "model" not in body and body["stream"] is True


def test_vertex_express_keys():
    view = channel("vertex", key="AIzaFakeKey")
    sent = prepare("vertex", view=view)
    assert sent.url == "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-flash:generateContent"
    assert header(sent, "x-goog-api-key") == "AIzaFakeKey"
    assert not get_provider("vertex").supports("chat", view, "claude-3-haiku-20240307")


def test_vertex_token_exchange():
    provider, view = get_provider("vertex"), channel("vertex")
    request = provider.credential_request(view, NOW_S)
    assert request.url == "https://oauth2.googleapis.com/token"
    assert request.body.startswith(b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey")
    token = provider.read_credential(200, b'{"access_token":"t","expires_in":3599}', NOW_S)
    assert (token.token, token.expires_s, token.refresh_s) == ("t", NOW_S + 3599, NOW_S + 3299)
    assert provider.credential_key(view) != provider.credential_key(channel("vertex", key='{"other":1}'))
    assert "fake" not in provider.credential_key(view)


@pytest.mark.parametrize("other", ['{"x":"y"}', "{broken"])
def test_vertex_regions_without_a_default_are_the_channels_fault(other):
    with pytest.raises(KeyFormatError):
        prepare("vertex", view=channel("vertex", other=other))


@pytest.mark.parametrize(
    ("model", "region", "id"),
    [
        ("claude-3-5-sonnet-20240620", "us-east-1", "us.anthropic.claude-3-5-sonnet-20240620-v1%3A0"),
        ("claude-3-5-sonnet-20240620", "ap-northeast-1", "apac.anthropic.claude-3-5-sonnet-20240620-v1%3A0"),
        ("claude-3-opus-20240229", "eu-west-1", "anthropic.claude-3-opus-20240229-v1%3A0"),
        ("claude-2.1", "us-east-1", "anthropic.claude-v2%3A1"),
        ("us.anthropic.claude-new-v1:0", "us-east-1", "us.anthropic.claude-new-v1%3A0"),
    ],
)
def test_bedrock_ids(model, region, id):
    sent = prepare("aws", model=model, view=channel("aws", key=f"AK|SK|{region}"))
    assert sent.url == f"https://bedrock-runtime.{region}.amazonaws.com/model/{id}/invoke"
    assert header(sent, "Authorization").startswith("AWS4-HMAC-SHA256 Credential=AK/20231114/" + region + "/bedrock/")


def test_bedrock_bodies():
    sent = prepare("aws", stream=True, client_headers={"anthropic-beta": "a, b"})
    body = sent_body(sent)
    assert sent.url.endswith("/invoke-with-response-stream") and sent.framing == "eventstream"
    assert body["anthropic_version"] == "bedrock-2023-05-31" and body["anthropic_beta"] == ["a", "b"]
    assert "model" not in body and "stream" not in body
    assert not sent.passthrough


def test_bedrock_api_keys_and_own_addresses():
    sent = prepare("aws", view=channel("aws", key="us-west-2|bearer-token", base_url="https://vpce.example/"))
    assert header(sent, "Authorization") == "Bearer bearer-token"
    assert sent.url.startswith("https://vpce.example/model/")


def test_bedrock_signs_what_it_sends_after_the_override():
    plain = header(prepare("aws"), "Authorization")
    view = channel("aws", param_override={"temperature": 0.5})
    changed = prepare("aws", view=view)
    assert sent_body(changed)["temperature"] == 0.5 and header(changed, "Authorization") != plain


def test_other_bedrock_models_speak_converse():
    sent = prepare(
        "aws",
        model="amazon.nova-pro-v1:0",
        body={
            "model": "x",
            "max_tokens": 9,
            "stop": "END",
            "messages": [
                {"role": "system", "content": "S"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                    ],
                },
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
            ],
            "tool_choice": "required",
        },
    )
    assert sent.url.endswith("/model/amazon.nova-pro-v1%3A0/converse") and sent.wire == "converse"
    assert sent_body(sent) == {
        "system": [{"text": "S"}],
        "messages": [
            {
                "role": "user",
                "content": [{"text": "hi"}, {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}],
            },
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "42"}]}}]},
        ],
        "inferenceConfig": {"maxTokens": 9, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}}}],
            "toolChoice": {"any": {}},
        },
    }


@pytest.mark.parametrize("name", ["aws", "vertex", "gemini"])
def test_pictures_by_url_are_asked_for_and_put_in(name):
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://p.x/a.png"}}]}],
    }
    model = "claude-3-haiku-20240307" if name != "gemini" else "gemini-2.5-flash"
    wish = call(model=model, body=body)
    assert get_provider(name).prepare(wish, channel(name), credential="t") == NeedsFiles(("https://p.x/a.png",))
    files = {"https://p.x/a.png": Fetched("iVBORw0KGgo=", "image/png")}
    sent = get_provider(name).prepare(wish, channel(name), credential="t", files=files)
    assert b"iVBORw0KGgo=" in sent.body and b"p.x" not in sent.body


@pytest.mark.parametrize(
    ("name", "key"), [("aws", "only-one"), ("aws", "a||c"), ("tencent", "a|b"), ("xunfei", "a|b"), ("baidu", "nobar")]
)
def test_keys_of_the_wrong_form_are_the_channels_fault(name, key):
    view = channel(name, key=key)
    with pytest.raises(KeyFormatError) as error:
        if name == "baidu":
            get_provider(name).credential_request(view, 0)
        prepare(name, view=view)
    assert key not in str(error.value)


# --- quirks of the family ---


def test_mistral_loses_only_what_it_refuses():
    sent = prepare(
        "mistral",
        stream=True,
        body={
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "logit_bias": {},
            "user": "u",
            "logprobs": True,
            "max_completion_tokens": 5,
            "top_p": 0.5,
            "safe_prompt": True,
            "seed": 3,
        },
    )
    assert sent_body(sent) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "top_p": 0.5,
        "safe_prompt": True,
        "max_tokens": 5,
        "random_seed": 3,
    }


def test_mistral_tool_ids_are_nine_characters_and_agree():
    body = sent_body(
        prepare(
            "mistral",
            body={
                "model": "m",
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {
                                "id": "call_long_identifier",
                                "type": "function",
                                "function": {"name": "f", "arguments": "{}"},
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": "call_long_identifier", "content": "x"},
                    {"role": "tool", "tool_call_id": "abcDEF123", "content": "y"},
                ],
            },
        )
    )
    first = body["messages"][0]["tool_calls"][0]["id"]
    assert len(first) == 9 and first.isalnum() and body["messages"][1]["tool_call_id"] == first
    assert body["messages"][2]["tool_call_id"] == "abcDEF123"


def test_perplexity_loses_tools_and_whole_top_p():
    body = sent_body(
        prepare("perplexity", body={"model": "m", "messages": [], "tools": [1], "top_p": 1, "search_mode": "x"})
    )
    assert body == {"model": "m", "messages": [], "top_p": 0.99, "search_mode": "x"}


def test_deepseek_reasoner_takes_no_sampling_and_no_old_thoughts():
    body = {
        "model": "deepseek-reasoner",
        "temperature": 1,
        "top_p": 1,
        "max_tokens": 9,
        "messages": [{"role": "assistant", "content": "a", "reasoning_content": "t"}],
    }
    assert sent_body(prepare("deepseek", model="deepseek-reasoner", body=body)) == {
        "model": "deepseek-reasoner",
        "max_tokens": 9,
        "messages": [{"role": "assistant", "content": "a"}],
    }
    assert (
        sent_body(prepare("deepseek", model="deepseek-chat", body=body | {"model": "deepseek-chat"}))["temperature"]
        == 1
    )


@pytest.mark.parametrize(("top_p", "sent"), [(None, None), (1, 0.999), (0, 0.001), (0.5, 0.5)])
def test_ali_clamps_top_p_only_if_given(top_p, sent):
    body = {"model": "qwen-max", "messages": []} | ({} if top_p is None else {"top_p": top_p})
    assert sent_body(prepare("ali", model="qwen-max", body=body)).get("top_p") == sent


def test_ali_internet_suffix_and_qwen3_thinking():
    body = sent_body(prepare("ali", model="qwen-max-internet"))
    assert body["model"] == "qwen-max" and body["enable_search"] is True
    assert sent_body(prepare("ali", model="qwen3-8b"))["enable_thinking"] is False
    assert "enable_thinking" not in sent_body(prepare("ali", model="qwen3-8b", stream=True))
    asked = {"model": "qwen3-8b", "messages": [], "enable_thinking": True}
    assert sent_body(prepare("ali", model="qwen3-8b", body=asked))["enable_thinking"] is True


def test_ali_headers():
    sent = prepare("ali", stream=True, view=channel("ali", other="plug"))
    assert (header(sent, "X-DashScope-SSE"), header(sent, "X-DashScope-Plugin")) == ("enable", "plug")


def test_zhipu_signs_or_sends_the_key():
    assert header(prepare("zhipu-v4"), "Authorization").startswith("ey")
    assert header(prepare("zhipu-v4", view=channel("zhipu-v4", key="plainkey")), "Authorization") == "Bearer plainkey"


def test_zhipu_body():
    body = sent_body(
        prepare(
            "zhipu-v4",
            body={
                "model": "m",
                "top_p": 1,
                "stop": "x",
                "request_id": "r",
                "thinking": {"type": "enabled"},
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}],
                    }
                ],
            },
        )
    )
    assert body == {
        "model": "m",
        "top_p": 0.99,
        "stop": ["x"],
        "request_id": "r",
        "thinking": {"type": "enabled"},
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "QUJD"}}]}],
    }


def test_zhipu_v3_serves_what_v4_knows():
    assert get_provider("zhipu").supports("chat", channel("zhipu"), "glm-4")
    assert not get_provider("zhipu").supports("chat", channel("zhipu"), "chatglm_pro")


def test_baidu_v2_application_id():
    sent = prepare("baidu-v2", view=channel("baidu-v2", key="k|app-1"))
    assert (header(sent, "Authorization"), header(sent, "appid")) == ("Bearer k", "app-1")


def test_openrouter_says_who_calls():
    sent = prepare("openrouter", settings=Settings(server_address="https://me.example", system_name="Mine"))
    assert (header(sent, "HTTP-Referer"), header(sent, "X-Title")) == ("https://me.example", "Mine")


def test_xai_suffix_and_pictures():
    sent = prepare("xai", model="grok-3-mini-beta-high")
    assert sent_body(sent)["model"] == "grok-3-mini-beta" and sent_body(sent)["reasoning_effort"] == "high"
    picture = prepare(
        "xai",
        "image",
        model="grok-2-image",
        body={"model": "x", "prompt": "p", "size": "1x1", "quality": "hd", "style": "vivid"},
    )
    assert sent_body(picture) == {"model": "grok-2-image", "prompt": "p", "n": 1}


def test_o_series_suffix_is_a_name_where_the_channels_mapping_writes_it_out():
    assert sent_body(prepare("openai", model="o3-mini-high"))["reasoning_effort"] == "high"
    listed = channel("openai", models=frozenset({"o3-mini", "o3-mini-high"}))  # as it must be, to be asked for
    assert sent_body(prepare("openai", model="o3-mini-high", view=listed))["model"] == "o3-mini"
    own = channel("openai", literal=frozenset({"o3-mini-high"}))
    assert sent_body(prepare("openai", model="o3-mini-high", view=own))["model"] == "o3-mini-high"


def test_organization_goes_to_openai():
    assert header(prepare("openai", view=channel("openai", organization="org-1")), "OpenAI-Organization") == "org-1"
    assert header(prepare("groq", view=channel("groq", organization="org-1")), "OpenAI-Organization") is None


# --- stream options, responses, overrides ---


@pytest.mark.parametrize(
    ("name", "members", "sent"),
    [
        pytest.param("openai", {}, True, id="asked for, though the client did not"),
        pytest.param(
            "openai", {"settings": Settings(force_stream_options=False)}, False, id="the operator switched it off"
        ),
        pytest.param("ai360", {}, False, id="known not to take it"),
        pytest.param(
            "ai360", {"view": channel("ai360", setting={"stream_options": True})}, True, id="the channel says it does"
        ),
        pytest.param(
            "openai",
            {"view": channel("openai", setting={"stream_options": False})},
            False,
            id="the channel says it does not",
        ),
        pytest.param(
            "openai",
            {"view": channel("openai", facts=frozenset({"no_stream_options"}))},
            False,
            id="an attempt taught so",
        ),
    ],
)
def test_stream_options(name, members, sent):
    body = sent_body(prepare(name, stream=True, **members))
    assert body.get("stream_options") == ({"include_usage": True} if sent else None)


def test_a_clients_own_wish_for_usage_is_kept_without_force():
    body = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
    sent = prepare("openai", stream=True, body=body, settings=Settings(force_stream_options=False))
    assert sent_body(sent)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("name", "view", "wire"),
    [
        ("openai", {}, "responses"),
        ("openai", {"setting": {"responses": "chat"}}, "openai"),
        ("openai", {"facts": frozenset({"no_responses"})}, "openai"),
        ("openai-compatible", {"base_url": "https://x.y"}, "openai"),
        ("openai-compatible", {"base_url": "https://x.y", "setting": {"responses": "native"}}, "responses"),
        ("anthropic", {}, "claude"),
    ],
)
def test_responses_clients(name, view, wire):
    sent = prepare(name, "responses", view=channel(name, **view))
    assert sent.wire == wire and sent.url.endswith(
        {"responses": "/v1/responses", "openai": "/chat/completions", "claude": "/v1/messages"}[wire]
    )
    assert sent.passthrough is (wire == "responses")


def test_parameter_override_of_both_forms():
    override = {"temperature": 0, "top_p": None, "operations": [{"path": "extra.x", "mode": "set", "value": 2**60 + 1}]}
    sent = prepare(
        "openai", view=channel("openai", param_override=override), body={"model": "m", "messages": [], "top_p": 1}
    )
    assert sent.body == b'{"model":"m","messages":[],"temperature":0,"extra":{"x":1152921504606846977}}'


def test_header_override():
    wish = {"authorization": "Key {api_key}", "X-Model": "{model}/{user}", "Accept": None, "X-Bad": "a\r\nb"}
    sent = prepare("openai", view=channel("openai", setting={"header_override": wish}), user="ann")
    assert dict(sent.headers) == {
        "Content-Type": "application/json",
        "authorization": f"Key {KEY}",
        "X-Model": "m/ann",
        "X-Bad": "ab",
    }


def test_only_named_client_headers_are_forwarded():
    headers = {"x-trace": "1", "cookie": "secret", "openai-beta": "b"}
    sent = prepare("openai", client_headers=headers, settings=Settings(forward_client_headers=("x-trace",)))
    assert header(sent, "x-trace") == "1" and header(sent, "cookie") is None and header(sent, "OpenAI-Beta") == "b"


@pytest.mark.parametrize(
    "name", ["openai", "anthropic", "gemini", "cohere", "dify", "coze", "tencent", "baidu", "xunfei", "aws"]
)
def test_the_channels_system_prompt_reaches_every_format(name):
    sent = prepare(name, view=channel(name, system_prompt="BE BRIEF"))
    assert b"BE BRIEF" in sent.body


# --- formats of their own ---


def test_baidu_v1():
    provider, view = get_provider("baidu"), channel("baidu")
    request = provider.credential_request(view, NOW_S)
    assert request.url.endswith("grant_type=client_credentials&client_id=fakeapikey&client_secret=fakesecretkey")
    body = {
        "model": "x",
        "max_tokens": 1,
        "frequency_penalty": 0.5,
        "user": "u",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "user", "content": "c"},
        ],
    }
    sent = prepare("baidu", body=body)
    assert (
        sent.url
        == "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions_pro?access_token=tok-secret"
    )
    assert sent_body(sent) == {
        "messages": [
            {"role": "user", "content": "..."},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": "b\n\nc"},
        ],
        "system": "S",
        "penalty_score": 0.5,
        "user_id": "u",
        "max_output_tokens": 2,
        "stream": False,
    }
    assert prepare("baidu", "embedding", model="bge-large-zh").url.endswith(
        "/embeddings/bge_large_zh?access_token=tok-secret"
    )
    assert sent.state is None


def test_tencent_signs_by_the_host_it_calls():
    sent = prepare(
        "tencent",
        view=channel("tencent", base_url="https://hunyuan.ap.example"),
        stream=True,
        model="hunyuan-pro",
        body={
            "model": "x",
            "stream": True,
            "top_p": 0.5,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "https://p.x/a.png"}},
                    ],
                }
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        },
    )
    assert sent.url == "https://hunyuan.ap.example/" and sent.stream
    assert header(sent, "X-TC-Action") == "ChatCompletions" and header(sent, "X-TC-Version") == "2023-09-01"
    assert header(sent, "Authorization").startswith(
        "TC3-HMAC-SHA256 Credential=fakeSecretIdId/2023-11-14/hunyuan/tc3_request"
    )
    assert sent_body(sent) == {
        "Model": "hunyuan-pro",
        "Stream": True,
        "TopP": 0.5,
        "Messages": [
            {
                "Role": "user",
                "Contents": [
                    {"Type": "text", "Text": "a"},
                    {"Type": "image_url", "ImageUrl": {"Url": "https://p.x/a.png"}},
                ],
            }
        ],
        "Tools": [{"Type": "function", "Function": {"Name": "f", "Parameters": '{"type":"object"}'}}],
    }
    plain = prepare("tencent", view=channel("tencent", key="sk-plain"))
    assert plain.url == "https://api.hunyuan.cloud.tencent.com/v1/chat/completions" and plain.passthrough
    assert header(prepare("tencent", "embedding"), "X-TC-Action") == "GetEmbedding"


@pytest.mark.parametrize(
    ("model", "path", "domain"),
    [
        ("SparkDesk-v3.5", "/v3.5/chat", "generalv3.5"),
        ("SparkDesk-v4.0", "/v4.0/chat", "4.0Ultra"),
        ("SparkDesk", "/v1.1/chat", "lite"),
        ("Spark-Pro-128K", "/chat/pro-128k", "pro-128k"),
        ("Spark-Max-32K", "/chat/max-32k", "max-32k"),
    ],
)
def test_xunfei_sockets(model, path, domain):
    sent = prepare("xunfei", model=model)
    assert sent.url.startswith(f"wss://spark-api.xf-yun.com{path}?authorization=")
    assert sent.framing == "websocket" and sent.stream and sent.headers == ()
    assert sent_body(sent)["parameter"]["chat"]["domain"] == domain
    assert sent_body(sent)["payload"]["message"]["text"] == [{"role": "user", "content": "hi"}]


def test_xunfei_plain_keys():
    sent = prepare("xunfei", view=channel("xunfei", key="plain:key"))
    assert sent.url == "https://spark-api-open.xf-yun.com/v1/chat/completions" and sent.passthrough


def test_dify_uploads_pictures_first():
    body = {
        "model": "m",
        "stream": True,
        "metadata": {"conversation_id": "c9"},
        "messages": [
            {"role": "system", "content": "S"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                    {"type": "image_url", "image_url": {"url": "https://p.x/b.png"}},
                ],
            },
        ],
    }
    view = channel("dify", setting={"dify_inputs": {"lang": "de"}})
    wish = call(body=body, stream=True)
    provider = get_provider("dify")
    upload = provider.prepare(wish, view)
    assert upload.more and upload.url == "https://api.dify.ai/v1/files/upload"
    assert b'name="file"; filename="image.png"' in upload.body and b"\x89PNG\r\n\x1a\n" in upload.body
    sent = provider.next_step(wish, view, upload, b'{"id":"up1"}')
    assert not sent.more and sent.url == "https://api.dify.ai/v1/chat-messages" and sent.stream
    assert sent_body(sent) == {
        "inputs": {"lang": "de"},
        "query": "SYSTEM: \nS\nUSER: \nlook\n",
        "response_mode": "streaming",
        "user": "chatcmpl-req1",
        "auto_generate_name": False,
        "conversation_id": "c9",
        "files": [
            {"type": "image", "transfer_method": "remote_url", "url": "https://p.x/b.png"},
            {"type": "image", "transfer_method": "local_file", "upload_file_id": "up1"},
        ],
    }


def test_dify_workflows():
    sent = prepare("dify", model="workflow-1")
    assert sent.url.endswith("/v1/workflows/run") and sent_body(sent)["inputs"] == {"query": "USER: \nhi\n"}


def test_coze_and_deepl():
    coze = prepare("coze", view=channel("coze", other="user9"))
    assert coze.stream and sent_body(coze) == {
        "bot_id": "123",
        "user_id": "user9",
        "stream": True,
        "auto_save_history": False,
        "additional_messages": [{"role": "user", "content": "hi", "content_type": "text"}],
    }
    deepl = prepare("deepl", stream=True)
    assert not deepl.stream and sent_body(deepl) == {"text": ["hi"], "target_lang": "EN"}
    assert header(deepl, "Authorization") == f"DeepL-Auth-Key {KEY}"


def test_replicate_makes_a_prediction_and_reads_its_stream():
    provider, view, wish = get_provider("replicate"), channel("replicate"), call(model="meta/x", stream=True)
    made = provider.prepare(wish, view)
    assert made.more and made.url == "https://api.replicate.com/v1/models/meta/x/predictions"
    sent = provider.next_step(
        wish, view, made, b'{"status":"starting","urls":{"stream":"https://stream.replicate.com/v1/s"}}'
    )
    assert (sent.method, sent.url, sent.more, header(sent, "Accept")) == (
        "GET",
        "https://stream.replicate.com/v1/s",
        False,
        "text/event-stream",
    )


def test_replicates_key_goes_nowhere_else():
    from schema.dialects.errors import BadAnswer

    provider, view, wish = get_provider("replicate"), channel("replicate"), call(model="meta/x")
    made = provider.prepare(wish, view)
    for url in (
        "https://evil.example/replicate.com",
        "http://stream.replicate.com/x",
        "https://replicate.com.evil.example/",
    ):
        with pytest.raises(BadAnswer):
            provider.next_step(wish, view, made, msgspec.json.encode({"urls": {"stream": url}}))


def test_ali_pictures_are_polled_with_growing_pauses():
    from schema.dialects.errors import BadAnswer

    provider, view, wish = get_provider("ali"), channel("ali"), call("image", model="wanx2.1-t2i-turbo")
    sent = provider.prepare(wish, view)
    assert sent.more and header(sent, "X-DashScope-Async") == "enable"
    pauses, waiting = [], b'{"output":{"task_id":"t1","task_status":"RUNNING"}}'
    for _ in range(5):
        sent = provider.next_step(wish, view, sent, waiting)
        pauses.append(round(sent.delay_s, 2))
        assert (sent.method, sent.url) == ("GET", "https://dashscope.aliyuncs.com/api/v1/tasks/t1")
    assert pauses == [2.0, 2.6, 3.38, 4.39, 5.0]
    done = provider.next_step(
        wish, view, sent, b'{"output":{"task_id":"t1","task_status":"SUCCEEDED","results":[{"url":"https://u"}]}}'
    )
    assert not done.more and done.method == ""
    with pytest.raises(BadAnswer, match="no good"):
        provider.next_step(wish, view, sent, b'{"output":{"task_status":"FAILED","message":"no good"}}')
    with pytest.raises(BadAnswer) as late:
        for _ in range(100):
            sent = provider.next_step(wish, view, sent, waiting)
    assert late.value.error.status == 504


def test_cloudflare_transcription_sends_the_recording_alone():
    assert prepare("cloudflare", "transcription").body == b"RIFFdata"
    with pytest.raises(Unsupported):
        prepare("cloudflare", "transcription", body=form("m", response_format="verbose_json"))


def test_ollama_native():
    body = {
        "model": "m",
        "max_tokens": 5,
        "options": {"num_ctx": 4096},
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                ],
            }
        ],
    }
    sent = prepare("ollama", view=channel("ollama", setting={"ollama_native": True}), body=body, stream=True)
    assert sent.url.endswith("/api/chat") and sent.framing == "json_lines"
    assert sent_body(sent) == {
        "model": "m",
        "stream": True,
        "options": {"num_predict": 5, "num_ctx": 4096},
        "messages": [{"role": "user", "content": "a", "images": ["iVBORw0KGgo="]}],
    }


@pytest.mark.parametrize("name", ["dify", "coze", "deepl", "xunfei", "baidu", "replicate"])
def test_tools_are_refused_where_a_format_has_none(name):
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    with pytest.raises(Unsupported) as error:
        prepare(name, body=body)
    assert error.value.status == 400 and error.value.param == "tools"


# --- the table of modes ---

CHAT_NAMES = sorted(name for name, held in providers().items() if "chat" in held.modes and not held.retired)


@pytest.mark.parametrize("dialect", ["openai", "claude", "gemini", "responses", "completions"])
@pytest.mark.parametrize("name", CHAT_NAMES)
def test_every_client_reaches_every_chat_provider(name, dialect):
    bodies = {
        "openai": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
        "claude": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        "responses": {"model": "m", "input": "hi"},
        "completions": {"model": "m", "prompt": "hi"},
    }
    mode = {"responses": "responses", "completions": "completion"}.get(dialect, "chat")
    for stream in (False, True):
        sent = prepare(name, mode, dialect=dialect, body=bodies[dialect], stream=stream)
        assert b"hi" in sent.body
        assert stream <= sent.stream or name == "deepl"


EVERY_MODE = [
    "chat",
    "completion",
    "responses",
    "embedding",
    "moderation",
    "rerank",
    "image",
    "speech",
    "transcription",
]
EXTRA_MODELS = {
    ("embedding", "vertex"): "text-embedding-005",
    ("embedding", "baidu"): "bge-large-zh",
    ("image", "gemini"): "imagen-4.0-generate-001",
    ("image", "vertex"): "imagen-4.0-generate-001",
}


@pytest.mark.parametrize("mode", EVERY_MODE)
@pytest.mark.parametrize("name", sorted(providers()))
def test_a_mode_is_served_or_makes_the_channel_ineligible(name, mode):
    provider, view = get_provider(name), channel(name)
    model = EXTRA_MODELS.get((mode, name))
    members = {"model": model} if model else {}
    if mode in provider.modes and not provider.retired:
        assert prepare(name, mode, **members).body
    else:
        assert not provider.supports(mode, view, "m")
        with pytest.raises(DialectError):
            prepare(name, mode)


def test_unknown_names_speak_like_openai():
    assert get_provider("never-heard-of").name == "openai-compatible"
    assert get_provider("Vertex_AI").name == "vertex"


def test_retired_types_are_never_eligible():
    assert not get_provider("palm").supports("chat", channel("palm"), "PaLM-2")


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"unknown", "midjourney", "midjourney_plus", "suno"}))
def test_every_channel_type_has_its_provider(name):
    """The table of channel types and this registry agree on names and default addresses."""
    provider = get_provider(name)
    assert provider.name == canonical(name)
    assert provider.base_url == PROVIDERS[name].base_url


def test_thinking_to_content_leaves_claudes_own_dialect_alone():
    view = channel("anthropic", setting={"thinking_to_content": True})
    body = {"model": "claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    own = prepare("anthropic", model="claude-x", dialect="claude", body=body, view=view)
    assert own.passthrough and not own.thinking_to_content
    assert prepare("anthropic", model="claude-x", view=view).thinking_to_content
