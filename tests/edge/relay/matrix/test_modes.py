"""Everything that is not a chat, and every rule and setting that changes one, through a real edge: what goes upstream, what comes back."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import cohere
import httpx
import httpx2
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import types
from sqlalchemy import insert

from schema.counting import count_text
from schema.ledger.keys import Keys
from schema.tables import Ability, Channel
from schema.usage import UsageRecord
from tests.edge.relay.matrix.requests import PIXEL
from tests.edge.relay.matrix.standin import read
from tests.schema.ledger.books import records_of
from tests.services import free_port
from tests.system import KEY, PARTITIONS, System, open_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("matrix-modes")]  # one system for all
TOKEN = f"sk-{KEY}1"
VECTOR = [0.5, -1.0]
WAV = b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"
USAGE = {"prompt_tokens": 8, "total_tokens": 8}
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
REASONED = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "u", "odd": {"kept": 1},
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "4", "reasoning_content": "2+2"}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}  # fmt: skip
REASONED_STREAM = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"u","odd":1,"choices":[{"index":0,"delta":'
    b'{"role":"assistant","reasoning_content":"2+2"},"finish_reason":null}]}\n\n'
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"u","odd":1,"choices":[{"index":0,"delta":'
    b'{"content":"4"},"finish_reason":null}]}\n\n'
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"u","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\ndata: [DONE]\n\n'
)


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def _embeddings(n: int) -> Any:
    rows = [{"object": "embedding", "index": i, "embedding": VECTOR} for i in range(n)]
    return {"object": "list", "data": rows, "model": "u", "usage": USAGE}


RANKED = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
# path behind the channel's folder -> answer
ANSWERS: list[tuple[str, tuple[str, bytes]]] = [
    (r"gemini/\S+:batchEmbedContents", _json({"embeddings": [{"values": VECTOR}, {"values": VECTOR}]})),
    (r"gemini/\S+:predict", _json({"predictions": [{"bytesBase64Encoded": PIXEL, "mimeType": "image/png"}]})),
    (r"gemini/\S+:generateContent", ("application/json", read("gemini", "text.json"))),
    (r"gemini/\S+:streamGenerateContent\S*", ("text/event-stream", read("gemini", "text.sse"))),
    (r"silent/api/chat", ("application/x-ndjson", (
        b'{"model":"u","message":{"role":"assistant","content":"","thinking":"2+2"},"done":false}\n'
        b'{"model":"u","message":{"role":"assistant","content":"4"},"done":false}\n'
        b'{"model":"u","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n'))),
    (r"ollama/api/embed", _json({"model": "u", "embeddings": [VECTOR, VECTOR], "prompt_eval_count": 8})),
    (r"cohere/v2/embed", _json({"id": "e", "embeddings": {"float": [VECTOR, VECTOR]}, "texts": ["a", "b"], "meta": {"billed_units": {"input_tokens": 8}}})),
    (r"cohere/v2/rerank", _json(RANKED | {"id": "r", "meta": {"billed_units": {"search_units": 1}}})),
    (r"cohere/v2/chat", ("application/json", read("cohere", "text.json"))),
    (r"jina/v1/rerank", _json(RANKED | {"model": "u", "usage": {"total_tokens": 8, "prompt_tokens": 8}})),
    (r"\w+/v1/embeddings", _json(_embeddings(2))),
    (r"\w+/v1/moderations", _json({"id": "m", "model": "u", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]})),
    (r"\w+/v1/images/\w+", _json({"created": 1, "data": [{"b64_json": PIXEL}]})),
    (r"\w+/v1/audio/speech", ("audio/mpeg", b"ID3sound")),
    (r"\w+/v1/audio/\w+", _json({"text": "hello there"})),
    (r"old/v1/responses", ("404", b'{"error":{"message":"no such route"}}')),
    (r"mapped/\S+", ("400", b'{"error":{"message":"odd","type":"x","code":"y"}}')),
    (r"\w+/v1/messages", ("application/json", read("claude", "text.json"))),
    (r"azure/openai/deployments/\S+", _json(REASONED)),
    (r"dify/v1/chat-messages", ("text/event-stream", (
        b'data: {"event":"workflow_started","conversation_id":"c","data":{"workflow_id":"w1"}}\n\n'
        b'data: {"event":"message","conversation_id":"c","answer":"hi"}\n\n'
        b'data: {"event":"message_end","conversation_id":"c","metadata":{"usage":{"prompt_tokens":1,"completion_tokens":1}}}\n\n'))),
    (r"\S+", _json(REASONED)),
]  # fmt: skip


class Upstream:
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.port = free_port()
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head.strip().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (one.partition(":") for one in rest)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                path = line.split(" ")[1][1:]
                self.asked.append((path, headers, body))
                kind, answer = next(answer for pattern, answer in ANSWERS if re.fullmatch(pattern, path))
                if kind == "application/x-ndjson" and b'"stream":false' in body:
                    kind, answer = (
                        "application/json",
                        b'{"model":"u","message":{"content":"4","thinking":"2+2"},"done":true}',
                    )
                if (
                    kind == "application/json"
                    and answer == ANSWERS[-1][1][1]
                    and b'"stream":true' in body.replace(b" ", b"")
                ):
                    kind, answer = "text/event-stream", REASONED_STREAM
                status, kind = (kind, "application/json") if kind.isdigit() else ("200", kind)
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(answer)}\r\n\r\n".encode()
                    + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def last(self) -> Any:
        return json.loads(self.asked[-1][2])


CHANNELS: dict[str, dict[str, Any]] = {
    "openai": {"provider": "openai", "type": 1},
    "gemini": {"provider": "gemini", "type": 24},
    "imagen": {"provider": "gemini", "type": 24, "base": "gemini", "to": "imagen-3.0-generate-002"},
    "ollama": {"provider": "ollama", "type": 4},
    "cohere": {"provider": "cohere", "type": 34},
    "jina": {"provider": "jina", "type": 38},
    "claude": {"provider": "anthropic", "type": 14},
    "azure": {"provider": "azure", "type": 3},
    "silent": {"provider": "ollama", "type": 4, "setting": {"ollama_native": True}},
    "old": {"provider": "openai", "type": 1, "setting": {"responses": "auto"}},
    "chatonly": {"provider": "openai", "type": 1, "setting": {"responses": "chat"}},
    "think": {"provider": "deepseek", "type": 43, "setting": {"thinking_to_content": True}},
    "forced": {"provider": "openai", "type": 1, "setting": {"force_format": True}},
    "prompted": {"provider": "openai", "type": 1, "system_prompt": "You are the house's own."},
    "overridden": {"provider": "openai", "type": 1, "param_override": {"temperature": 0.1, "seed": 9007199254740993, "user": None}},
    "mapped": {"provider": "openai", "type": 1, "status_code_mapping": '{"400":"429"}'},
    "dify": {"provider": "dify", "type": 37},
    "baidu2": {"provider": "baidu-v2", "type": 46},
    "perplexity": {"provider": "perplexity", "type": 27},
    "o3-mini-high": {"provider": "openai", "type": 1, "as": "o3-mini-high"},
    "gpt-5-low": {"provider": "openai", "type": 1, "as": "gpt-5-low"},
    "gpt-4-gizmo-*": {"provider": "openai", "type": 1, "as": "gpt-4-gizmo-*"},
    "claude-sonnet-4-20250514-thinking": {"provider": "anthropic", "type": 14, "as": "claude-sonnet-4-20250514-thinking"},
    "gemini-2.5-flash-thinking-128": {"provider": "gemini", "type": 24, "base": "gemini", "as": "gemini-2.5-flash-thinking-128"},
    "gemini-2.5-flash-nothinking": {"provider": "gemini", "type": 24, "base": "gemini", "as": "gemini-2.5-flash-nothinking"},
}  # fmt: skip
ENVIRON = {
    "COHERE_SAFETY_SETTING": "STRICT",
    "GEMINI_VISION_MAX_IMAGE_NUM": "1",
    "FORCE_STREAM_OPTION": "false",
    "AZURE_DEFAULT_API_VERSION": "2099-01-01",
    "DIFY_DEBUG": "true",
    "MAX_FILE_DOWNLOAD_MB": "1",
}


class Stage:
    def __init__(self, system: System, upstream: Upstream) -> None:
        self.system, self.upstream = system, upstream
        self.address, self.client = system.address, system.client


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_system(tmp_path_factory.mktemp("modes"), environ=ENVIRON) as system:
        upstream = Upstream()
        rows = []
        for number, (name, how) in enumerate(CHANNELS.items(), start=2):
            mapping = {} if "as" in how else {name: how.get("to", f"u.{name}")}
            rows.append(
                {
                    "id": number, "type": how["type"], "provider": how["provider"], "key": "sk-up", "status": 1, "name": name,
                    "base_url": f"http://127.0.0.1:{upstream.port}/{how.get('base', re.sub(r'[^a-z0-9]', '', name))}",
                    "weight": 0, "priority": 0, "models": name, "group": "default",
                    "model_mapping": json.dumps(mapping), "setting": json.dumps(how.get("setting", {})),
                    "param_override": json.dumps(how["param_override"]) if "param_override" in how else None,
                    "system_prompt": how.get("system_prompt"), "status_code_mapping": how.get("status_code_mapping", ""),
                }
            )  # fmt: skip
        options = {
            "AutomaticDisableChannelEnabled": "false",
            "gemini.thinking_adapter_enabled": "true",
            "RetryTimes": "0",
        }
        await system.seed(ModelPrice=json.dumps(dict.fromkeys(CHANNELS, 0.001)), **options)
        async with system.engine.begin() as db:
            await db.execute(insert(Channel), rows)
            names = [
                {"group": "default", "model": row["models"], "channel_id": row["id"], "enabled": True} for row in rows
            ]
            await db.execute(insert(Ability), names)
        async with await asyncio.start_server(upstream.serve, "127.0.0.1", upstream.port):
            system.add_edge()
            await system.ready()
            yield Stage(system, upstream)


def sdk(stage: Stage) -> openai.AsyncOpenAI:
    http = httpx2.AsyncClient(trust_env=False)
    return openai.AsyncOpenAI(api_key=TOKEN, base_url=f"{stage.address()}/v1", http_client=http, max_retries=0)


def google(stage: Stage) -> genai.Client:
    http = httpx.AsyncClient(trust_env=False)
    return genai.Client(
        api_key=TOKEN, http_options=types.HttpOptions(base_url=stage.address(), httpx_async_client=http)
    )


def claude(stage: Stage) -> anthropic.AsyncAnthropic:
    http = httpx2.AsyncClient(trust_env=False)
    return anthropic.AsyncAnthropic(api_key=TOKEN, base_url=stage.address(), http_client=http, max_retries=0)


async def last_record(stage: Stage) -> UsageRecord:
    found = await stage.system.redis.xrevrange(Keys(PARTITIONS).usage(1), count=1)
    return records_of(found[0][1])[-1]


# --- embeddings, rerank, moderations ---


@pytest.mark.parametrize("provider", ["openai", "gemini", "ollama", "cohere"])
async def test_embeddings_of_openai_and_google_clients(stage: Stage, provider: str) -> None:
    answer = await sdk(stage).embeddings.create(model=provider, input=["a", "b"])  # the SDK asks for base64
    assert [one.embedding for one in answer.data] == [VECTOR, VECTOR]
    assert [one.index for one in answer.data] == [0, 1]
    found = await google(stage).aio.models.embed_content(model=provider, contents=["a", "b"])
    assert [one.values for one in found.embeddings] == [VECTOR, VECTOR]
    assert (await last_record(stage)).mode == "embedding"


@pytest.mark.parametrize("provider", ["jina", "cohere"])
async def test_rerank_in_both_shapes(stage: Stage, provider: str) -> None:
    async with stage.client() as http:
        wish = {"model": provider, "query": "q", "documents": ["a", "b"], "return_documents": True}
        for path in ("/v1/rerank", "/rerank"):
            answer = (await http.post(path, json=wish)).json()
            assert [one["index"] for one in answer["results"]] == [1, 0]
            assert answer["results"][0]["document"]["text"] == "b" and answer["usage"]["total_tokens"] > 0
    client = cohere.AsyncClientV2(TOKEN, base_url=stage.address(), httpx_client=httpx.AsyncClient(trust_env=False))
    ranked = await client.rerank(model=provider, query="q", documents=["a", "b"], top_n=2)
    assert [(one.index, one.relevance_score) for one in ranked.results] == [(1, 0.9), (0, 0.1)]


async def test_moderations(stage: Stage) -> None:
    answer = await sdk(stage).moderations.create(model="openai", input="x")
    assert answer.results[0].flagged is False


# --- pictures and sound ---


async def test_pictures(stage: Stage) -> None:
    client = sdk(stage)
    for model in ("openai", "imagen"):
        drawn = await client.images.generate(
            model=model, prompt="a cat", n=1, size="1024x1024", response_format="b64_json"
        )
        assert drawn.data[0].b64_json == PIXEL
    edited = await client.images.edit(model="openai", image=("a.png", b"\x89PNG..", "image/png"), prompt="more", n=1)
    path, headers, body = stage.upstream.asked[-1]
    assert edited.data[0].b64_json == PIXEL and path == "openai/v1/images/edits"
    assert b'name="model"\r\n\r\nu.openai' in body and b"\x89PNG.." in body and "multipart" in headers["content-type"]
    await client.images.create_variation(model="openai", image=("a.png", b"\x89PNG..", "image/png"), n=1)
    assert stage.upstream.asked[-1][0] == "openai/v1/images/variations"
    assert (await last_record(stage)).mode == "image_variation"


async def test_sound(stage: Stage) -> None:
    client = sdk(stage)
    speech = await client.audio.speech.create(model="openai", input="hello", voice="alloy")
    assert speech.content == b"ID3sound" and speech.response.headers["content-type"] == "audio/mpeg"
    heard = await client.audio.transcriptions.create(model="openai", file=("a.wav", WAV, "audio/wav"), language="en")
    assert heard.text == "hello there"
    _, _, body = stage.upstream.asked[-1]
    assert body.index(b'name="model"\r\n\r\nu.openai') and WAV in body and b'name="language"\r\n\r\nen' in body
    assert (await client.audio.translations.create(model="openai", file=("a.wav", WAV))).text == "hello there"


# --- counting, listings, keys, Google's arrays ---


async def test_counting_is_free(stage: Stage) -> None:
    before = len(stage.upstream.asked)
    counted = await claude(stage).messages.count_tokens(model="claude", messages=[{"role": "user", "content": "hi"}])
    assert counted.input_tokens > 0
    assert (await google(stage).aio.models.count_tokens(model="gemini", contents="hi")).total_tokens > 0
    assert len(stage.upstream.asked) == before


async def test_listings_in_the_shape_of_the_client(stage: Stage) -> None:
    names = {*CHANNELS, "plain", "stream", "slow"}
    assert {one.id async for one in sdk(stage).models.list()} == names
    assert {one.id async for one in claude(stage).models.list()} == names
    assert {one.name.removeprefix("models/") async for one in await google(stage).aio.models.list()} == names
    assert (await claude(stage).models.retrieve("claude")).type == "model"
    assert (await google(stage).aio.models.get(model="gemini")).name == "models/gemini"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, ""),
        ({"x-api-key": TOKEN}, ""),
        ({"x-goog-api-key": TOKEN}, ""),
        ({}, f"?key={TOKEN}"),
    ],
)
async def test_keys_where_each_client_puts_them(stage: Stage, headers: dict[str, str], query: str) -> None:
    async with httpx.AsyncClient(base_url=stage.address(), trust_env=False) as http:
        body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        answer = await http.post(f"/v1beta/models/gemini:generateContent{query}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert TOKEN not in str(stage.upstream.asked[-1])


@pytest.mark.parametrize("provider", ["gemini", "openai"])
async def test_streams_as_one_json_array(stage: Stage, provider: str) -> None:
    async with stage.client() as http:
        body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        answer = await http.post(f"/v1beta/models/{provider}:streamGenerateContent", json=body)
    assert answer.headers["content-type"].startswith("application/json")
    parts = [p for one in answer.json() for p in one["candidates"][0]["content"]["parts"]]
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    assert text == ("AI learns patterns from data." if provider == "gemini" else "4")
    assert answer.json()[-1]["usageMetadata"]["totalTokenCount"] in (12, 17)


# --- Responses ---


async def test_a_channel_without_responses_is_asked_once(stage: Stage) -> None:
    client = sdk(stage)
    first = await client.responses.create(model="old", input="hi", store=False)
    second = await client.responses.create(model="old", input="hi", store=False)
    assert first.output_text == second.output_text == "4"
    paths = [path for path, _, _ in stage.upstream.asked if path.startswith("old/")]
    assert paths == ["old/v1/responses", "old/v1/chat/completions", "old/v1/chat/completions"]


async def test_what_chat_cannot_express_is_named(stage: Stage) -> None:
    with pytest.raises(openai.BadRequestError, match="previous_response_id is not supported"):
        await sdk(stage).responses.create(model="chatonly", input="hi", previous_response_id="resp_1")
    for model, body, feature in [
        ("dify", CHAT | {"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        (
            "claude",
            CHAT | {"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}},
            "modalities: audio",
        ),
        (
            "gemini",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f1"}}]}]},
            "files by URL or id",
        ),
    ]:
        with pytest.raises(openai.BadRequestError, match=feature) as refused:
            await sdk(stage).chat.completions.create(model=model, **body)
        assert refused.value.code == "unsupported_feature"


# --- rules and settings ---


async def test_unknown_members_pass_both_ways(stage: Stage) -> None:
    async with stage.client() as http:
        body = {"model": "openai", **CHAT, "odd": {"deep": [1, 0]}, "top_p": 0, "n": 0}
        answer = (await http.post("/v1/chat/completions", json=body)).json()
    assert answer == REASONED
    assert stage.upstream.last() == body | {"model": "u.openai"}


async def test_thinking_to_content(stage: Stage) -> None:
    answer = await sdk(stage).chat.completions.create(model="think", **CHAT)
    assert answer.choices[0].message.content == "<think>\n2+2\n</think>\n4"
    parts = [c async for c in await sdk(stage).chat.completions.create(model="think", stream=True, **CHAT)]
    assert "".join(c.choices[0].delta.content or "" for c in parts if c.choices) == "<think>\n2+2\n</think>\n4"


async def test_forced_format_drops_what_openai_does_not_know(stage: Stage) -> None:
    async with stage.client() as http:
        text = (await http.post("/v1/chat/completions", json={"model": "forced", "stream": True, **CHAT})).text
    assert '"odd"' not in text and '"content":"4"' in text and text.endswith("data: [DONE]\n\n")


async def test_system_prompt_override_and_status_mapping(stage: Stage) -> None:
    client = sdk(stage)
    await client.chat.completions.create(model="prompted", **CHAT)
    assert stage.upstream.last()["messages"][0] == {"role": "system", "content": "You are the house's own."}
    await client.chat.completions.create(model="overridden", temperature=1, user="ann", **CHAT)
    sent = stage.upstream.last()
    assert (sent["temperature"], sent["seed"], "user" in sent) == (0.1, 9007199254740993, False)
    with pytest.raises(openai.RateLimitError, match="odd"):
        await client.chat.completions.create(model="mapped", **CHAT)


async def test_names_with_rules(stage: Stage) -> None:
    client = sdk(stage)
    await client.chat.completions.create(
        model="o3-mini-high",
        max_tokens=50,
        temperature=0.5,
        messages=[{"role": "system", "content": "x"}, *CHAT["messages"]],
    )
    sent = stage.upstream.last()
    assert (sent["model"], sent["reasoning_effort"], sent["max_completion_tokens"]) == ("o3-mini", "high", 50)
    assert "temperature" not in sent and "max_tokens" not in sent and sent["messages"][0]["role"] == "developer"
    await client.chat.completions.create(model="gpt-5-low", **CHAT)
    assert (stage.upstream.last()["model"], stage.upstream.last()["reasoning_effort"]) == ("gpt-5", "low")
    await client.chat.completions.create(model="claude-sonnet-4-20250514-thinking", max_tokens=2000, **CHAT)
    sent = stage.upstream.last()
    assert sent["model"] == "claude-sonnet-4-20250514" and sent["thinking"] == {
        "type": "enabled",
        "budget_tokens": 1600,
    }
    await client.chat.completions.create(model="gemini-2.5-flash-thinking-128", **CHAT)
    assert stage.upstream.last()["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 128
    await client.chat.completions.create(model="gemini-2.5-flash-nothinking", **CHAT)
    assert stage.upstream.last()["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 0
    assert stage.upstream.asked[-1][0].startswith("gemini/v1beta/models/gemini-2.5-flash:")


async def test_custom_gpts_share_one_name(stage: Stage) -> None:
    await sdk(stage).chat.completions.create(model="gpt-4-gizmo-g-abc", **CHAT)
    assert stage.upstream.asked[-1][0] == "gpt4gizmo/v1/chat/completions"
    assert stage.upstream.last()["model"] == "gpt-4-gizmo-g-abc"
    record = await last_record(stage)
    assert (record.model, record.upstream_model, record.quota) == ("gpt-4-gizmo-*", "gpt-4-gizmo-g-abc", 500)


@pytest.mark.parametrize(
    ("model", "stream"), [("openai", False), ("openai", True), ("silent", False), ("silent", True)]
)
async def test_missing_usage_is_counted(stage: Stage, model: str, stream: bool) -> None:
    """Of the prompt with its tools, and of text, thoughts and calls of the answer, passed through or translated."""
    function = {"name": "f", "description": "Does it.", "parameters": {"type": "object", "properties": {}}}
    body = {"tools": [{"type": "function", "function": function}], **CHAT}
    answer = await sdk(stage).chat.completions.create(model=model, stream=stream, **body)
    if stream:
        async for _ in answer:
            pass
    usage = (await last_record(stage)).usage
    if model == "openai":
        assert not usage.estimated
        return
    assert usage.estimated and usage.input_text > 20
    assert usage.output_text == count_text("silent", "2+2" + "4")


async def test_settings_of_the_environment(stage: Stage) -> None:
    client = sdk(stage)
    await client.chat.completions.create(model="cohere", **CHAT)
    assert stage.upstream.last()["safety_mode"] == "STRICT"
    await client.chat.completions.create(model="azure", **CHAT)
    assert stage.upstream.asked[-1][0].endswith("?api-version=2099-01-01")
    images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}] * 2
    with pytest.raises(openai.BadRequestError, match="image"):
        await client.chat.completions.create(model="gemini", messages=[{"role": "user", "content": images}])
    async for _ in await client.chat.completions.create(model="openai", stream=True, **CHAT):
        pass
    assert "stream_options" not in stage.upstream.last()  # FORCE_STREAM_OPTION is off and the client did not ask
    parts = [c async for c in await client.chat.completions.create(model="dify", stream=True, **CHAT)]
    thoughts = "".join(
        (c.choices[0].delta.model_extra or {}).get("reasoning_content") or "" for c in parts if c.choices
    )
    assert thoughts == "Workflow: w1\n"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/a.png", "http://169.254.169.254/latest/meta-data", "http://[::1]/a.png", "http://10.0.0.1/a.png", "http://localhost/a.png", "file:///etc/passwd"],
)  # fmt: skip
async def test_files_by_url_are_not_fetched_from_inside(stage: Stage, url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    with pytest.raises(openai.BadRequestError):
        await sdk(stage).chat.completions.create(model="gemini", messages=[{"role": "user", "content": content}])
