"""From where a token may be used."""

from ipaddress import ip_address

import pytest

from edge.client_address import find_client
from schema.ip_list import is_listed, read_ip_list


@pytest.mark.parametrize(
    ("texts", "address", "allowed"),
    [
        (("10.0.0.1", ""), "10.0.0.1", True),
        (("10.0.0.1", ""), "10.0.0.2", False),
        (("10.0.0.1\n192.168.0.0/24", ""), "192.168.0.7", True),
        (("10.0.0.1,10.0.0.9; 10.0.0.11", ""), "10.0.0.11", True),
        (("", "172.16.0.0/12,10.1.0.0/16"), "10.1.2.3", True),
        (("10.0.0.1", "172.16.0.0/12"), "172.16.5.5", True),
        (("10.0.0.1", ""), "::ffff:10.0.0.1", True),
        (("::ffff:10.0.0.0/104", ""), "10.9.9.9", True),
        (("2001:db8::/32", ""), "2001:db8::1", True),
        (("rubbish", ""), "10.0.0.1", False),
        ((" , ", ""), "10.0.0.1", False),
    ],
)
def test_addresses_are_compared_as_numbers(texts: tuple[str, str], address: str, allowed: bool):
    networks = read_ip_list(*texts)
    assert networks is not None
    assert is_listed(ip_address(address), networks) is allowed


def test_no_list_is_no_restriction():
    assert read_ip_list("", "") is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),  # a stranger may not speak for others
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # the client wrote the first hop itself
        ("127.0.0.1", "198.51.100.7, 127.0.0.5", "198.51.100.7"),
        ("127.0.0.1", "rubbish", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_name_the_client(peer: str, forwarded: str, found: str):
    assert str(find_client(peer, forwarded, ("127.0.0.0/8",))) == found
