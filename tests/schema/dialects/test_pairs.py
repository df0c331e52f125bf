"""Golden pairs: every fixture through every translator gives what was reviewed, and what the official SDKs' types accept."""

import json

import pytest
from anthropic.types import Message
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.schema.dialects.golden import read
from tests.schema.dialects.write_pairs import pairs

PAIRS = pairs()
ANSWER_TYPES = {"openai": ChatCompletion, "claude": Message, "gemini": GenerateContentResponse, "responses": Response}


@pytest.mark.parametrize("name", PAIRS)
def test_translation_is_as_reviewed(name):
    assert PAIRS[name] == read(f"pairs/{name}")


@pytest.mark.parametrize("name", [name for name in PAIRS if name.endswith("answer.json")])
def test_written_answers_are_what_the_official_sdks_read(name):
    client = name.split(".")[0].partition("-to-")[2]
    value = json.loads(PAIRS[name])
    if client in ANSWER_TYPES and "refused" not in value:
        ANSWER_TYPES[client].model_validate(value)
