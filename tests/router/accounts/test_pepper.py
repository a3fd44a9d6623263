"""The pepper: where it comes from, and what its digests are."""

from __future__ import annotations

import hmac
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import StartError
from router.accounts.pepper import VARIABLE, Mac, Pepper, load_pepper

SECRET = "ab" * 32


@given(key=st.binary(min_size=1, max_size=64), message=st.binary(max_size=300))
def test_mac_is_hmac_sha_256(key: bytes, message: bytes) -> None:
    """Ours is the standard's, for every key of up to one block."""
    assert Mac(key).digest(message) == hmac.digest(key, message, "sha256")


def test_its_uses_have_keys_of_their_own() -> None:
    """A stamp, which every key shows, says nothing about a digest, which the database has."""
    pepper = Pepper(bytes(32))
    assert len({pepper.digest(b"x"), pepper.stamp(b"x"), Mac(bytes(32)).digest(b"x")}) == 3


def test_the_first_start_makes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    """The file appears with mode 0600, and the next start reads the same pepper from it."""
    home = tmp_path / "home"
    first = load_pepper(home, {})
    assert stat.S_IMODE((home / "pepper").stat().st_mode) == 0o600
    assert load_pepper(home, {}).digest(b"x") == first.digest(b"x")
    assert [file.name for file in home.iterdir()] == ["pepper"]


def test_gateways_that_start_at_once_share_one(tmp_path: Path) -> None:
    """Eight race for the file; all end with the same pepper."""
    with ThreadPoolExecutor(8) as gateways:
        found = [*gateways.map(lambda _: load_pepper(tmp_path, {}), range(8))]
    assert len({pepper.fingerprint for pepper in found}) == 1


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """With the variable set, no file is read or made."""
    assert load_pepper(tmp_path, {VARIABLE: SECRET}).fingerprint == Pepper(bytes.fromhex(SECRET)).fingerprint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "secret", SECRET[:-2], SECRET[:-1], "ab" * 65], ids=len)
def test_a_bad_one_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    """Not hexadecimal, too short, too long: the message names the variable and no part of its value."""
    with pytest.raises(StartError, match=VARIABLE) as caught:
        load_pepper(tmp_path, {VARIABLE: text})
    assert not text or text not in str(caught.value)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The way out is in the message."""
    load_pepper(tmp_path, {})
    (tmp_path / "pepper").chmod(0o640)
    with pytest.raises(StartError, match="chmod 600"):
        load_pepper(tmp_path, {})


def test_it_never_shows_itself() -> None:
    """Its representation has its fingerprint alone."""
    assert SECRET[:8] not in repr(Pepper(bytes.fromhex(SECRET)))
