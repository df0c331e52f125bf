"""Calls and channels that the tests of providers share."""

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from schema.dialects.providers.base import Call, ChannelView, Outgoing
from schema.dialects.providers.registry import get_provider

NOW_S = 1_700_000_000
PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
ACCOUNT = msgspec.json.encode({"client_email": "svc@proj.iam", "private_key": PEM, "project_id": "proj"}).decode()
KEYS = {
    "aws": "AKIAFAKEACCESS|fakeSecretKeyFakeSecret|us-east-1",
    "vertex": ACCOUNT,
    "baidu": "fakeapikey|fakesecretkey",
    "tencent": "100001|fakeSecretIdId|fakeSecretKeyKey",
    "xunfei": "appid1|fakeapisecret|fakeapikeykey",
    "zhipu": "fakeid.fakesecret",
    "zhipu-v4": "fakeid.fakesecret",
}
OTHERS = {"vertex": "us-central1", "cloudflare": "account1"}
BASES = {"azure": "https://res.openai.azure.com", "custom": "https://c.example", "xinference": "https://x.example"}
MODELS = {
    "anthropic": "claude-sonnet-4-5-20250929",
    "aws": "claude-3-5-sonnet-20240620",
    "vertex": "gemini-2.5-flash",
    "gemini": "gemini-2.5-flash",
    "coze": "bot-123",
    "deepl": "deepl-EN",
    "xunfei": "SparkDesk-v3.5",
    "zhipu": "glm-4-flash",
    "replicate": "meta/meta-llama-3-8b-instruct",
    "baidu": "ERNIE-4.0-8K",
}
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
BODIES = {
    "chat": CHAT,
    "completion": {"prompt": "hi"},
    "responses": {"input": "hi"},
    "embedding": {"input": ["a", "b"]},
    "moderation": {"input": "x"},
    "rerank": {"query": "q", "documents": ["a", "b"]},
    "image": {"prompt": "a cat"},
    "speech": {"input": "hello", "voice": "alloy"},
}
DIALECTS = {"completion": "completions", "responses": "responses"}
BOUNDARY = "xyz"


def form(model, **fields):
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n']
    parts += [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        f"Content-Type: audio/wav\r\n\r\nRIFFdata\r\n--{BOUNDARY}--\r\n"
    )
    return "".join(parts).encode()


def channel(provider, **members):
    filled = {
        "id": 7,
        "provider": provider,
        "key": KEYS.get(provider, "sk-fakekey-0123456789"),
        "base_url": BASES.get(provider, ""),
        "other": OTHERS.get(provider, ""),
    }
    return ChannelView(**(filled | members))


def call(mode="chat", *, model="m", dialect="", body=None, upstream="", **members):
    upload = mode in ("transcription", "translation", "image_edit", "image_variation")
    if body is None:
        body = form(model) if upload else {"model": model} | BODIES[mode]
    if isinstance(body, dict):
        if members.get("stream") and "stream" not in body:
            body = body | {"stream": True}
        body = msgspec.json.encode(body)
    return Call(
        mode=mode,
        client_dialect=dialect or DIALECTS.get(mode, "openai"),
        model=model,
        upstream_model=upstream or model,
        body=body,
        content_type=f"multipart/form-data; boundary={BOUNDARY}" if upload else "application/json",
        now_s=NOW_S,
        request_id="req1",
        **members,
    )


def credential_of(name, view):
    return "tok-secret" if get_provider(name).credential_key(view) else ""


def prepare(name, mode="chat", *, view=None, files=None, **members):
    view = view or channel(name)
    members.setdefault("model", MODELS.get(name, "m"))
    sent = get_provider(name).prepare(call(mode, **members), view, credential=credential_of(name, view), files=files)
    assert isinstance(sent, Outgoing), sent
    return sent


def sent_body(sent):
    return msgspec.json.decode(sent.body)
