"""Who is at the other end: the peer of the connection, or behind trusted proxies the client that they name."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from schema.addresses import Address, read_address
from schema.ip_list import is_listed, plain


@lru_cache(maxsize=8)
def _networks(blocks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(block, strict=False) for block in blocks)


def find_client(peer: str, forwarded_for: str, trusted: tuple[str, ...], named: str = "") -> Address | None:
    """The client's address.

    Args:
        peer: the other end of the connection; '' on a Unix socket.
        forwarded_for: X-Forwarded-For as it came.
        trusted: CIDR blocks of proxies that may speak for others.
        named: what the header that the operator chose says; it wins when the peer is trusted.
    Returns: the last address of the chain that no trusted proxy vouches for; None when there is none.
    """
    address = _read(peer)
    networks = _networks(trusted)
    if address is None or not is_listed(address, networks):
        return address
    if named and (told := _read(named.strip())) is not None:
        return told
    hops = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    while hops and is_listed(address, networks):
        hop = _read(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def is_trusted(peer: str, trusted: tuple[str, ...]) -> bool:
    """Whether the other end of the connection is a proxy that may speak for clients."""
    address = _read(peer)
    return address is not None and is_listed(address, _networks(trusted))


def _read(text: str) -> Address | None:
    try:
        return plain(read_address(text))
    except ValueError:
        return None
