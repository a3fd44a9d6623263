"""Sealed prompts open only where they belong."""

from __future__ import annotations

import pytest

from router.accounts.pepper import Pepper
from router.accounts.sealed import Sealer
from tests.router.accounts.reception import PEPPER

WORDS = "Grüße \ud800 und \x00 nichts"


def test_what_was_sealed_opens() -> None:
    """The same words come back, but for what no encoding has; twice sealed looks different."""
    sealer = Sealer(PEPPER)
    first, second = (sealer.seal("acme", "req_1", WORDS) for _ in range(2))
    assert first != second
    assert b"nichts" not in first
    assert sealer.unseal("acme", "req_1", first) == WORDS.replace("\ud800", "?")


@pytest.mark.parametrize("where", [("other", "req_1"), ("acme", "req_2"), ("acmereq_1", "")], ids=str)
def test_another_row_is_noise(where: tuple[str, str]) -> None:
    """A sealed text that was moved to another tenant's or request's row does not open."""
    assert Sealer(PEPPER).unseal(*where, Sealer(PEPPER).seal("acme", "req_1", WORDS)) is None


def test_without_the_pepper_nothing_opens() -> None:
    """Nor does one that was changed, or cut short."""
    sealed = Sealer(PEPPER).seal("acme", "req_1", WORDS)
    assert Sealer(Pepper(b"q" * 32)).unseal("acme", "req_1", sealed) is None
    assert Sealer(PEPPER).unseal("acme", "req_1", sealed[:-1] + b"x") is None
    assert Sealer(PEPPER).unseal("acme", "req_1", b"") is None
