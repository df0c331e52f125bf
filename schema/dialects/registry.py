"""Names of chat dialects to their implementation."""

from functools import cache

from schema.dialects.base import Dialect

NAMES = ("openai", "claude", "gemini", "responses", "completions", "cohere")


@cache
def get_dialect(name: str) -> Dialect:
    """Raises KeyError for a name that is not in NAMES."""
    match name:
        case "openai":
            from schema.dialects.openai import OpenAI

            return OpenAI()
        case "claude":
            from schema.dialects.claude import Claude

            return Claude()
        case "gemini":
            from schema.dialects.gemini import Gemini

            return Gemini()
        case "responses":
            from schema.dialects.responses import Responses

            return Responses()
        case "completions":
            from schema.dialects.completions import Completions

            return Completions()
        case "cohere":
            from schema.dialects.cohere import Cohere

            return Cohere()
    raise KeyError(name)
