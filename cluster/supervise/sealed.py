"""A file that only the holder of a key can read, and that nobody can change, shorten or reorder unnoticed.

AES-256-GCM over pieces of 1 MiB. Every file has its own key, derived from the holder's and a random salt; a piece's
nonce is its number and whether it is the last one. So a piece in the wrong place, a piece of another file and a missing
end all fail to open.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cluster.errors import FreeholdError, UsageError

MAGIC = b"freehold sealed 1\n"
PIECE = 1 << 20
VARIABLE = "FREEHOLD_BACKUP_KEY"
_SALT, _TAG, _KEY = 32, 16, 32
_NONCE = struct.Struct(">QI")
_MAKE_ONE = "make one with: openssl rand -hex 32"


class SealError(FreeholdError):
    """The file cannot be opened: another key, damage, or a missing part."""


def read_key(file: Path | None) -> bytes:
    """The key in ``file``, else in the environment; 64 hexadecimal digits.

    Raises:
        UsageError: there is none, or it is not of that form.

    """
    where = str(file) if file else VARIABLE
    text = file.read_text() if file and file.is_file() else os.environ.get(VARIABLE, "") if file is None else ""
    if not text.strip():
        msg = f"no key for backups in {where}; {_MAKE_ONE}, and name it with --key-file or {VARIABLE}"
        raise UsageError(msg)
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        msg = f"the key for backups in {where} is not 64 hexadecimal digits; {_MAKE_ONE}"
        raise UsageError(msg)
    return bytes.fromhex(text.strip())


def seal(source: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """What to write to the file, piece by piece."""
    salt = os.urandom(_SALT)
    header = MAGIC + salt
    cipher = _cipher(key, salt)
    yield header
    number, pending = 0, b""
    for data in source:
        pending += data
        while len(pending) > PIECE:
            yield cipher.encrypt(_NONCE.pack(number, 0), pending[:PIECE], header)
            number, pending = number + 1, pending[PIECE:]
    yield cipher.encrypt(_NONCE.pack(number, 1), pending, header)


def unseal(file: BinaryIO, key: bytes) -> Iterator[bytes]:
    """What was sealed, piece by piece; it is all there only once the iteration has ended.

    Raises:
        SealError: it cannot be opened.

    """
    header = file.read(len(MAGIC) + _SALT)
    if not header.startswith(MAGIC):
        msg = f"{file.name} is not a backup of Freehold"
        raise SealError(msg)
    cipher = _cipher(key, header[len(MAGIC) :])
    number, piece = 0, file.read(PIECE + _TAG)
    while True:
        following = file.read(PIECE + _TAG)
        try:
            yield cipher.decrypt(_NONCE.pack(number, 0 if following else 1), piece, header)
        except InvalidTag:
            msg = f"{file.name} cannot be opened: it was made with another key, or is damaged or incomplete"
            raise SealError(msg) from None
        if not following:
            return
        number, piece = number + 1, following


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY, salt, MAGIC).derive(key))
