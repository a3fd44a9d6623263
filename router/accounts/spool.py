"""Ledger rows on the local disk while the database is away: appended, synced, and replayed when it is back.

A file belongs to whoever holds its lock; the kernel lets go of the lock when a gateway dies, and then any other gateway
of this machine may adopt the file. Invariant: what :meth:`Spool.append` has returned for survives ``kill -9`` and power
loss; a record is replayed at least once, and the ledger takes it once. Neighbour: :mod:`router.accounts.ledger`.

A file is ``MAGIC`` and then records: length and CRC-32 (4 bytes each, little-endian), then the bytes.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from router.accounts.errors import SpoolError

MAGIC = b"freehold spool 1\n"
FILE_BYTES = 16 << 20
"""A file that has grown so large is followed by another, so that replaying takes little memory."""
_FRAME = struct.Struct("<II")

_log = logging.getLogger(__name__)


class SpoolFile:
    """One file and its lock."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """``descriptor`` is open for reading and writing, and holds the lock."""
        self.path, self._descriptor = path, descriptor
        self._end = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, path: Path) -> SpoolFile:
        """A new file; no other gateway can see it before it is locked and has its first line."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        file = cls(path, os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            fcntl.flock(file._descriptor, fcntl.LOCK_EX)
            file.write(MAGIC)
            fresh.rename(path)
            _sync_directory(path.parent)
        except OSError:
            fresh.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            file.close()
            raise
        return file

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """The file of a gateway that has died; None for that of a living one."""
        try:
            file = cls(path, os.open(path, os.O_RDWR))
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if path.exists():
            return file
        file.close()
        return None

    @property
    def gateway(self) -> str:
        """Whose rows these are."""
        return self.path.stem.rpartition("-")[0]

    @property
    def full(self) -> bool:
        """Whether the next record should go to another file."""
        return self._end >= FILE_BYTES

    def write(self, data: bytes) -> None:
        """Return once all of ``data`` is on the disk; an OSError leaves the file as it was."""
        rest = memoryview(data)
        try:
            os.lseek(self._descriptor, self._end, os.SEEK_SET)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(data)

    def records(self) -> tuple[list[bytes], bool]:
        """What is in it, and whether that is all: a crash may have left a part of a record, promised to nobody."""
        data, at, found = self.path.read_bytes(), len(MAGIC), []
        while data.startswith(MAGIC) and at + _FRAME.size <= len(data):
            length, crc = _FRAME.unpack_from(data, at)
            record = data[at + _FRAME.size : at + _FRAME.size + length]
            if len(record) < length or zlib.crc32(record) != crc:
                break
            found.append(record)
            at += _FRAME.size + length
        return found, at == len(data)

    def remove(self, *, whole: bool) -> None:
        """All that could be read is in the database; what could not is kept aside for people."""
        if whole:
            self.path.unlink(missing_ok=True)
        else:
            aside = self.path.rename(self.path.with_suffix(".torn"))
            _log.warning("a part of a record, which no answer relied on, is left in %s", aside)
        self.close()

    def close(self) -> None:
        """Let go of it, and of the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Spool:
    """The files of one gateway, in a directory that all gateways of a machine share."""

    def __init__(self, directory: Path, gateway: str) -> None:
        """Nothing is written, not even the directory, before the first record."""
        self._directory, self._gateway = directory, gateway
        self._number = 0
        self._open: SpoolFile | None = None
        self._waiting: list[SpoolFile] = []

    @property
    def empty(self) -> bool:
        """Whether nothing of this gateway waits to be replayed."""
        return self._open is None and not self._waiting

    def waiting_bytes(self) -> int:
        """Of all gateways of this machine, dead ones included."""
        total = 0
        for path in self._directory.glob("*.log"):
            with suppress(FileNotFoundError):  # replayed by another gateway meanwhile
                total += path.stat().st_size
        return total

    def append(self, record: bytes) -> None:
        """Return once ``record`` is on the disk; SpoolError when it cannot be, and then nothing of it is kept."""
        try:
            if self._open is None or self._open.full:
                self.rotate()
                self._number += 1
                self._open = SpoolFile.create(self._directory / f"{self._gateway}-{self._number}.log")
            self._open.write(_FRAME.pack(len(record), zlib.crc32(record)) + record)
        except OSError as exc:
            msg = f"cannot write to {self._directory}: {exc.strerror}; free some space there"
            raise SpoolError(msg) from exc

    def rotate(self) -> None:
        """Begin a new file with the next record; what there is can be replayed. Not while a record is appended."""
        if self._open is not None:
            self._waiting.append(self._open)
            self._open = None

    def files(self) -> Iterator[SpoolFile]:
        """The files to replay: this gateway's, then those of gateways that died. Each is to be removed when done."""
        while self._waiting:
            yield self._waiting[0]
            self._waiting.pop(0)
        for path in sorted(self._directory.glob("*.log")):
            adopted = SpoolFile.adopt(path)
            if adopted is not None:
                try:
                    yield adopted
                finally:
                    adopted.close()

    def close(self) -> None:
        """Let go of all files; another gateway will adopt what is in them."""
        self.rotate()
        for file in self._waiting:
            file.close()
        self._waiting.clear()


def _sync_directory(directory: Path) -> None:
    """A new file's name is on the disk only once its directory is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
