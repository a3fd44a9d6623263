"""One timer for many calls: each is expired once, in its time, and not after it has ended."""

from __future__ import annotations

from typing import cast

import pytest

from router.call import Call
from router.patience import Patience
from tests.router.engine import until

pytestmark = pytest.mark.anyio


class Waiting:
    """What a call does when its time is over."""

    def __init__(self) -> None:
        """Not expired."""
        self.expired: list[str] = []

    def expire(self, which: str) -> None:
        """Note it."""
        self.expired.append(which)


def waiting(patience: Patience) -> Waiting:
    """A call that waits from now on."""
    call = Waiting()
    patience.begin(cast("Call", call))
    return call


async def test_each_is_expired_once() -> None:
    """Those that began together, and one that began later, when nobody was waited for any more."""
    patience = Patience("total", 0.01)
    calls = [waiting(patience), waiting(patience)]

    async def both() -> bool:
        return all(call.expired for call in calls)

    await until(both)
    calls = [waiting(patience)]
    await until(both)
    assert calls[0].expired == ["total"]


async def test_who_has_ended_is_left_alone() -> None:
    """Also where it was the first of those who wait."""
    patience = Patience("client", 0.01)
    ended, late = waiting(patience), waiting(patience)
    patience.end(cast("Call", ended))
    patience.end(cast("Call", ended))

    async def expired() -> bool:
        return bool(late.expired)

    await until(expired)
    assert (ended.expired, late.expired) == ([], ["client"])
