"""Open mode's money: a day's limit that no number of requests at once passes."""

from __future__ import annotations

import pytest

from cluster.spec import Fleet
from router.accounts.facts import Left
from router.decide.facts import Ask
from router.observe.events import Finished
from router.purse import Purse, PurseTab
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

pytestmark = pytest.mark.anyio

FLEET = Fleet.model_validate(
    {
        "name": "test",
        "models": {"c": {"engine": "claude", "price": {"prompt": 1, "completion": 2}, "answer_tokens": 50}},
        "spillover": {"chain": ["c"], "open_usd_per_day": 0.001, "baseline": {"prompt": 10, "completion": 10}},
        "gateway": {"workers": 2},
    }
)
WORST = 100 + 2 * 50


def finished(outcome: str = "complete") -> Finished:
    """The end of a request."""
    return Finished("r", "chat", 0, model="c", outcome=outcome, prompt_tokens=90, completion_tokens=10)


async def paid(purse: Purse) -> PurseTab:
    """A request for which the worst case is set aside."""
    tab = PurseTab(purse)
    await tab.hold(Ask(Kind.CHAT, "auto", 90, 100))
    await tab.pay(finished(), "c")
    return tab


async def test_a_worker_has_its_share() -> None:
    """Half of a tenth of a cent: two worst cases at once, not three."""
    purse = Purse(FLEET, lambda: 0.0)
    tabs = [await paid(purse), await paid(purse)]
    with pytest.raises(Refusal) as caught:
        await paid(purse)
    assert (caught.value.status, purse.reserved) == (402, 2 * WORST)
    for tab in tabs:
        event = finished()
        assert purse.left()["day"].share < 0.8
        await tab.settle(event)
        await tab.settle(event)
        assert (event.cost_micros, event.baseline_micros) == (110, 1000)
    assert (purse.spent, purse.reserved) == (220, 0)
    assert purse.left() == {"day": Left(0.001, 1 - 220 / 500)}


async def test_what_never_came_costs_nothing() -> None:
    """And is not held any longer."""
    purse = Purse(FLEET, lambda: 0.0)
    tab = await paid(purse)
    event = Finished("r", "chat", 0, model="c", outcome="failed")
    await tab.settle(event)
    assert (purse.spent, purse.reserved, event.cost_micros) == (0, 0, 0)


async def test_a_new_day_has_new_money() -> None:
    """Of UTC."""
    now = [86_399.0]
    purse = Purse(FLEET, lambda: now[0])
    for _ in range(2):
        await (await paid(purse)).settle(finished())
    purse.settle(0, purse.limit - purse.spent)
    with pytest.raises(Refusal):
        await paid(purse)
    now[0] += 1
    assert purse.left()["day"].share == 1
    await paid(purse)
    assert (purse.spent, purse.reserved) == (0, WORST)
