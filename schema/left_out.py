"""Optional parts of libraries that no process of ours uses, although they are installed: 12 MB in each that loads them.

Each of these imports stands in a `try` of its library, which goes without it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = (
    "httpx._main",  # its command line, with click, pygments and rich
    "h2",  # httpcore: HTTP/2
    "pydantic",  # BlackSheep: models; ours are of msgspec
)
_modules: dict[str, Any] = sys.modules  # None there: importing it raises ModuleNotFoundError


def leave_out() -> None:
    """Call before anything else is imported; for processes that live as long as the gateway."""
    for name in NAMES:
        _modules.setdefault(name, None)


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Whoever asks for this module meanwhile does not find it; who needs it finds it again afterwards."""
    held = _modules.pop(name, None)
    _modules[name] = None
    try:
        yield
    finally:
        del _modules[name]
        if held is not None:
            _modules[name] = held
