"""Wrong keys: counted by address, in bounded memory."""

from __future__ import annotations

import pytest

from router.accounts.attempts import FREE, MOST_ADDRESSES, REFILL_S, WrongKeys, address_of


def _burst(wrong: WrongKeys, client: str, now: float) -> int:
    """How many wrong keys an address has before it is refused."""
    return next(count for count in range(1000) if wrong.add(client, now))


def test_an_address_has_a_burst_and_then_a_rate() -> None:
    """After the burst, one more each ``REFILL_S``; what was refused does not count."""
    wrong = WrongKeys()
    assert _burst(wrong, "192.0.2.1", 100.0) == FREE
    assert all(wrong.add("192.0.2.1", 100.0) == REFILL_S for _ in range(1000))
    assert not wrong.add("192.0.2.1", 100.0 + REFILL_S)
    assert wrong.add("192.0.2.1", 100.0 + REFILL_S)


def test_time_heals() -> None:
    """An address that leaves off has its whole burst again, and no more."""
    wrong = WrongKeys()
    _burst(wrong, "192.0.2.1", 0.0)
    assert _burst(wrong, "192.0.2.1", 10_000.0) == FREE


def test_addresses_do_not_share() -> None:
    """Another address is not affected."""
    wrong = WrongKeys()
    _burst(wrong, "192.0.2.1", 0.0)
    assert not wrong.add("192.0.2.2", 0.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "192.0.2.1", False),
    ],
    ids=["one-network", "two-networks", "wrapped", "zones", "unix-socket"],
)
def test_what_counts_as_one_address(one: str, other: str, *, same: bool) -> None:
    """A subscriber's IPv6 network is one, and IPv4 is the same wrapped and bare."""
    wrong = WrongKeys()
    _burst(wrong, one, 0.0)
    assert bool(wrong.add(other, 0.0)) is same


def test_memory_is_bounded() -> None:
    """However many addresses try, so many are remembered, the latest."""
    wrong = WrongKeys()
    for number in range(MOST_ADDRESSES * 3):
        wrong.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(wrong) == MOST_ADDRESSES


@pytest.mark.parametrize("host", ["", "unix:", "localhost", "1.2.3", "300.0.0.1"], ids=repr)
def test_what_is_no_address(host: str) -> None:
    """A socket without an address has none."""
    assert address_of(host) is None
