"""What a JSON setting must hold when it is written: a shape by name, with the sentence that tells what is wrong."""

from collections.abc import Callable
from typing import Any

Problem = str | None


def _is_number(value: Any, *, lowest: int = 0, whole: bool = False) -> bool:
    kinds = int if whole else int | float
    return not isinstance(value, bool) and isinstance(value, kinds) and value >= lowest


def _numbers(value: dict[str, Any]) -> Problem:
    wrong = [name for name, number in value.items() if not _is_number(number)]
    return f"the value of {wrong[0]!r} must be a number of at least 0" if wrong else None


def _texts(value: dict[str, Any]) -> Problem:
    wrong = [name for name, text in value.items() if not isinstance(text, str)]
    return f"the value of {wrong[0]!r} must be a text" if wrong else None


def _names(value: list[Any]) -> Problem:
    return None if all(isinstance(name, str) for name in value) else "must be a JSON list of names"


def _limits(value: dict[str, Any]) -> Problem:
    for name, pair in value.items():
        if not isinstance(pair, list) or len(pair) != 2 or not all(_is_number(one, whole=True) for one in pair):
            return f"the entry of {name!r} must be a list of two whole numbers: all calls and successful ones"
    return None


def _ratios(value: dict[str, Any]) -> Problem:
    for name, ratios in value.items():
        if not isinstance(ratios, dict):
            return f"the entry of {name!r} must be an object of groups and ratios"
        for used, ratio in ratios.items():
            if not _is_number(ratio):
                return f"the ratio of {name!r} for {used!r} must be a number of at least 0"
    return None


def _headers(value: dict[str, Any]) -> Problem:
    for model, headers in value.items():
        if not isinstance(headers, dict):
            return f"the entry of {model!r} must be an object of headers"
        for header, values in headers.items():
            if not all(isinstance(one, str) for one in (values if isinstance(values, list) else [values])):
                return f"the header {header!r} of {model!r} must be a text or a list of texts"
    return None


def _links(value: list[Any]) -> Problem:
    for place, entry in enumerate(value, 1):
        if not isinstance(entry, dict) or len(entry) != 1 or not all(isinstance(link, str) for link in entry.values()):
            return f"entry {place} must be an object of one name and its link"
    return None


SHAPES: dict[str, Callable[[Any], Problem]] = {
    "numbers": _numbers,  # name -> number
    "texts": _texts,  # name -> text
    "names": _names,  # list of names
    "limits": _limits,  # group -> [all, successful]
    "ratios": _ratios,  # user group -> used group -> ratio
    "headers": _headers,  # model -> header -> [values]
    "links": _links,  # list of {name: link template}
}
