"""Addresses from which a token may be used: single ones and CIDR blocks, compared as numbers. Source: token rules, "IP list"."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from schema.addresses import Address

Network = IPv4Network | IPv6Network
_BETWEEN = re.compile(r"[\s,;]+")


def plain(address: Address) -> Address:
    """An IPv4 address that came in IPv6 form is the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def read_ip_list(*texts: str) -> tuple[Network, ...] | None:
    """Blocks of all lists together; None: no restriction. A list without any valid entry lets nobody in: ()."""
    entries = [entry for text in texts for entry in _BETWEEN.split(text) if entry]
    if not entries:
        return () if any(texts) and any(text.strip() for text in texts) else None
    found: list[Network] = []
    for entry in entries:
        try:
            network = ip_network(entry, strict=False)
        except ValueError:
            continue
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
            network = ip_network((network.network_address.ipv4_mapped, network.prefixlen - 96), strict=False)
        found.append(network)
    return tuple(found)


def is_listed(address: Address, networks: Iterable[Network]) -> bool:
    """In any of the blocks?"""
    address = plain(address)
    return any(address in network for network in networks if network.version == address.version)
