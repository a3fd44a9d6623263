"""A saturated tier: who answers instead, in the tenant's order, by what is predicted."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.spec import Capability, Fleet, WhenBusy
from router.decide.facts import Ask, Decision, Load, Reason, Terms, Verdict
from router.decide.policy import Policy
from router.decide.scorer import ByLength
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

DEGRADE, SPILL, QUEUE, REJECT = WhenBusy
LATE, FULL, DOWN = Load(ttft_s=9), Load(in_flight=64), Load(available=False)
FLEET = Fleet.model_validate(
    {
        "name": "test",
        "models": {
            **{name: {"engine": "url", "url": "http://x"} for name in ("s", "l")},
            "c": {"engine": "claude", "price": {"prompt": 1, "completion": 1}},
        },
        "tiers": {"small": ["s"], "large": ["l"]},
        "spillover": {"chain": ["c"], "open_usd_per_day": 1},
        "slo": {"ttft_p95_s": 2},
    }
)
ALL_LATE = {"s": LATE, "l": LATE}


def decided(loads: dict[str, Load], order: tuple[WhenBusy, ...] | None = None, **ask: Any) -> Decision:  # noqa: ANN401
    """The decision on a short question with ``auto``."""
    asked = {"kind": Kind.CHAT, "model": "auto", "prompt_tokens": 9, "most_tokens": 9, "when_busy": order, **ask}
    question = Ask(**asked, needs=frozenset({Capability.CHAT}))
    return Policy(FLEET, ByLength(FLEET.routing)).decide(question, lambda name: loads.get(name, Load()), None)


CASES: dict[str, tuple[dict[str, Load], tuple[WhenBusy, ...] | None, list[str], Reason]] = {
    "in-time": ({"s": Load(ttft_s=1.9)}, None, ["s", "l", "c"], Reason.SHORT),
    "late-degrades": ({"s": LATE}, None, ["l", "s", "c"], Reason.BUSY),
    "full-degrades": ({"s": FULL}, None, ["l", "s", "c"], Reason.BUSY),
    "all-late-spills": (ALL_LATE, None, ["c", "s", "l"], Reason.SPILL_SLOW),
    "all-full-queues": ({"s": FULL, "l": FULL}, None, ["s", "l", "c"], Reason.SHORT),
    "the-other-is-down": ({"s": LATE, "l": DOWN}, (DEGRADE, QUEUE), ["s", "l", "c"], Reason.SHORT),
    "queue-first": (ALL_LATE, (QUEUE, SPILL), ["s", "l", "c"], Reason.SHORT),
    "spill-first": ({"s": LATE}, (SPILL, DEGRADE), ["c", "s", "l"], Reason.SPILL_SLOW),
    "spill-first-but-down": ({"s": LATE, "c": DOWN}, (SPILL, DEGRADE), ["l", "s"], Reason.BUSY),
    "nothing-to-try": (ALL_LATE, (), ["s", "l", "c"], Reason.SHORT),
    "not-saturated": ({}, (REJECT,), ["s", "l", "c"], Reason.SHORT),
    "degrade-before-reject": ({"s": LATE}, (DEGRADE, REJECT), ["l", "s", "c"], Reason.BUSY),
}


@pytest.mark.parametrize(("loads", "order", "names", "reason"), CASES.values(), ids=CASES)
def test_who_answers_under_load(
    loads: dict[str, Load], order: tuple[WhenBusy, ...] | None, names: list[str], reason: Reason
) -> None:
    """In this order, for this reason."""
    found = decided(loads, order)
    assert ([found.model, *found.alternatives], found.reason) == (names, reason)


@pytest.mark.parametrize("order", [(REJECT,), (DEGRADE, REJECT), (DEGRADE, REJECT, SPILL)], ids=str)
def test_who_would_rather_be_refused(order: tuple[WhenBusy, ...]) -> None:
    """A 429 that says when to come back, as predicted."""
    with pytest.raises(Refusal) as caught:
        decided(ALL_LATE, order)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "saturated", 9)


def test_a_conversation_under_way_waits() -> None:
    """It neither degrades nor spills."""
    found = decided({"s": LATE}, verdict=Verdict("small", Reason.PINNED, model="s"))
    assert (found.model, found.reason) == ("s", Reason.PINNED)


def test_a_named_tier_is_not_degraded() -> None:
    """Its caller wanted that one; only spilling is left."""
    assert decided({"s": LATE}, model="small").model == "c"
    assert decided({"s": LATE}, (DEGRADE, QUEUE), model="small").model == "s"


def test_what_a_decision_tells_of_time() -> None:
    """The prediction for whoever was chosen; nothing where nothing is known."""
    assert decided({"s": Load(ttft_s=1.5)}).ttft_s == 1.5
    assert decided({}).ttft_s is None
    assert Terms().when_busy is None
