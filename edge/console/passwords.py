"""Passwords: bcrypt in a thread, never on the loop, and the same work for names that do not exist."""

import asyncio
import gzip
from functools import cache
from pathlib import Path

import bcrypt

from edge.console.envelope import Refusal

COST = 12
BYTES_MIN, BYTES_MAX = 8, 72  # bcrypt reads 72
_COMMON = Path(__file__).parent / "common_passwords.txt.gz"  # of zxcvbn's list, MIT; those of 8 characters and more
# of a password that nobody knows; made beforehand, since making one costs a quarter of a second of every start
_DUMMY = b"$2a$12$IyGnU2RoGXL.s8G8HRSN3O6oF8xIl7o7w38BrBnSVrm3V1Bblaap2"


@cache
def _common() -> frozenset[str]:
    return frozenset(gzip.decompress(_COMMON.read_bytes()).decode().split("\n"))


def check_new(password: str, username: str) -> None:
    """Raises Refusal for a password that may not be set."""
    size = len(password.encode())
    if not BYTES_MIN <= size <= BYTES_MAX:
        raise Refusal("password_length", "A password has 8 to 72 bytes.", lowest=BYTES_MIN, highest=BYTES_MAX)
    if password.lower() in _common() or password.lower() == username.lower():
        raise Refusal("password_too_common", "This password is too easy to guess.")


async def hash_password(password: str) -> str:
    """A `$2a$` hash, which the predecessors read as well."""
    hashed = await asyncio.to_thread(bcrypt.hashpw, password.encode(), bcrypt.gensalt(COST, prefix=b"2a"))
    return hashed.decode()


def is_weak(stored: str) -> bool:
    """Whether a hash was made at a lower cost than ours."""
    parts = stored.split("$")
    return len(parts) == 4 and parts[2].isdigit() and int(parts[2]) < COST


async def verify(password: str, stored: str | None) -> bool:
    """Whether it is the password. Costs the same when there is no stored hash."""
    given = password.encode()
    if len(given) > BYTES_MAX or not stored:
        await asyncio.to_thread(bcrypt.checkpw, given[:BYTES_MAX], _DUMMY)
        return False
    try:
        return await asyncio.to_thread(bcrypt.checkpw, given, stored.encode())
    except ValueError:  # not a bcrypt hash
        return False
