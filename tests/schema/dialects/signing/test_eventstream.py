"""AWS's event framing: bytes, checksums and how the network slices them."""

import base64
import binascii
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects.signing.eventstream import EventStreamReader, FrameBroken, MessageReader, write_message

CHUNK = {":message-type": "event", ":event-type": "chunk", ":content-type": "application/json"}


def chunk(event):
    payload = msgspec.json.encode({"bytes": base64.b64encode(msgspec.json.encode(event)).decode(), "p": "abc"})
    return write_message(CHUNK, payload)


EVENTS = [{"type": "ping"}, {"type": "content_block_delta", "delta": {"text": "Grüße"}}, {"type": "message_stop"}]
STREAM = b"".join(map(chunk, EVENTS))


def test_message_without_headers_of_the_specification():
    """Source: awslabs/aws-c-event-stream and smithy, test vector `empty_message` and `payload_no_headers`."""
    empty = binascii.unhexlify("000000100000000005c248eb7d98c8ff")
    assert MessageReader().feed(empty)[0].payload == b""
    assert write_message({}, b"") == empty
    plain = binascii.unhexlify("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936")
    assert MessageReader().feed(plain)[0].payload == b"{'foo':'bar'}"
    assert write_message({}, b"{'foo':'bar'}") == plain


@given(st.sets(st.integers(0, len(STREAM))))
def test_payloads_do_not_depend_on_how_the_network_slices_them(cuts):
    reader, edges = EventStreamReader(), [0, *sorted(cuts), len(STREAM)]
    found = [payload for a, b in pairwise(edges) for payload in reader.feed(STREAM[a:b])]
    assert [msgspec.json.decode(payload) for payload in found] == EVENTS


@pytest.mark.parametrize("at", [2, 9, 20, len(chunk(EVENTS[0])) - 1])
def test_a_flipped_bit_is_noticed(at):
    broken = bytearray(chunk(EVENTS[0]))
    broken[at] ^= 0x40
    with pytest.raises(FrameBroken):
        MessageReader().feed(bytes(broken) + b"\0" * 64)


def test_headers_of_other_types_are_stepped_over():
    head = b"\x01a\x04\x00\x00\x00\x07" + b"\x01b\x00" + b"\x04name\x07\x00\x05value" + b"\x01c\x06\x00\x02zz"
    import struct
    import zlib

    prelude = struct.pack(">II", 16 + len(head), len(head))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + head
    message += struct.pack(">I", zlib.crc32(message))
    assert MessageReader().feed(message)[0].headers == {"name": "value"}


def test_exceptions_become_claudes_error_events():
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    [payload] = EventStreamReader().feed(write_message(headers, b'{"message":"Too many requests"}'))
    assert msgspec.json.decode(payload) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Too many requests"},
    }


def test_events_of_converse_are_wrapped_in_their_type():
    headers = {":message-type": "event", ":event-type": "messageStop"}
    assert EventStreamReader().feed(write_message(headers, b'{"stopReason":"end_turn"}')) == [
        b'{"messageStop":{"stopReason":"end_turn"}}'
    ]
