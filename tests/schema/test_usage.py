"""The wire form of usage records: those that stand in a stream over an upgrade are read, and tracing adds nothing to the others."""

import msgspec
import pytest

from schema.tracing import TRACEPARENT
from schema.usage import UsageRecord, count_records, pack_records, read_record, records_in, write_record
from tests.schema.ledger.books import make_record
from workers.records import read_entry

# a call as it was written on 27 November 2026, before records could tell of a trace
WRITTEN = bytes.fromhex(
    "dc002001a2723101a5757365723100a0c207ab6770742d346f2d6d696e69ab6770742d346f2d6d696e69a764656661756c74"
    "a66f70656e6169a463686174c2ccc8cf0000019625285364cf0000019625285940cd01909acd03e800000000cd01f40000c2"
    "009ec2a5302e303735a134a131a22d31a3302e35a4312e3235a23230a132a131a6353030303030a131a764656661756c7400"
    "cce1c29107a0a0a0a080a6736574746c65c3c3c0"
)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_record_of_before_is_read_and_a_call_without_trace_is_written_alike():
    assert read_record(WRITTEN) == make_record("r1")
    assert write_record(make_record("r1")) == WRITTEN


def test_fields_that_a_former_version_did_not_know_have_their_defaults():
    fields = msgspec.msgpack.decode(WRITTEN)
    for known in range(23, len(fields)):  # from `cut` on all have one
        assert read_record(msgspec.msgpack.encode(fields[:known])) == make_record("r1")


def test_a_traced_call_tells_of_it_to_the_worker():
    record = make_record("r1", other={TRACEPARENT: PARENT})
    entry = read_entry(1, b"1-0", [b"u", b"1", b"t", b"0", b"q", b"225", b"r", write_record(record)])
    assert [one.other for one in entry.records] == [{TRACEPARENT: PARENT}]
    assert isinstance(read_record(write_record(record)), UsageRecord)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 100, 256, 300])
def test_packed_records_are_an_array_of_them(count: int):
    written = [write_record(make_record(f"r{number}", quota=number)) for number in range(count)]
    packed = pack_records(written)
    assert msgspec.msgpack.decode(packed) == [msgspec.msgpack.decode(one) for one in written]
    assert msgspec.msgpack.decode(packed, type=list[UsageRecord]) == [read_record(one) for one in written]
    fields = [b"u", b"1", b"t", b"0", b"q", b"1", b"p", packed]
    assert [bytes(one) for one in records_in(fields)] == written
    assert count_records(fields) == count
    assert records_in([*fields[:6], b"r", written[0]]) == (written[0],)
    assert count_records([*fields[:6], b"p", packed[:-1]]) == 1
