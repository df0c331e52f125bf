"""The official SDKs as clients: each asks the same things in its own way, and tells what it heard in one form."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anthropic
import cohere
import httpx
import httpx2
import openai
from google import genai
from google.genai import types

from tests.edge.relay.matrix.requests import PARAMETERS, PIXEL, RESULT, SCHEMA, SYSTEM, TOOL, TOOL_TEXT, WITH_TOOLS

DATA_URI = f"data:image/png;base64,{PIXEL}"


@dataclass
class Heard:
    """`usage`: fresh, cached and written prompt tokens, completion tokens and the reasoning in them; None = none was told."""

    text: str = ""
    thoughts: str = ""
    calls: list[Any] = field(default_factory=list)
    finish: str = ""
    input: int | None = None
    cached: int = 0
    cache_write: int = 0
    output: int | None = None
    reasoning: int = 0
    request_id: str = ""


def prompt(case: str) -> str:
    return f"What is it like in Oslo? case={case}"


class Client:
    """One SDK. `answers` remembers the response heads, for the request id."""

    name = ""

    def __init__(self, address: str, key: str) -> None:
        self.request_id = ""
        self.retry_after = ""
        self.open(address, key)

    def open(self, address: str, key: str) -> None: ...

    async def close(self) -> None: ...

    async def _note(self, response: Any) -> None:
        self.request_id = response.headers.get("x-oneapi-request-id", "")
        self.retry_after = response.headers.get("retry-after", "")

    async def ask(self, model: str, case: str, stream: bool) -> Heard:
        heard = await (self.stream if stream else self.plain)(model, case)
        heard.request_id = self.request_id
        return heard

    plain: Callable[[str, str], Awaitable[Heard]]
    stream: Callable[[str, str], Awaitable[Heard]]


def _openai_tools() -> list[Any]:
    function = {"name": TOOL, "description": TOOL_TEXT, "parameters": PARAMETERS}
    return [{"type": "function", "function": function}]


def _openai_messages(case: str) -> list[Any]:
    content: Any = prompt(case)
    if case == "image":
        content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": DATA_URI}}]
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
    if case == "history":
        function = {"name": TOOL, "arguments": '{"location":"Oslo"}'}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": RESULT},
        ]  # fmt: skip
    return messages


class OpenAIClient(Client):
    name = "openai"

    def open(self, address: str, key: str) -> None:
        http = httpx2.AsyncClient(event_hooks={"response": [self._note]}, trust_env=False, timeout=30)
        self.sdk = openai.AsyncOpenAI(api_key=key, base_url=f"{address}/v1", http_client=http, max_retries=0)

    async def close(self) -> None:
        await self.sdk.close()

    def _wish(self, model: str, case: str) -> dict[str, Any]:
        wish: dict[str, Any] = {"model": model, "messages": _openai_messages(case)}
        if case in WITH_TOOLS:
            wish["tools"] = _openai_tools()
        if case == "thinking":
            wish["reasoning_effort"] = "low"
        if case == "schema":
            wish["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
            }
        return wish

    def _count(self, heard: Heard, usage: Any) -> None:
        details, out = usage.prompt_tokens_details, usage.completion_tokens_details
        extra = usage.model_extra or {}  # DeepSeek's and Moonshot's own words pass through
        own = extra.get("prompt_cache_hit_tokens") or extra.get("cached_tokens") or 0
        heard.cached = (getattr(details, "cached_tokens", 0) or 0) if details else own
        heard.cache_write = (getattr(details, "cache_creation_tokens", 0) or 0) if details else 0
        heard.input = usage.prompt_tokens - heard.cached - heard.cache_write
        heard.output, heard.reasoning = usage.completion_tokens, (out.reasoning_tokens or 0) if out else 0
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens or heard.reasoning

    async def plain(self, model: str, case: str) -> Heard:
        answer = await self.sdk.chat.completions.create(**self._wish(model, case))
        choice = answer.choices[0]
        extra = choice.message.model_extra or {}
        heard = Heard(choice.message.content or "", extra.get("reasoning_content") or extra.get("reasoning") or "")
        heard.calls = [[c.function.name, json.loads(c.function.arguments)] for c in choice.message.tool_calls or ()]
        heard.finish = choice.finish_reason
        self._count(heard, answer.usage)
        return heard

    async def stream(self, model: str, case: str) -> Heard:
        heard, calls = Heard(), {}
        wish = self._wish(model, case) | {"stream": True, "stream_options": {"include_usage": True}}
        async for chunk in await self.sdk.chat.completions.create(**wish):
            if chunk.usage:
                self._count(heard, chunk.usage)
            for choice in chunk.choices:
                extra = choice.delta.model_extra or {}
                heard.text += choice.delta.content or ""
                heard.thoughts += extra.get("reasoning_content") or extra.get("reasoning") or ""
                for piece in choice.delta.tool_calls or ():
                    if piece.id:
                        calls[piece.index] = [piece.function.name, ""]
                    calls[piece.index][1] += piece.function.arguments or ""
                heard.finish = choice.finish_reason or heard.finish
        heard.calls = [[name, json.loads(arguments)] for name, arguments in calls.values()]
        return heard


class ResponsesClient(OpenAIClient):
    name = "responses"

    def _wish(self, model: str, case: str) -> dict[str, Any]:
        content: list[Any] = [{"type": "input_text", "text": prompt(case)}]
        if case == "image":
            content.append({"type": "input_image", "image_url": DATA_URI})
        items: list[Any] = [{"role": "user", "content": content}]
        if case == "history":
            items.append(
                {"type": "function_call", "call_id": "call_1", "name": TOOL, "arguments": '{"location":"Oslo"}'}
            )
            items.append({"type": "function_call_output", "call_id": "call_1", "output": RESULT})
        wish: dict[str, Any] = {"model": model, "instructions": SYSTEM, "input": items, "store": False}
        if case in WITH_TOOLS:
            wish["tools"] = [{"type": "function", "name": TOOL, "description": TOOL_TEXT, "parameters": PARAMETERS}]
        if case == "thinking":
            wish["reasoning"] = {"effort": "low", "summary": "auto"}
        if case == "schema":
            wish["text"] = {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
        return wish

    def _read(self, answer: Any) -> Heard:
        heard = Heard(answer.output_text)
        for item in answer.output:
            if item.type == "reasoning":
                heard.thoughts += "".join(part.text for part in [*item.summary, *(item.content or ())])
            elif item.type == "function_call":
                heard.calls.append([item.name, json.loads(item.arguments)])
        heard.finish = "tool_calls" if heard.calls else "stop" if answer.status == "completed" else "length"
        usage = answer.usage
        details, out = usage.input_tokens_details, usage.output_tokens_details
        heard.cached = details.cached_tokens if details else 0
        heard.cache_write = (getattr(details, "cache_write_tokens", 0) or 0) if details else 0
        heard.input = usage.input_tokens - heard.cached - heard.cache_write
        heard.output, heard.reasoning = usage.output_tokens, out.reasoning_tokens if out else 0
        return heard

    async def plain(self, model: str, case: str) -> Heard:
        return self._read(await self.sdk.responses.create(**self._wish(model, case)))

    async def stream(self, model: str, case: str) -> Heard:
        """By the helper, whose own accumulation must agree with the last event."""
        text, numbers, last = "", [], None
        async for event in await self.sdk.responses.create(**self._wish(model, case), stream=True):
            last = event
            if event.type == "error":
                raise openai.APIError(event.message, None, body=None)  # type: ignore[arg-type]
            numbers.append(getattr(event, "sequence_number", None))
            if event.type == "response.output_text.delta":
                text += event.delta
        if last is not None and last.type == "response.failed":
            raise RuntimeError(last.response.error.message)
        assert last is not None and last.type in ("response.completed", "response.incomplete"), last
        if None not in numbers:
            assert numbers == list(range(len(numbers)))
        heard = self._read(last.response)
        assert heard.text == text
        return heard


class ClaudeClient(Client):
    name = "claude"

    def open(self, address: str, key: str) -> None:
        http = httpx2.AsyncClient(event_hooks={"response": [self._note]}, trust_env=False, timeout=30)
        self.sdk = anthropic.AsyncAnthropic(api_key=key, base_url=address, http_client=http, max_retries=0)

    async def close(self) -> None:
        await self.sdk.close()

    def _wish(self, model: str, case: str) -> dict[str, Any]:
        content: Any = prompt(case)
        if case == "image":
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content = [{"type": "image", "source": source}, {"type": "text", "text": content}]
        messages: list[Any] = [{"role": "user", "content": content}]
        if case == "history":
            use = {"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": {"location": "Oslo"}}
            result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": RESULT}
            messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
        wish: dict[str, Any] = {"model": model, "max_tokens": 4096, "system": SYSTEM, "messages": messages}
        if case in WITH_TOOLS:
            wish["tools"] = [{"name": TOOL, "description": TOOL_TEXT, "input_schema": PARAMETERS}]
        if case == "thinking":
            wish["thinking"] = {"type": "enabled", "budget_tokens": 1500}
        if case == "schema":
            wish["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        return wish

    def _read(self, message: Any) -> Heard:
        heard = Heard()
        for block in message.content:
            match block.type:
                case "text":
                    heard.text += block.text
                case "thinking":
                    heard.thoughts += block.thinking
                case "tool_use":
                    heard.calls.append([block.name, block.input])
        heard.finish = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}[message.stop_reason]
        usage = message.usage
        heard.input, heard.output = usage.input_tokens, usage.output_tokens
        heard.cached = usage.cache_read_input_tokens or 0
        heard.cache_write = usage.cache_creation_input_tokens or 0
        return heard

    async def plain(self, model: str, case: str) -> Heard:
        return self._read(await self.sdk.messages.create(**self._wish(model, case)))

    async def stream(self, model: str, case: str) -> Heard:
        async with self.sdk.messages.stream(**self._wish(model, case)) as stream:
            kinds = [event.type async for event in stream]
            assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
            return self._read(await stream.get_final_message())


class GeminiClient(Client):
    name = "gemini"

    def open(self, address: str, key: str) -> None:
        http = httpx.AsyncClient(event_hooks={"response": [self._note]}, trust_env=False, timeout=30)
        options = types.HttpOptions(base_url=address, httpx_async_client=http)
        self.sdk = genai.Client(api_key=key, http_options=options)

    def _wish(self, model: str, case: str) -> dict[str, Any]:
        parts = [types.Part(text=prompt(case))]
        if case == "image":
            import base64

            parts.append(types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png"))
        contents = [types.Content(role="user", parts=parts)]
        if case == "history":
            call = types.Part.from_function_call(name=TOOL, args={"location": "Oslo"})
            result = types.Part.from_function_response(name=TOOL, response={"result": RESULT})
            contents += [types.Content(role="model", parts=[call]), types.Content(role="user", parts=[result])]
        config: dict[str, Any] = {"system_instruction": SYSTEM}
        if case in WITH_TOOLS:
            function = types.FunctionDeclaration(name=TOOL, description=TOOL_TEXT, parameters_json_schema=PARAMETERS)
            config["tools"] = [types.Tool(function_declarations=[function])]
        if case == "thinking":
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1500)
        if case == "schema":
            config |= {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
        return {"model": model, "contents": contents, "config": types.GenerateContentConfig(**config)}

    def _read(self, heard: Heard, answer: Any) -> None:
        for candidate in answer.candidates or ():
            for part in (candidate.content.parts if candidate.content else None) or ():
                if part.text and part.thought:
                    heard.thoughts += part.text
                elif part.text:
                    heard.text += part.text
                if part.function_call:
                    heard.calls.append([part.function_call.name, dict(part.function_call.args or {})])
            if candidate.finish_reason:
                heard.finish = (
                    "tool_calls" if heard.calls else {"STOP": "stop"}.get(candidate.finish_reason.name, "other")
                )
        usage = answer.usage_metadata
        if usage and usage.candidates_token_count is not None:
            heard.cached = usage.cached_content_token_count or 0
            heard.input = (usage.prompt_token_count or 0) - heard.cached
            heard.reasoning = usage.thoughts_token_count or 0
            heard.output = usage.candidates_token_count + heard.reasoning

    async def plain(self, model: str, case: str) -> Heard:
        heard = Heard()
        self._read(heard, await self.sdk.aio.models.generate_content(**self._wish(model, case)))
        return heard

    async def stream(self, model: str, case: str) -> Heard:
        heard = Heard()
        async for answer in await self.sdk.aio.models.generate_content_stream(**self._wish(model, case)):
            self._read(heard, answer)
        return heard


class CohereClient(Client):
    name = "cohere"

    def open(self, address: str, key: str) -> None:
        self._http = httpx.AsyncClient(event_hooks={"response": [self._note]}, trust_env=False, timeout=30)
        self.sdk = cohere.AsyncClientV2(key, base_url=address, httpx_client=self._http, max_retries=0)

    async def close(self) -> None:
        await self._http.aclose()

    def _wish(self, model: str, case: str) -> dict[str, Any]:
        messages = _openai_messages(case)
        for message in messages:
            if message["content"] is None:
                del message["content"]
        wish: dict[str, Any] = {"model": model, "messages": messages}
        if case in WITH_TOOLS:
            wish["tools"] = _openai_tools()
        if case == "thinking":
            wish["thinking"] = {"type": "enabled", "token_budget": 1500}
        if case == "schema":
            wish["response_format"] = {"type": "json_object", "schema": SCHEMA}
        return wish

    def _count(self, heard: Heard, usage: Any) -> None:
        heard.input, heard.output = int(usage.billed_units.input_tokens), int(usage.billed_units.output_tokens)

    def _finish(self, reason: str) -> str:
        return {"COMPLETE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}[reason]

    async def plain(self, model: str, case: str) -> Heard:
        answer = await self.sdk.chat(**self._wish(model, case))
        heard = Heard(thoughts=answer.message.tool_plan or "")
        for part in answer.message.content or ():
            if part.type == "text":
                heard.text += part.text
            else:
                heard.thoughts += part.thinking
        heard.calls = [[c.function.name, json.loads(c.function.arguments)] for c in answer.message.tool_calls or ()]
        heard.finish = self._finish(answer.finish_reason)
        self._count(heard, answer.usage)
        return heard

    async def stream(self, model: str, case: str) -> Heard:
        heard, calls = Heard(), []
        async for event in self.sdk.chat_stream(**self._wish(model, case)):
            match event.type:
                case "content-delta":
                    heard.text += event.delta.message.content.text or ""
                    heard.thoughts += event.delta.message.content.thinking or ""
                case "tool-plan-delta":
                    heard.thoughts += event.delta.message.tool_plan
                case "tool-call-start":
                    function = event.delta.message.tool_calls.function
                    calls.append([function.name, function.arguments or ""])
                case "tool-call-delta":
                    calls[-1][1] += event.delta.message.tool_calls.function.arguments or ""
                case "message-end":
                    if event.delta.finish_reason == "ERROR":
                        raise RuntimeError(event.delta.error)
                    heard.finish = self._finish(event.delta.finish_reason)
                    self._count(heard, event.delta.usage)
        heard.calls = [[name, json.loads(arguments)] for name, arguments in calls]
        return heard


CLIENTS: dict[str, type[Client]] = {
    client.name: client for client in (OpenAIClient, ResponsesClient, ClaudeClient, GeminiClient, CohereClient)
}
