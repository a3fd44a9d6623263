"""What the spool has taken survives; what it could not take leaves no trace."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.accounts.errors import SpoolError
from router.accounts.spool import MAGIC, Spool


def _records(spool: Spool) -> list[tuple[str, bytes]]:
    """Everything that there is to replay, with whose it is; it is gone afterwards."""
    found = []
    spool.rotate()
    for file in spool.files():
        records, whole = file.records()
        found += [(file.gateway, record) for record in records]
        file.remove(whole=whole)
    return found


def test_in_order(tmp_path: Path) -> None:
    """What was appended comes back, once, in order, across files; nothing is left on the disk."""
    spool = Spool(tmp_path / "spool", "one-gateway")
    for batch in ([b"a", b""], [b"b" * 100_000]):
        for record in batch:
            spool.append(record)
        spool.rotate()
    assert _records(spool) == [("one-gateway", b"a"), ("one-gateway", b""), ("one-gateway", b"b" * 100_000)]
    assert list((tmp_path / "spool").iterdir()) == []


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    """A gateway whose database never goes away leaves no directory behind."""
    spool = Spool(tmp_path / "spool", "g")
    assert _records(spool) == []
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_private(tmp_path: Path) -> None:
    """Only their owner may read what tenants used."""
    Spool(tmp_path / "spool", "g").append(b"x")
    (file,) = (tmp_path / "spool").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_long_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file does not grow without end; the next one is begun."""
    monkeypatch.setattr("router.accounts.spool.FILE_BYTES", 1000)
    spool = Spool(tmp_path, "g")
    sent = [bytes([number]) * 300 for number in range(20)]
    for record in sent:
        spool.append(record)
    assert len(list(tmp_path.iterdir())) == 5
    assert [record for _, record in _records(spool)] == sent


def test_living_and_dead_gateways(tmp_path: Path) -> None:
    """A gateway adopts the files of a dead one, and leaves those of a living one alone."""
    living, adopter = Spool(tmp_path, "living"), Spool(tmp_path, "adopter")
    living.append(b"mine")
    program = (
        "import os, sys; from pathlib import Path; from router.accounts.spool import Spool\n"
        "Spool(Path(sys.argv[1]), 'dead').append(b'left'); os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert _records(adopter) == [("dead", b"left")]
    assert _records(living) == [("living", b"mine")]
    assert list(tmp_path.iterdir()) == []


@given(records=st.lists(st.binary(max_size=40), min_size=1, max_size=4), data=st.data())
def test_cut_anywhere(records: list[bytes], data: st.DataObject) -> None:
    """However much of a file's end is lost, every record before that comes back, and nothing that never was."""
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory), "g")
        ends = []
        for record in records:
            spool.append(record)
            ends.append(Path(directory, "g-1.log").stat().st_size)
        spool.close()
        cut = data.draw(st.integers(len(MAGIC), ends[-1]))
        os.truncate(Path(directory, "g-1.log"), cut)
        whole = sum(end <= cut for end in ends)
        assert _records(Spool(Path(directory), "other")) == [("g", record) for record in records[:whole]]
        left = [path.suffix for path in Path(directory).iterdir()]
        assert left == ([] if cut in (len(MAGIC), *ends) else [".torn"])


@given(flip=st.integers(min_value=0), bit=st.integers(0, 7))
def test_damage(flip: int, bit: int) -> None:
    """A flipped bit anywhere never becomes a row; what was damaged is kept aside."""
    with tempfile.TemporaryDirectory() as directory:
        spool, path = Spool(Path(directory), "g"), Path(directory, "g-1.log")
        spool.append(b"one record")
        spool.close()
        raw = bytearray(path.read_bytes())
        raw[flip % len(raw)] ^= 1 << bit
        path.write_bytes(raw)
        assert _records(Spool(Path(directory), "other")) == []
        assert [file.name for file in Path(directory).iterdir()] == ["g-1.torn"]


@contextmanager
def _no_file_longer_than(size: int) -> Iterator[None]:
    """The kernel lets this process write so far into a file and no further, like a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 5, len(MAGIC), len(MAGIC) + 4, len(MAGIC) + 60, len(MAGIC) + 120], ids=str)
def test_disk_full(tmp_path: Path, room: int) -> None:
    """A record that does not fit is refused whole; what was there stays, and what comes once there is room is taken."""
    spool = Spool(tmp_path, "g")
    sent = [bytes([number]) * 50 for number in range(4)]
    fit = max(0, (room - len(MAGIC)) // 58)
    with _no_file_longer_than(room):
        for record in sent[:fit]:
            spool.append(record)
        for record in sent[fit:]:
            with pytest.raises(SpoolError, match=f"{tmp_path}: {os.strerror(errno.EFBIG)}"):
                spool.append(record)
    spool.append(b"after")
    assert [record for _, record in _records(spool)] == [*sent[:fit], b"after"]
    assert list(tmp_path.iterdir()) == []
