"""The secret that keys are stored under: ``FREEHOLD_PEPPER``, or a file that the first start makes.

Whoever steals the database without it can neither use nor test a key. Nothing else is derived from it but what
:mod:`router.accounts.secret` puts into keys and :mod:`router.accounts.sealed` seals with; each use has its own key.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import StartError

VARIABLE = "FREEHOLD_PEPPER"
BYTES = 32
_BLOCK = 64
"""SHA-256's block, over which HMAC spreads its key."""
_OTHERS = 0o077
_FINGERPRINT_BYTES = 8


class Mac:
    """HMAC-SHA-256 under one key; its two inner states are made once, which saves three quarters of each digest."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """Take a key of at most one block."""
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, message: bytes) -> bytes:
        """32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class Pepper:
    """Makes digests; never shows itself."""

    __slots__ = ("_keys", "_stamps", "fingerprint", "sealing")

    def __init__(self, secret: bytes) -> None:
        """Derive a key for each use."""
        derived = Mac(secret)
        self._keys = Mac(derived.digest(b"freehold: digest of a key"))
        self._stamps = Mac(derived.digest(b"freehold: stamp inside a key"))
        self.sealing = derived.digest(b"freehold: sealing of samples")
        """The AES-256 key of :mod:`router.accounts.sealed`."""
        self.fingerprint = derived.digest(b"freehold: fingerprint")[:_FINGERPRINT_BYTES]
        """Tells peppers apart; stored beside each key."""

    def digest(self, key: bytes) -> bytes:
        """What is stored of a key."""
        return self._keys.digest(key)

    def stamp(self, beginning: bytes) -> bytes:
        """What the rest of a key must say, for a key that we made."""
        return self._stamps.digest(beginning)

    def __repr__(self) -> str:
        return f"Pepper({self.fingerprint.hex()})"


def load_pepper(home: Path, environment: Mapping[str, str]) -> Pepper:
    """From the environment, else from ``home/pepper``, which is made where it is missing.

    Raises:
        StartError: it is malformed, too short, or readable by others.

    """
    given = environment.get(VARIABLE)
    if given is not None:
        return Pepper(_parsed(given, VARIABLE))
    file = home / "pepper"
    if not file.exists():
        _make(file)
    if file.stat().st_mode & _OTHERS:
        msg = f"{file} can be read by other users; every key rests on it: chmod 600 {file}"
        raise StartError(msg)
    return Pepper(_parsed(file.read_text("ascii", "replace"), str(file)))


def _parsed(text: str, origin: str) -> bytes:
    """Never quotes the text."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if not BYTES <= len(secret) <= _BLOCK:
        msg = f"{origin} must hold {BYTES} to {_BLOCK} bytes in hexadecimal; make one with: openssl rand -hex {BYTES}"
        raise StartError(msg)
    return secret


def _make(file: Path) -> None:
    """Put a whole new file in place unless another process was first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_secret(fresh := file.with_name(f".pepper-{secrets.token_hex(8)}"), secrets.token_hex(BYTES))
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass  # the other's is as good
    finally:
        fresh.unlink()


def write_secret(file: Path, text: str) -> None:
    """Write a new file that only its owner can read, and have it on the disk."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{text}\n")
        out.flush()
        os.fsync(out.fileno())
