"""Writes `tests/golden/sent/<provider>.json`: what every provider is sent for the same requests. Run after a deliberate change:

python -m tests.schema.dialects.write_sent
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from schema.dialects.errors import Unsupported
from schema.dialects.providers.base import Call, ChannelView, Outgoing
from schema.dialects.providers.registry import get_provider
from tests.edge.relay.matrix.providers import PROVIDERS, account
from tests.edge.relay.matrix.requests import PARAMETERS, PIXEL, RESULT, SCHEMA, SYSTEM, TOOL, TOOL_TEXT

FOLDER = Path(__file__).parents[2] / "golden" / "sent"
_FUNCTION = {"name": TOOL, "description": TOOL_TEXT, "parameters": PARAMETERS}
_CALLS = [
    {"id": f"call_{place}", "type": "function", "function": {"name": TOOL, "arguments": f'{{"location":"{place}"}}'}}
    for place in ("Oslo", "Rome")
]
_IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}


def _asked(content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}], **more}


def _history() -> dict[str, Any]:
    body = _asked("Weather?", tools=[{"type": "function", "function": _FUNCTION}], parallel_tool_calls=True)
    body["messages"] += [
        {"role": "assistant", "content": "Looking.", "tool_calls": _CALLS},
        *({"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in _CALLS),
    ]
    return body


CASES: dict[str, dict[str, Any]] = {
    "text": _asked("hi", temperature=0.5, top_p=0.9, max_tokens=64, stop=["END"], seed=7, user="ann"),
    "text streamed": _asked("hi", stream=True, stream_options={"include_usage": True}),
    "image": _asked([{"type": "text", "text": "What is this?"}, _IMAGE]),
    "tool wanted": _asked(
        "Weather?",
        tools=[{"type": "function", "function": _FUNCTION}],
        tool_choice={"type": "function", "function": {"name": TOOL}},
    ),
    "parallel tool results": _history(),
    "schema": _asked("Where?", response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}}),
    "thinking": _asked("Why?", reasoning_effort="low", max_completion_tokens=4000),
}


def sent_to(name: str, case: str) -> dict[str, Any]:
    """Path and body, or what the provider cannot express. Signatures are left out: they have tests of their own."""
    provider, body = PROVIDERS[name], CASES[case]
    key = account("https://oauth2.googleapis.com/token") if provider.key == "account" else provider.key
    other = provider.other if provider.other != "aws" else ""
    view = ChannelView(
        1, provider.name or name, key, base_url="https://provider.example", other=other,
        setting=json.loads(provider.setting or "{}"),
    )  # fmt: skip
    members = body | {"model": provider.upstream}
    call = Call(
        "chat", "openai", "m", provider.upstream, msgspec.json.encode(members), stream=bool(body.get("stream")),
        now_s=1_700_000_000, request_id="req-1",
    )  # fmt: skip
    held = get_provider(provider.name or name)
    try:
        sent = held.prepare(call, view, credential="token" if held.credential_key(view) else "")
    except Unsupported as refused:
        return {"refused": refused.feature}
    assert isinstance(sent, Outgoing)
    path = sent.url.removeprefix("https://provider.example").removeprefix("wss://provider.example")
    shown: Any = json.loads(sent.body) if sent.body.startswith(b"{") else f"{len(sent.body)} bytes"
    return {"method": sent.method, "path": path.partition("?authorization=")[0], "body": shown}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in PROVIDERS:
        held = {case: sent_to(name, case) for case in CASES}
        text = json.dumps(held, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.json").write_text(text.replace(PIXEL, "<pixel>"))


if __name__ == "__main__":
    main()
