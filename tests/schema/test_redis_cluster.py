"""Addresses, slots and cursors of a cluster."""

import pytest
from redis.crc import key_slot

from schema.redis_cluster import (
    find_scanned,
    find_slot,
    join_cursor,
    read_cluster_url,
    read_slots,
    split_cursor,
)


@pytest.mark.parametrize(
    ("url", "seeds", "first"),
    [
        pytest.param("redis+cluster://a", (("a", 6379),), "redis://a:6379/0", id="the usual port"),
        pytest.param("redis+cluster://a:1,b:2/0", (("a", 1), ("b", 2)), "redis://a:1/0", id="several hosts"),
        pytest.param(
            "rediss+cluster://u:p%40:x@a:1", (("a", 1),), "rediss://u:p%40%3Ax@a:1/0", id="TLS and a password"
        ),
        pytest.param("redis+cluster://:secret@[::1]:7", (("::1", 7),), "redis://:secret@[::1]:7/0", id="IPv6"),
    ],
)
def test_read_cluster_url(url, seeds, first):
    address = read_cluster_url(url)
    assert address.seeds == seeds
    assert address.url(address.seeds[0]) == first


@pytest.mark.parametrize("url", ["redis://a:1", "redis+cluster://", "redis+cluster://a:1/3", "redis+cluster://a:x"])
def test_addresses_that_are_none(url):
    with pytest.raises(ValueError, match=r"cluster|host"):
        read_cluster_url(url)


@pytest.mark.parametrize(
    ("command", "key"),
    [
        pytest.param((b"GET", "mx:ver"), b"mx:ver", id="the first word behind the name"),
        pytest.param((b"EVALSHA", "abc", 2, "mx:{3}:b:7", "mx:{3}:u", 1), b"3", id="a script: by the hash tag"),
        pytest.param(("EVAL", "return 1", 0), None, id="a script without keys"),
        pytest.param((b"XREAD", b"COUNT", b"1", b"STREAMS", "mx:{1}:usage", "0-0"), b"1", id="behind STREAMS"),
        pytest.param((b"TIME",), None, id="any node"),
        pytest.param(("CONFIG GET", "appendonly"), None, id="two words for a name"),
    ],
)
def test_find_slot(command, key):
    assert find_slot(command) == (None if key is None else key_slot(key))


def test_scans_know_their_node():
    assert find_scanned((b"SCAN", b"0", b"MATCH", "mx:{2}:b:*")) == key_slot(b"2")
    assert find_scanned((b"SCAN", b"0", b"MATCH", "mx:metrics:*")) is None
    assert find_scanned((b"SCAN", b"0")) is None


def test_a_cursor_visits_every_node_once():
    pages = {0: [5, 9, 0], 1: [0], 2: [2**63, 0]}  # what each node answers
    seen, cursor = [], 0
    while True:
        node, inner = split_cursor(cursor)
        seen.append((node, inner))
        cursor = join_cursor(node, pages[node].pop(0), 3)
        if not cursor:
            break
    assert seen == [(0, 0), (0, 5), (0, 9), (1, 0), (2, 0), (2, 2**63)]


def test_read_slots():
    answer = [[0, 1, [b"10.0.0.1", 7000, b"id"], [b"10.0.0.9", 7000, b"replica"]], [3, 16383, [b"", 7001, b"id"]]]
    slots = read_slots(answer, "asked")
    assert slots[:4] == [("10.0.0.1", 7000), ("10.0.0.1", 7000), None, ("asked", 7001)]
    assert len(slots) == 16_384
