"""What no log line shows: secrets inside a text, and what variables held where an exception was raised."""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

from schema.left_out import hidden

with hidden("rich"):  # which structlog would load for tracebacks that we do not want: 4 MB of every process
    import structlog
    from structlog.dev import ConsoleRenderer, plain_traceback

_SECRETS = re.compile(
    r"(?P<key>\bsk-)[A-Za-z0-9_-]{6,}|(?P<bearer>[Bb]earer\s+)[^\s\"',;]{6,}|(?P<url>://[^/\s:@]*:)[^@\s/]+(?=@)"
    r"|(?P<query>[?&](?:api_?key|key|token|access_token|secret)=)[^&\s\"']+"
)


def _mask(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group is not None) + "***"


def mask(value: Any) -> Any:
    """Keys, bearers and passwords inside any text are blanked; other values unchanged."""
    if isinstance(value, str):
        return _SECRETS.sub(_mask, value)
    if isinstance(value, Mapping):
        return {name: mask(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [mask(held) for held in value]
    return value


def mask_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The step of structlog before the one that renders, behind the one that turns exceptions into text."""
    for name, value in event.items():
        event[name] = mask(value)
    return event


def log_for_people() -> None:
    """Until `configure_logging` is called: a command, a test, a module by itself. structlog's own lines for people print the locals
    of every frame where rich is installed, and so keys and passwords; these do not."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.processors.format_exc_info,
            mask_event,
            ConsoleRenderer(colors=colours, exception_formatter=plain_traceback),
        ]
    )
