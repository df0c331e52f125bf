"""Blocked words: found in what a person says, however JSON writes it, and nowhere else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from schema.word_filter import FEW, WordFilter

FILTER = WordFilter(["forbidden", " Ünwort ", 'say "x"', ""])


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "a FORBIDDEN thing"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "forbidden"}]}]},
        {"prompt": ["fine", "forbidden"]},
        {"input": "forbidden"},
        {"system": [{"type": "text", "text": "xforbiddenx"}], "messages": []},
        {"contents": [{"role": "user", "parts": [{"text": "forbidden"}]}]},
        {"messages": [{"role": "user", "content": 'please say "x" now'}]},
    ],
)
def test_words_are_found_where_a_person_speaks(body: dict[str, object]):
    assert FILTER.find_in_body(json.dumps(body).encode())


def test_escapes_hide_nothing():
    escaped = b'{"messages":[{"role":"user","content":"\\u0066orbidden"}]}'
    assert FILTER.find_in_body(escaped) == "forbidden"
    assert FILTER.find_in_body(json.dumps({"prompt": "UNWORT ÜNWORT"}).encode()) == "ünwort"  # ASCII escapes
    assert FILTER.find_in_body(json.dumps({"prompt": "ÜNWORT"}, ensure_ascii=False).encode()) == "ünwort"


@pytest.mark.parametrize(
    "body",
    [
        {"model": "forbidden", "messages": [{"role": "user", "content": "fine"}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://forbidden/x"}}]}
            ]
        },
        {"messages": [], "tools": [{"type": "function", "function": {"name": "forbidden"}}]},
    ],
)
def test_names_and_addresses_are_not_speech(body: dict[str, object]):
    assert FILTER.find_in_body(json.dumps(body).encode()) == ""


def test_no_words_block_nothing():
    assert WordFilter(["", "  "]).find_in_body(b'{"prompt":"anything"}') == ""


ABSENT = [f"no text holds word {number}" for number in range(FEW + 1)]


@given(some.lists(some.sampled_from(["ab", "Bc", "ü", "a"]), min_size=1, max_size=FEW), some.text("abcÜ ", max_size=12))
def test_few_words_are_found_as_many_are(words: list[str], text: str):
    body = json.dumps({"prompt": text}, ensure_ascii=False).encode()
    few, many = WordFilter(words), WordFilter([*words, *ABSENT])
    assert (
        bool(few.find_in_body(body)) == bool(many.find_in_body(body)) == any(w.lower() in text.lower() for w in words)
    )
