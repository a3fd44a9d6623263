"""Which web pages may speak to a gateway that asks for no key."""

from __future__ import annotations

import pytest

from router.wire.errors import Refusal
from router.wire.origin import refuse_foreign_host, refuse_foreign_page


def code_of(check: object, name: str, value: str) -> str:
    """The refusal's code; empty where the header is let pass."""
    assert callable(check)
    try:
        check([(b"accept", b"*/*"), (name.encode(), value.encode("latin-1"))])
    except Refusal as refusal:
        return str(refusal.code)
    return ""


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8080",
        "http://127.0.0.1:3000",
        "https://127.8.8.8",
        "http://[::1]:8080",
        "chrome-extension://a",
    ],
)
def test_pages_of_this_machine(origin: str) -> None:
    """Its own page, other local ones, and programs with an origin of their own."""
    assert code_of(refuse_foreign_page, "origin", origin) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com:8080",
        "null",
        "http://",
        "http://[",
        "http://10.0.0.1",
    ],
)
def test_pages_from_elsewhere(origin: str) -> None:
    """Whatever they call themselves; a sandboxed frame hides where it is from."""
    assert code_of(refuse_foreign_page, "origin", origin) == "foreign_origin"


def test_what_is_no_browser_says_no_origin() -> None:
    """And is let in by any name."""
    refuse_foreign_page([(b"host", b"gateway")])
    with pytest.raises(Refusal):
        refuse_foreign_page([(b"origin", b"http://example.com")])


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"])
def test_names_of_this_machine(host: str) -> None:
    """That nobody else can own."""
    assert code_of(refuse_foreign_host, "host", host) == ""


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:8080", "192.168.0.7", "", "localhost.", "[", "127.0.0.1.nip.io"]
)
def test_names_that_were_made_to_point_here(host: str) -> None:
    """DNS rebinding: the name is the attacker's, the address is ours."""
    assert code_of(refuse_foreign_host, "host", host) == "foreign_host"
