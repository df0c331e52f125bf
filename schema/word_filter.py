"""Blocked words: which of the operator's words a prompt contains. Source: billing rules, "sensitive words"."""

from collections.abc import Iterable, Iterator
from typing import Any

import ahocorasick
import msgspec

# Members of a request whose text a person wrote; tools, file names and ids are not searched.
_SPOKEN = frozenset({"content", "text", "prompt", "input", "system", "instructions", "query", "documents"})
_THROUGH = frozenset(
    {
        "messages",
        "parts",
        "contents",
        "system_instruction",
        "systemInstruction",
        "requests",
        "item",
        "session",
        "response",
    }
)


FEW = 2  # words; so many are looked for one by one, which is two to six times as fast as the automaton, for more it is slower


class WordFilter:
    """Compiled once per snapshot. Letters count as equal in upper and lower case."""

    def __init__(self, words: Iterable[str]) -> None:
        cleaned = {word.strip().lower() for word in words} - {""}
        self._automaton = ahocorasick.Automaton()
        for word in cleaned:
            self._automaton.add_word(word, word)
        self._empty = not cleaned
        self._few = sorted(cleaned) if len(cleaned) <= FEW else []
        self._odd = any('"' in word or "\\" in word for word in cleaned)
        if not self._empty:
            self._automaton.make_automaton()

    def find(self, text: str) -> str:
        """A blocked word in a text; ''."""
        if self._empty:
            return ""
        text = text.lower()
        for word in self._few:
            if word in text:
                return word
        if self._few:
            return ""
        for _, word in self._automaton.iter(text):
            return str(word)
        return ""

    def find_in_body(self, body: bytes) -> str:
        """A blocked word in what a JSON request says; ''.

        The raw body is searched first: only one that contains a word anywhere, or hides letters behind escapes, is decoded.
        """
        if self._empty:
            return ""
        if not self._may_hide(body) and not self.find(body.decode("utf-8", "replace")):
            return ""
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.find(body.decode("utf-8", "replace"))
        for text in _spoken(found):
            if word := self.find(text):
                return word
        return ""

    def _may_hide(self, body: bytes) -> bool:
        """Letters as escapes; or words with quotes or backslashes, which look different inside JSON."""
        if b"\\" not in body:
            return False
        return b"\\u" in body or b"\\/" in body or self._odd


def _spoken(value: Any, inside: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        if inside:
            yield value
    elif isinstance(value, list):
        for one in value:
            yield from _spoken(one, inside)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in _SPOKEN:
                yield from _spoken(one, True)
            elif name in _THROUGH:
                yield from _spoken(one)
