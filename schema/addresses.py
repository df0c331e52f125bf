"""Which network addresses and URLs a request may go to when a stranger named it. Pure rules; nothing is resolved here."""

from collections.abc import Container
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from msgspec import Struct

# Not covered by every release of Python's `is_global`, or worth naming. Source: IANA special-purpose address registries.
_DENIED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "100.64.0.0/10",  # carrier-grade NAT
            "168.63.129.16/32",  # Azure's host services answer here
            "192.0.0.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarks
            "224.0.0.0/4",
            "240.0.0.0/4",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",  # the old site-local
            "ff00::/8",
            "fd00:ec2::254/128",  # metadata of AWS
            "2001::/32",  # Teredo
            "2001:db8::/32",
            "64:ff9b:1::/48",  # NAT64 for private use
        ),
    )
)
_METADATA = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "168.63.129.16/32")))
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")

Address = IPv4Address | IPv6Address


class UrlRefused(Exception):
    """The URL or an address behind it is not allowed. The message is safe to show to its author."""


class Target(Struct, frozen=True):
    scheme: str  # http or https
    host: str  # lower case, without brackets
    port: int


ANY_PORT = range(1, 65_536)  # as a set it would take 5 MB


class UrlRules(Struct, frozen=True):
    """What a stranger's URL may look like."""

    http: bool = False  # https only, unless the operator opens it
    ports: Container[int] = frozenset({80, 443, 8080, 8443})
    private: bool = False  # True for tests and for operators who fetch from their own network
    url_chars_max: int = 8192


def embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address only wraps: mapped, compatible, 6to4, NAT64."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def read_address(text: str) -> Address:
    """Raises ValueError. A zone (`fe80::1%eth0`) is dropped: it never makes an address public."""
    return ip_address(text.partition("%")[0])


def name_of(address: Address | None) -> str:
    """The name under which an address is counted: IPv6 by its /64."""
    if isinstance(address, IPv6Address):
        return f"{int(address) >> 64:x}::/64"
    return "unknown" if address is None else str(address)


def is_public(address: Address) -> bool:
    """May a URL of a stranger lead here?"""
    if isinstance(address, IPv6Address):
        inner = embedded_ipv4(address)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in _DENIED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def is_metadata(address: Address) -> bool:
    """Link-local and metadata services: denied even to addresses that an administrator typed."""
    if isinstance(address, IPv6Address):
        inner = embedded_ipv4(address)
        if inner is not None:
            return is_metadata(inner)
    return any(address in network for network in _METADATA if network.version == address.version)


def read_target(url: str, rules: UrlRules) -> Target:
    """Where a URL leads, if its form is allowed. Addresses are checked later, when the name is resolved.

    Raises UrlRefused with the reason.
    """
    if len(url) > rules.url_chars_max:
        raise UrlRefused("the URL is too long")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlRefused("the URL is malformed") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.http):
        raise UrlRefused("only https URLs are allowed" if not rules.http else "only http and https URLs are allowed")
    if parts.username is not None or parts.password is not None:
        raise UrlRefused("a URL with a user name is not allowed")
    host = (parts.hostname or "").rstrip(".")
    if not host or any(char <= " " or char in "\\\x7f" for char in url):
        raise UrlRefused("the URL is malformed")
    port = port if port is not None else (443 if parts.scheme == "https" else 80)
    if port not in rules.ports:
        raise UrlRefused(f"port {port} is not allowed")
    return Target(parts.scheme, host, port)


def check_addresses(addresses: list[str], rules: UrlRules) -> str:
    """The address to connect to, if every resolved one is allowed. Raises UrlRefused."""
    if not addresses:
        raise UrlRefused("the host has no address")
    for text in addresses:
        try:
            address = read_address(text)
        except ValueError as error:
            raise UrlRefused("the host has no usable address") from error
        allowed = not is_metadata(address) if rules.private else is_public(address)
        if not allowed:
            raise UrlRefused("the host leads to an address that is not public")
    return addresses[0]
