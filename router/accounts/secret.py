"""What a key looks like: ``fh-<id>-<secret>``.

The id is no secret; it names the key in lists and in the ledger. The secret is 192 random bits and an 8-byte stamp over
everything before it, made with the pepper: a guessed or mistyped key is known to be none of ours without asking the
database. A stamp only spares that question; what lets a key in is its digest (:mod:`router.accounts.keys`).
"""

from __future__ import annotations

import base64
import secrets
from hmac import compare_digest
from typing import NamedTuple

from router.accounts.pepper import Pepper

_RANDOM_BYTES = 24
_STAMP_BYTES = 8
_STAMP_CHARACTERS = 11
LENGTH = 59
"""Bytes of every key."""
ID_PATTERN = "[a-z2-7]{12}"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_ID = slice(3, 3 + _ID_LENGTH)


class NewKey(NamedTuple):
    """A key that was just made; ``text`` is shown once and kept nowhere."""

    id: str
    text: str
    digest: bytes

    def __repr__(self) -> str:
        return f"NewKey({self.id})"


def make_key(pepper: Pepper) -> NewKey:
    """A key that nobody can guess."""
    name = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    beginning = f"fh-{name}-".encode() + base64.urlsafe_b64encode(secrets.token_bytes(_RANDOM_BYTES))
    whole = beginning + _stamp(pepper, beginning)
    return NewKey(name, whole.decode(), pepper.digest(whole))


def id_of(key: bytes, pepper: Pepper) -> str | None:
    """The id of a key that was made under this pepper; None for anything else.

    The stamp alone decides: nothing here takes longer for one text than for another.
    """
    if len(key) != LENGTH or not compare_digest(_stamp(pepper, key[:-_STAMP_CHARACTERS]), key[-_STAMP_CHARACTERS:]):
        return None
    return key[_ID].decode()


def _stamp(pepper: Pepper, beginning: bytes) -> bytes:
    return base64.urlsafe_b64encode(pepper.stamp(beginning)[:_STAMP_BYTES])[:_STAMP_CHARACTERS]
