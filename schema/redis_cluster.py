"""Where the keys of a Redis Cluster live: its address, the slot of a command, and what CLUSTER SLOTS says. No IO.

Every key of ours stands alone or shares the hash tag of its partition with the others of its command, so that a command
goes to one node; nothing here splits a script.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct

SCHEMES = {"redis+cluster://": "redis", "rediss+cluster://": "rediss"}
SLOTS = 16_384
SCAN_NODES_MAX = 1024  # nodes that one cursor can tell apart; Redis advises at most 1000
_KEYLESS = frozenset(
    {
        "TIME", "PING", "INFO", "SCAN", "PUBLISH", "SCRIPT", "CONFIG", "CLUSTER", "CLIENT", "DBSIZE", "MEMORY", "COMMAND",
        "FLUSHALL", "FLUSHDB", "LASTSAVE", "BGREWRITEAOF", "WAIT", "WAITAOF",
    }
)  # fmt: skip

Address = tuple[str, int]  # host, port
Part = bytes | str | int


class ClusterAddress(Struct, frozen=True):
    """What a cluster's connection string says."""

    seeds: tuple[Address, ...]  # asked in turn for the rest
    login: str = ""  # "user:password@", quoted for a URL
    scheme: str = "redis"

    def url(self, node: Address) -> str:
        """The address of one node as a plain connection string."""
        host, port = node
        return f"{self.scheme}://{self.login}{f'[{host}]' if ':' in host else host}:{port}/0"


def is_cluster(url: str) -> bool:
    return url.startswith(tuple(SCHEMES))


def read_cluster_url(url: str) -> ClusterAddress:
    """redis+cluster://[user:pass@]host[:port][,host[:port]…], rediss+cluster://…. Raises ValueError."""
    scheme = next((plain for prefix, plain in SCHEMES.items() if url.startswith(prefix)), None)
    if scheme is None:
        raise ValueError("a cluster's address starts with redis+cluster:// or rediss+cluster://")
    rest = url.partition("://")[2]
    login, _, hosts = rest.rpartition("@")
    hosts, _, database = hosts.partition("/")
    if database.strip("/") not in ("", "0"):
        raise ValueError("a cluster has only the database 0")
    seeds = tuple(_read_host(part.strip()) for part in hosts.split(",") if part.strip())
    if not seeds:
        raise ValueError("a cluster's address names at least one host")
    user, colon, password = login.partition(":")
    words = f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}@" if login else ""
    return ClusterAddress(seeds, words, scheme)


def _read_host(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "6379"
    if not port.isdigit() or not host.strip("[]"):
        raise ValueError(f"{text} is not a host and a port")
    return host.strip("[]"), int(port)


def find_slot(command: Sequence[Any]) -> int | None:
    """The slot that a command belongs to; None for one without a key, which any node answers."""
    name = _text(command[0]).upper().split(" ")[0]
    if name in _KEYLESS:
        return None
    place = 1
    if name in ("EVAL", "EVALSHA"):
        if not int(command[2]):
            return None
        place = 3
    elif name in ("XREAD", "XREADGROUP"):
        place = next(i for i, part in enumerate(command) if _text(part).upper() == "STREAMS") + 1
    return _slot(command[place])


def find_scanned(command: Sequence[Any]) -> int | None:
    """The slot of a SCAN whose pattern holds a hash tag; None: keys of all nodes may match."""
    pattern = next((command[i + 1] for i, part in enumerate(command) if _text(part).upper() == "MATCH"), "")
    text = _text(pattern)
    return _slot(text) if "{" in text and "*" not in text.partition("}")[0] else None


def split_cursor(cursor: Part) -> tuple[int, int]:
    """A cursor over several nodes: (number of the node, its own cursor)."""
    inner, node = divmod(int(cursor), SCAN_NODES_MAX)
    return node, inner


def join_cursor(node: int, inner: Part, nodes: int) -> int:
    """The cursor to go on with; 0 when all nodes were read."""
    if int(inner):
        return int(inner) * SCAN_NODES_MAX + node
    return node + 1 if node + 1 < nodes else 0


def read_slots(answer: Iterable[Any], asked: str) -> list[Address | None]:
    """CLUSTER SLOTS as one primary for each slot. `asked`: host of the node that answered, which may leave its own out."""
    found: list[Address | None] = [None] * SLOTS
    for first, last, primary, *_ in answer:
        host = _text(primary[0] or b"")
        address = (host if host not in ("", "?") else asked, int(primary[1]))
        found[int(first) : int(last) + 1] = [address] * (int(last) - int(first) + 1)
    return found


def _slot(key: Any) -> int:
    from redis.crc import (
        key_slot,  # brings all of redis-py, 10 MB, which a process that only reads addresses never needs
    )

    return int(key_slot(key if isinstance(key, bytes) else _text(key).encode()))


def _text(part: Any) -> str:
    return part.decode(errors="replace") if isinstance(part, bytes) else str(part)
