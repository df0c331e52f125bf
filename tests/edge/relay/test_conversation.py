"""Turns of one conversation have one name, others have others; odd bodies have none and hurt nobody."""

import json

import pytest

from edge.relay.conversation import name_conversation

SYSTEM = {"role": "system", "content": "You are helpful. " * 500}
ASKED, TOLD, MORE = (
    {"role": role, "content": text} for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"))
)


def name(member, *turns):
    return name_conversation(json.dumps({"model": "m", member: list(turns)}).encode())


@pytest.mark.parametrize("member", ["messages", "contents", "input"])
def test_later_turns_keep_the_name(member):
    first = name(member, {"role": "system", "content": "s"}, ASKED)
    assert first and name(member, {"role": "system", "content": "s"}, ASKED, TOLD, MORE) == first
    assert name(member, {"role": "system", "content": "s"}, MORE) != first
    assert name(member, ASKED) != name(member, MORE)


def test_a_long_system_prompt_alone_decides():
    assert name("messages", SYSTEM, ASKED) == name("messages", SYSTEM, MORE), "its cache is what profits"


@pytest.mark.parametrize(
    "body", [b"", b"no json", b'{"messages":7}', b'{"messages":[]}', b'{"input":"text"}', b"\xff", b"[]"]
)
def test_odd_bodies_have_no_name(body):
    assert name_conversation(body) == ""
