"""What a key looks like, and what does not pass for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.accounts.pepper import Pepper
from router.accounts.secret import LENGTH, id_of, make_key

PEPPER = Pepper(b"p" * 32)
KEY = make_key(PEPPER)


def test_a_key_has_its_form_and_its_id() -> None:
    """``fh-``, 12 letters, 43 letters; the id reads out of it; the digest is of the whole."""
    assert len(KEY.text) == LENGTH
    assert re.fullmatch("fh-[a-z2-7]{12}-[A-Za-z0-9_-]{43}", KEY.text)
    assert id_of(KEY.text.encode(), PEPPER) == KEY.id == KEY.text[3:15]
    assert PEPPER.digest(KEY.text.encode()) == KEY.digest


def test_keys_differ() -> None:
    """A thousand keys have a thousand ids and secrets."""
    made = [make_key(PEPPER) for _ in range(1000)]
    assert len({key.id for key in made}) == len({key.text for key in made}) == 1000


@pytest.mark.parametrize("position", range(len(KEY.text)))
def test_a_key_that_differs_in_one_letter_is_none(position: int) -> None:
    """At every position, another letter of the same kind makes it none of ours."""
    other = "b" if KEY.text[position] != "b" else "c"
    near = KEY.text[:position] + other + KEY.text[position + 1 :]
    assert id_of(near.encode(), PEPPER) is None


def test_another_pepper_knows_no_key_of_ours() -> None:
    """A key of another deployment is refused without asking the database."""
    assert id_of(KEY.text.encode(), Pepper(b"q" * 32)) is None


@given(st.binary(max_size=200))
def test_whatever_comes_is_judged(noise: bytes) -> None:
    """Any bytes are no key, and no error."""
    assert id_of(noise, PEPPER) is None


@pytest.mark.parametrize("addition", [" ", "\n", "\0", "x", "'--"], ids=repr)
def test_a_key_with_something_around_it_is_none(addition: str) -> None:
    """Nothing before it, nothing behind it."""
    assert id_of((KEY.text + addition).encode(), PEPPER) is None
    assert id_of((addition + KEY.text).encode(), PEPPER) is None


def test_it_is_not_shown_by_accident() -> None:
    """Its representation names it, and has no part of its secret."""
    assert repr(KEY) == f"NewKey({KEY.id})"
