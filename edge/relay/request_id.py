"""Names of calls."""

import os
import time


class _Ids:
    """Second of the last id, and its text: formatting a time costs more than the rest of an id."""

    second = 0
    text = ""
    dice = b""  # drawn from the kernel for many ids at once: a system call for each cost 3 to 15 us under load
    used = 0


_DICE_BYTES, _ID_BYTES = 9 * 256, 9


def _forget_dice() -> None:
    """Two processes must never draw from the same store."""
    _Ids.dice, _Ids.used = b"", 0


os.register_at_fork(after_in_child=_forget_dice)


def new_request_id(now_ns: int) -> str:
    """Sortable by time and unique across machines; 32 characters."""
    second = now_ns // 1_000_000_000
    if second != _Ids.second:
        _Ids.second, _Ids.text = second, time.strftime("%Y%m%d%H%M%S", time.gmtime(second))
    start = _Ids.used
    if start >= len(_Ids.dice):
        _Ids.dice, start = os.urandom(_DICE_BYTES), 0
    _Ids.used = end = start + _ID_BYTES
    return _Ids.text + _Ids.dice[start:end].hex()
