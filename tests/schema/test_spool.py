"""The spool file: nothing written is lost, nothing torn is believed."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.spool import Spool, SpoolFull, SpoolUnusable
from tests.schema.ledger.books import make_record

MB = 1 << 20


def ids(spool: Spool) -> list[str]:
    return [frame.record.request_id for frame in spool.read()]


def test_what_is_written_is_read_after_a_restart(tmp_path: Path):
    spool = Spool(tmp_path / "deep" / "spool", bytes_max=MB)
    records = [make_record(f"r{number}") for number in range(3)]
    spool.append(records[:2])
    spool.append(records[2:])
    spool.close()
    again = Spool(tmp_path / "deep" / "spool", bytes_max=MB)
    assert [frame.record for frame in again.read()] == records
    assert again.size == (tmp_path / "deep" / "spool").stat().st_size


def test_dropping_keeps_what_came_meanwhile(tmp_path: Path):
    spool = Spool(tmp_path / "spool", bytes_max=MB)
    spool.append([make_record("a"), make_record("b")])
    (_, last) = spool.read()
    spool.append([make_record("c")])
    spool.drop(last.end)
    assert ids(spool) == ["c"]
    spool.append([make_record("d")])
    assert ids(spool) == ["c", "d"]
    spool.drop(spool.size)
    assert spool.size == 0
    spool.append([make_record("e")])
    spool.close()
    assert ids(Spool(tmp_path / "spool", bytes_max=MB)) == ["e"]


@given(cut=st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
def test_a_torn_tail_is_cut_off_wherever_it_tore(tmp_path_factory: pytest.TempPathFactory, cut: int):
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool = Spool(path, bytes_max=MB)
    spool.append([make_record(f"r{number}") for number in range(4)])
    ends = [frame.end for frame in spool.read()]
    spool.close()
    os.truncate(path, min(cut, ends[-1]))
    again = Spool(path, bytes_max=MB)
    assert ids(again) == [f"r{number}" for number, end in enumerate(ends) if end <= cut]
    again.append([make_record("next")])
    assert ids(again)[-1] == "next"
    again.close()


@given(at=st.integers(0, 700), junk=st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_damaged_place_costs_only_what_stood_there(tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes):
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool = Spool(path, bytes_max=MB)
    spool.append([make_record(f"r{number}") for number in range(6)])
    ends = [frame.end for frame in spool.read()]
    spool.close()
    whole = path.read_bytes()
    damaged = whole[:at] + junk + whole[at + len(junk) :]
    path.write_bytes(damaged)
    untouched = [
        f"r{number}"
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
        if whole[start:end] == damaged[start:end]
    ]
    again = Spool(path, bytes_max=MB)
    assert ids(again) == untouched
    again.close()


def test_the_configured_size_is_a_clear_error(tmp_path: Path):
    spool = Spool(tmp_path / "spool", bytes_max=700)
    spool.append([make_record("a")])
    with pytest.raises(SpoolFull, match="SPOOL_MAX_MB"):
        spool.append([make_record(f"r{number}") for number in range(5)])
    assert ids(spool) == ["a"]


def test_a_full_disk_is_a_clear_error_and_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spool = Spool(tmp_path / "spool", bytes_max=MB)
    spool.append([make_record("a")])
    write = os.write

    calls = iter([50])

    def once_then_full(fd: int, data: bytes) -> int:
        for count in calls:
            return write(fd, data[:count])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", once_then_full)
    with pytest.raises(SpoolUnusable, match="No space left"):
        spool.append([make_record("b")])
    monkeypatch.setattr(os, "write", write)
    assert ids(spool) == ["a"]
    spool.append([make_record("c")])
    assert ids(spool) == ["a", "c"]


def test_a_real_full_disk():
    """/dev/full accepts no byte."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    spool = Spool.__new__(Spool)
    spool.path, spool.bytes_max, spool._size = Path("/dev/full"), MB, 0
    spool._fd = os.open("/dev/full", os.O_RDWR | os.O_APPEND)
    with pytest.raises(SpoolUnusable, match="No space left"):
        spool.append([make_record("a")])
    spool.close()


def test_one_file_has_one_writer(tmp_path: Path):
    spool = Spool(tmp_path / "spool", bytes_max=MB)
    with pytest.raises(SpoolUnusable):
        Spool(tmp_path / "spool", bytes_max=MB)
    spool.append([make_record("a"), make_record("b")])
    (first, _) = spool.read()
    spool.drop(first.end)  # a new file took its place, and the lock with it
    with pytest.raises(SpoolUnusable):
        Spool(tmp_path / "spool", bytes_max=MB)


def test_ten_thousand_records_are_read_in_order(tmp_path: Path):
    spool = Spool(tmp_path / "spool", bytes_max=64 * MB)
    for start in range(0, 10_000, 1000):
        spool.append([make_record(f"r{number}") for number in range(start, start + 1000)])
    assert ids(spool) == [f"r{number}" for number in range(10_000)]
