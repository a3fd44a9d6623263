"""What is sealed opens with its key, whole and unchanged, or not at all."""

from __future__ import annotations

import io
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import UsageError
from cluster.supervise import sealed
from cluster.supervise.sealed import SealError, read_key, seal, unseal

KEY = bytes(range(32))


class _File(io.BytesIO):
    name = "the-file"


def _sealed(pieces: list[bytes], key: bytes = KEY) -> bytes:
    return b"".join(seal(pieces, key))


def _opened(content: bytes, key: bytes = KEY) -> bytes:
    return b"".join(unseal(_File(content), key))


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> None:
    """Several pieces to a file without megabytes."""
    sealed.PIECE = 64


@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
def test_what_goes_in_comes_out(pieces: list[bytes]) -> None:
    """However the content is cut into pieces."""
    assert _opened(_sealed(pieces)) == b"".join(pieces)


@given(content=st.binary(min_size=1, max_size=300), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_changed_bit(content: bytes, at: int, bit: int) -> None:
    """One bit that was flipped anywhere keeps the file closed."""
    changed = bytearray(_sealed([content]))
    changed[at % len(changed)] ^= 1 << bit
    with pytest.raises(SealError, match="the-file"):
        _opened(bytes(changed))


@given(content=st.binary(min_size=1, max_size=300), data=st.data())
def test_a_missing_end(content: bytes, data: st.DataObject) -> None:
    """A file that was cut off anywhere, also between two pieces, keeps closed."""
    whole = _sealed([content])
    with pytest.raises(SealError):
        _opened(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_pieces_in_another_place() -> None:
    """Pieces that were swapped, repeated, or taken from another file of the same key do not open."""
    whole, other = _sealed([b"a" * 64 * 3]), _sealed([b"b" * 64 * 3])
    start, size = len(sealed.MAGIC) + 32, 64 + 16
    cuts = (0, start, start + size, start + 2 * size, len(whole))
    head, one, two, rest = (whole[begin:end] for begin, end in pairwise(cuts))
    assert _opened(head + one + two + rest) == b"a" * 64 * 3
    for wrong in (two + one + rest, one + one + rest, one + two + two + rest, one + other[start + size :]):
        with pytest.raises(SealError):
            _opened(head + wrong)


def test_another_key() -> None:
    """The wrong key opens nothing, and nothing of the content or the key is in the file."""
    content = b"pepper and ledger " * 20
    whole = _sealed([content])
    with pytest.raises(SealError, match="another key"):
        _opened(whole, os.urandom(32))
    assert content[:16] not in whole
    assert KEY not in whole
    assert _sealed([content]) != whole


def test_something_else() -> None:
    """A file that is no backup is called that."""
    with pytest.raises(SealError, match="the-file is not a backup"):
        _opened(b"PGDMP and so on")


def test_where_the_key_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file comes first, then the environment; a key of another form is refused without being shown."""
    monkeypatch.delenv(sealed.VARIABLE, raising=False)
    with pytest.raises(UsageError, match="openssl rand"):
        read_key(None)
    monkeypatch.setenv(sealed.VARIABLE, KEY.hex())
    assert read_key(None) == KEY
    file = tmp_path / "key"
    with pytest.raises(UsageError, match="no key"):
        read_key(file)
    file.write_text("ab" * 32 + "\n")
    assert read_key(file) == b"\xab" * 32
    file.write_text("secret words")
    with pytest.raises(UsageError, match="64 hexadecimal digits") as error:
        read_key(file)
    assert "secret words" not in str(error.value)
