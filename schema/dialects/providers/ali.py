"""Ali DashScope: OpenAI's chat and embeddings under compatible-mode, rerank and pictures (asynchronous tasks) of its own.

Source: help.aliyun.com/zh/model-studio: OpenAI compatibility, deep thinking, text rerank, text-to-image (tasks), error codes.
"""

from typing import Any

from msgspec.structs import replace

from schema.dialects import images, rerank
from schema.dialects.base import OpenAIOptions
from schema.dialects.body import edit_members, read_object
from schema.dialects.providers.answers import IMAGE_READERS
from schema.dialects.providers.base import Call, ChannelView, Headers, Outgoing
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.template import Draft, failed
from schema.dialects.providers.urls import append
from schema.dialects.providers.wires import status_of_word
from schema.dialects.suffixes import Suffix

_COMPATIBLE = "/compatible-mode/v1"
_INTERNET = "-internet"
POLL_FIRST_S, POLL_FACTOR, POLL_MAX_S = 2.0, 1.3, 5.0
POLL_TOTAL_S = 180.0  # then the picture is given up


class AliProvider(OpenAILike):
    def __init__(self, name: str = "ali") -> None:
        quirks = Quirks(
            "Ali",
            "https://dashscope.aliyuncs.com",
            modes=CHAT_EMBED | {"rerank", "image"},
            completions=False,
            options=OpenAIOptions(developer_role=False, reasoning_prefixes=(), top_k=True),
        )
        super().__init__(name, quirks)

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        model = call.upstream_model
        return Suffix(model if model in channel.literal else model.removesuffix(_INTERNET))

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = (channel.base_url or self.base_url).rstrip("/")
        if draft.path.startswith("/api/"):
            return base.removesuffix(_COMPATIBLE) + draft.path
        return append(base, _COMPATIBLE + draft.path.removeprefix("/v1"))

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        sse: Headers = (("X-DashScope-SSE", "enable"),) if draft.stream else ()
        plugin: Headers = (("X-DashScope-Plugin", channel.other),) if channel.other else ()
        return (*sse, *plugin)

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        members = read_object(body)
        changes: dict[str, Any] = {}
        top_p = members.get("top_p")
        if isinstance(top_p, int | float):
            clamped = min(max(top_p, 0.001), 0.999)
            if clamped != top_p:
                changes["top_p"] = clamped
        model = call.upstream_model
        if model.endswith(_INTERNET) and model not in channel.literal:
            changes["enable_search"] = True
        if (
            model.startswith("qwen3")
            and not call.stream
            and "thinking" not in model
            and "enable_thinking" not in members
        ):
            changes["enable_thinking"] = False  # refused otherwise: open Qwen3 models think in streams alone
        return edit_members(body, changes)

    def rerank(self, call: Call, channel: ChannelView) -> Draft:
        request = rerank.read_request(call.body, path_model=call.upstream_model)
        path = "/api/v1/services/rerank/text-rerank/text-rerank"
        return Draft(rerank.write_ali_request(request, call.upstream_model), path=path, wire="rerank")

    # --- pictures ---

    def image(self, call: Call, channel: ChannelView) -> Draft:
        body = images.write_ali_request(images.read_request(call.body), call.upstream_model)
        return Draft(
            body,
            path="/api/v1/services/aigc/text2image/image-synthesis",
            wire="ali-task",
            model=call.upstream_model,
            headers=(("X-DashScope-Async", "enable"),),
            more=True,
            state=(0.0, POLL_FIRST_S),
        )

    def next_step(
        self, call: Call, channel: ChannelView, sent: Outgoing, body: bytes, *, credential: str = ""
    ) -> Outgoing:
        """Poll until the task is done. `state`: (waited s, next pause s). The last poll's answer is the call's."""
        task = images.read_ali_task(body)
        if task.failure:
            raise failed(task.failure, code="ali_error", status=status_of_word(task.failure))
        waited, pause = sent.state
        if task.done:  # ask for nothing more: the shell hands the body that it has to `finish_answer`
            return replace(sent, more=False, method="", delay_s=0.0)
        if waited >= POLL_TOTAL_S:
            raise failed("the picture was not ready in time", code="timeout", status=504)
        base = (channel.base_url or self.base_url).rstrip("/").removesuffix(_COMPATIBLE)
        headers = tuple(
            (name, text) for name, text in sent.headers if name not in ("X-DashScope-Async", "Content-Type")
        )
        return replace(
            sent,
            url=f"{base}/api/v1/tasks/{task.id}",
            method="GET",
            headers=headers,
            body=b"",
            delay_s=pause,
            state=(waited + pause, min(pause * POLL_FACTOR, POLL_MAX_S)),
        )


def read_pictures(body: bytes) -> images.ImageAnswer:
    return images.ImageAnswer(images.read_ali_task(body).pictures)


IMAGE_READERS["ali-task"] = read_pictures
