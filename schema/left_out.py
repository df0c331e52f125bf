"""Optional parts of libraries that no process of ours uses, although they are installed: 12 MB in each that loads them.

Each of these imports stands in a `try` of its library, which goes without it.
"""

import sys

NAMES = (
    "rich",  # structlog: coloured tracebacks
    "httpx._main",  # its command line, with click and pygments
    "h2",  # httpcore: HTTP/2
    "pydantic",  # BlackSheep: models; ours are of msgspec
)


def leave_out() -> None:
    """Call before anything else is imported; for processes that live as long as the gateway."""
    for name in NAMES:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: importing it raises ModuleNotFoundError
