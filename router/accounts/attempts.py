"""How many wrong keys came from an address lately. Memory is bounded: who tries from everywhere is forgotten first.

Only wrong keys are counted and refused here; a good key from the same address is answered as ever, so that one tenant
behind a shared address cannot lock out another.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

MOST_ADDRESSES = 4096
FREE = 20
"""Wrong keys that an address has at once: a client that was set up wrongly and retries."""
REFILL_S = 3.0
"""Seconds after which it has another one."""
_V6_PREFIX = 64
"""What one subscriber gets; a bucket for each address inside would be no limit."""


@lru_cache(maxsize=MOST_ADDRESSES)
def address_of(host: str) -> Address | None:
    """The socket's address as a number, IPv4 also where it comes wrapped in IPv6; None for a Unix socket."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class WrongKeys:
    """A leaky bucket per address."""

    def __init__(self) -> None:
        """Nobody has tried yet."""
        self._empty_at: OrderedDict[str, float] = OrderedDict()
        """When an address's bucket will have run dry; the least recently seen first."""

    def add(self, client: str, now: float) -> float:
        """Count one at ``now`` (monotonic seconds); returns for how many seconds more to refuse, 0 while there is room.

        What is refused is not counted: an address that stops asking is free again after ``REFILL_S``.
        """
        source = _source(client)
        level = max(self._empty_at.get(source, 0.0) - now, 0.0)
        over = level + REFILL_S - FREE * REFILL_S
        self._empty_at[source] = now + level + (0.0 if over > 0 else REFILL_S)
        self._empty_at.move_to_end(source)
        if len(self._empty_at) > MOST_ADDRESSES:
            self._empty_at.popitem(last=False)
        return max(over, 0.0)

    def __len__(self) -> int:
        return len(self._empty_at)


@lru_cache(maxsize=MOST_ADDRESSES)
def _source(client: str) -> str:
    address = address_of(client)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _V6_PREFIX), strict=False))
    return str(address) if address else client
