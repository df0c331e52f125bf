"""Writes `tests/golden/pairs/`: what each translator makes of each fixture. Run by hand, read the difference, commit.

`python -m tests.schema.dialects.write_pairs`
"""

import json

from schema.dialects.base import StreamContext, Target
from schema.dialects.errors import BadAnswer, DialectError
from schema.dialects.registry import get_dialect
from tests.schema.dialects.golden import GOLDEN, cases, read

NAMES = ["openai", "claude", "gemini", "responses", "cohere"]
TARGETS = {
    "openai": Target("gpt-5", name="OpenAI"),
    "claude": Target("claude-sonnet-4-5", name="Claude"),
    "gemini": Target("gemini-2.5-flash", name="Gemini"),
    "responses": Target("gpt-5", name="OpenAI"),
    "cohere": Target("command-a-03-2025", name="Cohere"),
}
CTX = StreamContext("req-1", "asked-model", 1_700_000_000, prompt_estimate=11)


def pairs() -> dict[str, bytes]:
    """File name below pairs/ -> content."""
    found: dict[str, bytes] = {}
    for source in NAMES:
        for target in NAMES:
            if source != target:
                found |= _requests(source, target) | _answers(source, target) | _streams(source, target)
    return found


def _requests(client: str, provider: str) -> dict[str, bytes]:
    found = {}
    for case in cases(client, "request.json"):
        request = get_dialect(client).read_request(read(f"{client}/{case}.request.json"), path_model="asked-model")
        dropped: list[str] = []
        try:
            body = json.loads(get_dialect(provider).write_request(request, TARGETS[provider], dropped))
        except DialectError as error:
            body = {"refused": error.message, "status": error.status, "param": error.param}
        found[f"{client}-to-{provider}.{case}.request.json"] = _pretty({"dropped": dropped, "body": body})
    return found


def _answers(provider: str, client: str) -> dict[str, bytes]:
    found = {}
    for case in cases(provider, "answer.json"):
        try:
            answer = get_dialect(provider).read_answer(read(f"{provider}/{case}.answer.json"))
        except BadAnswer as error:
            shown = {"refused": error.error.message, "status": error.error.status, "code": error.error.code}
            found[f"{provider}-to-{client}.{case}.answer.json"] = _pretty(shown)
            continue
        body = get_dialect(client).write_answer(answer, model="asked-model", created_s=CTX.created_s, id=CTX.id)
        found[f"{provider}-to-{client}.{case}.answer.json"] = _pretty(json.loads(body))
    return found


def _streams(provider: str, client: str) -> dict[str, bytes]:
    found = {}
    for case in cases(provider, "stream.sse"):
        reader, writer = get_dialect(provider).event_reader(), get_dialect(client).event_writer(CTX)
        events = reader.feed(read(f"{provider}/{case}.stream.sse")) + reader.close()
        stream = b"".join([writer.write(event) for event in events]) + writer.close()
        found[f"{provider}-to-{client}.{case}.stream.sse"] = stream
    return found


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    folder = GOLDEN / "pairs"
    folder.mkdir(exist_ok=True)
    for name, content in pairs().items():
        (folder / name).write_bytes(content)
