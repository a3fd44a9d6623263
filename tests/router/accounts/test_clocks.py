"""Clocks jump under running gateways: theirs alone, or the whole machine's with the database's.

The first changes nothing at all. After the second, windows are those of the time that the machine now says, and when
its clock is set right again, what was used before is still counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.router.accounts.breakable import Breakable
from tests.router.accounts.conftest import Server
from tests.router.accounts.test_quota_processes import _libfaketime
from tests.router.accounts.town import PLANS, Town, keyed, town
from tests.router.engine import until
from tests.router.gateway import Trio

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(_libfaketime() is None, reason="needs libfaketime (apt install libfaketime)"),
]

MONTH = 50
"""Messages of the plan; so many are asked for before the jump, meanwhile, and afterwards until there are no more."""
ASKED = (20, 20, 20)


class Hands:
    """The clock of all processes that have :attr:`environment`."""

    def __init__(self, file: Path) -> None:
        """It goes right."""
        self._file = file
        self.set("+0s")
        self.environment = {
            "LD_PRELOAD": str(_libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Let it jump, to so much ahead of the right time or behind it."""
        self._file.write_text(offset)


@pytest.fixture
def hands() -> Iterator[Hands]:
    """A clock that the database's user may read, too."""
    with tempfile.TemporaryDirectory(prefix="fh-clock-") as directory:
        Path(directory).chmod(0o755)
        yield Hands(Path(directory) / "hands")


async def _ask(place: Town, key: str, count: int) -> None:
    for number in range(count):
        await place.ask(key, number // 2, stream=bool(number % 2))


def _windows(place: Town) -> list[int]:
    """What was used of the months, this one first."""
    found = place.rows("""
        SELECT used FROM quota_windows WHERE tenant = 'fifty' AND kind = 'messages_per_month'
        ORDER BY window_start <> date_trunc('month', now(), 'UTC')
    """)
    return [used for (used,) in found]


@asynccontextmanager
async def _database(server: Server, hands: Hands, whose: str) -> AsyncIterator[str]:
    if whose == "gateways":
        yield server.create()
    else:
        async with Breakable(environment=hands.environment) as breakable:
            yield breakable.url


@pytest.mark.parametrize(
    "which",
    [("gateways", "+400d"), ("machine", "+1h"), ("machine", "-1h"), ("machine", "+400d")],
    ids=["gateways+400d", "machine+1h", "machine-1h", "machine+400d"],
)
async def test_jump_and_return(
    engines: Trio, server: Server, hands: Hands, tmp_path: Path, which: tuple[str, str]
) -> None:
    """No message beyond the month's, no key lost, every answer in the ledger once, at the time of its window."""
    whose, jump = which
    fleet = keyed(engines, {**PLANS, "fifty": {"messages_per_month": MONTH}})
    async with (
        _database(server, hands, whose) as database,
        town(tmp_path, fleet, database, environment=hands.environment) as place,
    ):
        limited, free = await place.key("fifty"), await place.key("unlimited")
        brief = await place.key("plenty", expires_in_seconds=30 * 86_400)
        for offset, count in zip(("+0s", jump, "+0s"), ASKED, strict=True):
            hands.set(offset)
            async with AsyncExitStack() as stack:
                if offset == jump:  # a gateway that knows no other time; what it deems old it would delete
                    await stack.enter_async_context(town(tmp_path, fleet, database, 1, hands.environment))
                await stack.enter_async_context(place.traffic(free, lanes=1))
                await _ask(place, limited, count)
                await place.answered(50)
            expired = whose == "machine" and offset == "+400d"

            async def as_it_should_be(expired: bool = expired) -> bool:
                answers = [await place.ask(brief, number) for number in range(2)]  # of both gateways
                return {answer.status for answer in answers} == {401 if expired else 200}

            await until(as_it_should_be)

        async def used_up() -> bool:
            return (await place.ask(limited)).status == 429 and _windows(place)[0] >= MONTH

        await until(used_up)
        await _ask(place, limited, 20)
        away = whose == "machine" and jump == "+400d"
        present, *others = _windows(place)
        assert present == MONTH, "what was used before the jump is still counted after it, and all of it can be used"
        assert len(others) <= away
        assert all(used <= MONTH for used in others)
        assert place.rows("SELECT count(*) FROM ledger WHERE tenant = 'fifty'") == [(present + sum(others),)]
        if whose == "gateways":
            assert place.rows("SELECT count(*) FROM ledger WHERE abs(extract(epoch FROM now() - at)) > 600") == [(0,)]
        assert (place.missing(), place.doubled()) == (set(), [])
        assert away or not place.miscounted()
        assert set(place.others) <= {"insufficient_quota", "key_expired"}
