"""Every provider of the matrix: which wire it speaks, at which address, and what it can do."""

import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.edge.relay.matrix.standin import Provider

_PEM = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
_AWS = "AKIAFAKE|fakeSecretKeyFakeSecret|us-east-1"
CLAUDE = "claude-sonnet-4-20250514"
TALK = ("text", "image", "history", "schema")
TOOLS = ("tool", "parallel")


def account(token_uri: str) -> str:
    """A Google service account whose tokens come from the stand-in."""
    held: dict[str, Any] = {"client_email": "svc@proj.iam", "private_key": _PEM.decode(), "project_id": "proj"}
    return json.dumps(held | {"token_uri": token_uri})


PROVIDERS = {
    # the dialects of clients
    "openai": Provider(1, "openai", setting='{"responses":"chat"}', path=r"v1/chat/completions"),
    "anthropic": Provider(14, "claude", upstream=CLAUDE, path=r"v1/messages"),
    "gemini": Provider(24, "gemini", upstream="gemini-2.5-flash", path=r"v1beta/models/gemini-2.5-flash:\w+(\?alt=sse)?"),
    "cohere": Provider(34, "cohere", upstream="command-a-03-2025", path=r"v2/chat"),
    # their other homes
    "responses": Provider(1, "responses", upstream="gpt-5.4", setting='{"responses":"native"}', name="openai", path=r"v1/(responses|chat/completions)"),
    "azure": Provider(3, "openai", upstream="gpt-4o", path=r"openai/deployments/gpt-4o/chat/completions\?api-version=[\w-]+|openai/v1/responses\S+"),
    "custom": Provider(8, "openai", base="/{path}", path=r"/v1/chat/completions"),
    "aws": Provider(33, "claude", _AWS, CLAUDE, "aws", path=r"model/us\.anthropic\.claude-sonnet-4-20250514-v1%3A0/invoke\S*"),
    "converse": Provider(33, "converse", _AWS, "amazon.nova-pro-v1:0", name="aws", path=r"model/amazon\.nova-pro-v1%3A0/converse(-stream)?"),
    "vertex-claude": Provider(41, "claude", "account", CLAUDE, "us-east5", name="vertex", path=r"v1/projects/proj/locations/us-east5/publishers/anthropic/models/claude-sonnet-4@20250514:(rawPredict|streamRawPredict\?alt=sse)"),
    "vertex-gemini": Provider(41, "gemini", "account", "gemini-2.5-flash", "us-central1", name="vertex", path=r"v1/projects/proj/locations/us-central1/publishers/google/models/gemini-2.5-flash:\w+(\?alt=sse)?"),
    "ollama-native": Provider(4, "ollama", upstream="llama3.2", setting='{"ollama_native":true}', name="ollama", path=r"api/chat", error=404),
    "ollama": Provider(4, "openai", upstream="llama3.2", path=r"v1/chat/completions"),
    # OpenAI-like, each with its own marks
    "deepseek": Provider(43, "deepseek", upstream="deepseek-reasoner", path=r"v1/chat/completions"),
    "openrouter": Provider(20, "openrouter", upstream="deepseek/deepseek-r1", path=r"api/v1/chat/completions", base="/api"),
    "moonshot": Provider(25, "moonshot", upstream="moonshot-v1-8k", path=r"v1/chat/completions"),
    "xai": Provider(48, "xai", upstream="grok-3-mini", path=r"v1/chat/completions"),
    "minimax": Provider(35, "minimax", upstream="MiniMax-Text-01", path=r"v1/chat/completions|v1/text/chatcompletion_v2", error=200),
    "perplexity": Provider(27, "perplexity", upstream="sonar", path=r"chat/completions"),
    "zhipu": Provider(26, "zhipu", "fakeid.fakesecret", "glm-4-flash", name="zhipu-v4", path=r"api/paas/v4/chat/completions"),
    "mistral": Provider(42, "openai", upstream="mistral-large-latest", path=r"v1/chat/completions"),
    "siliconflow": Provider(40, "openai", upstream="Qwen/Qwen2-7B-Instruct", path=r"v1/chat/completions"),
    "volcengine": Provider(45, "openai", upstream="Doubao-pro-4k", path=r"api/v3/chat/completions"),
    "ali": Provider(17, "openai", upstream="qwen-plus", path=r"compatible-mode/v1/chat/completions"),
    "baidu-v2": Provider(46, "openai", upstream="ernie-4.0-8k", path=r"v2/chat/completions"),
    "cloudflare": Provider(39, "openai", upstream="@cf/meta/llama-3.1-8b-instruct", other="acc1", path=r"client/v4/accounts/acc1/ai/v1/chat/completions"),
    "lingyiwanwu": Provider(31, "openai", upstream="yi-large", path=r"v1/chat/completions"),
    "ai360": Provider(19, "openai", upstream="360gpt-pro", path=r"v1/chat/completions"),
    "xinference": Provider(47, "openai", upstream="qwen2", path=r"v1/chat/completions"),
    "groq": Provider(1, "openai", upstream="llama-3.3-70b", setting='{"responses":"chat"}', name="groq", base="/openai", path=r"openai/v1/chat/completions"),
    # formats of their own
    "tencent": Provider(23, "tencent", "1001|fakeSecretId|fakeSecretKey", "hunyuan-pro", path=r"", error=200),
    "baidu": Provider(15, "baidu", "fakeapikey|fakesecretkey", "ERNIE-4.0-8K", path=r"rpc/2\.0/ai_custom/v1/wenxinworkshop/chat/completions_pro\?access_token=tok-1", error=200),
    "xunfei": Provider(18, "xunfei", "app1|fakeapisecret|fakeapikey", "SparkDesk-v3.5", error=200),
    "dify": Provider(37, "dify", upstream="chatflow", path=r"v1/chat-messages", error=400),
    "coze": Provider(34, "coze", upstream="bot-123", name="coze", path=r"v3/chat", error=200),
}  # fmt: skip

# What each can do beyond plain text and a stream of it.
FEATURES: dict[str, tuple[str, ...]] = {
    "openai": (*TALK, *TOOLS, "cached", "error", "broken", "leak"),
    "anthropic": (*TALK, *TOOLS, "thinking", "cached", "error", "broken", "leak"),
    "gemini": (*TALK, *TOOLS, "thinking", "cached", "error", "broken", "leak"),
    "cohere": (*TALK, *TOOLS, "thinking", "error", "leak"),
    "azure": ("text", "tool", "image", "error"),
    "aws": (*TALK, *TOOLS, "thinking", "cached", "error"),
    "converse": (*TALK, *TOOLS, "thinking", "cached", "error", "broken"),
    "vertex-claude": ("text", "tool", "image", "thinking", "error"),
    "vertex-gemini": ("text", "tool", "image", "thinking", "error"),
    "ollama-native": (*TALK, *TOOLS, "thinking", "error", "broken"),
    "deepseek": ("text", "thinking"),
    "openrouter": ("text", "thinking"),
    "mistral": ("text", "history", "parallel"),
    "tencent": ("text", "tool", "history", "error"),
    "minimax": ("text", "error"),
    "zhipu": ("text", "error"),
    "baidu": ("text", "error"),
    "xunfei": ("text", "error"),
    "dify": ("text", "error"),
    "coze": ("text", "error"),
}
RESPONSES_NATIVE = ("text", "tool", "parallel", "thinking", "schema", "error")
