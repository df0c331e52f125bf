"""Names of calls."""

import os
import time


class _Ids:
    """Second of the last id, and its text: formatting a time costs more than the rest of an id."""

    second = 0
    text = ""


def new_request_id(now_ns: int) -> str:
    """Sortable by time and unique across machines; 32 characters."""
    second = now_ns // 1_000_000_000
    if second != _Ids.second:
        _Ids.second, _Ids.text = second, time.strftime("%Y%m%d%H%M%S", time.gmtime(second))
    return _Ids.text + os.urandom(9).hex()
