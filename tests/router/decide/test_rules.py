"""Rules hold when all that they say does; the first one wins."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.spec import Capability, Rule
from router.decide.facts import Ask
from router.decide.rules import Rules
from router.wire.endpoints import Kind

RULES = Rules(
    [
        Rule(to="l", needs=(Capability.TOOLS,), plans=("gold",)),
        Rule(to="m", needs=(Capability.TOOLS,)),
        Rule(to="s", headers={"x-job": "night", "x-team": "a"}),
        Rule(to="t", metadata={"job": "a", "team": "b"}),
        Rule(to="u", endpoints=("responses",)),
    ]
)
CHAT, TOOLS = frozenset({Capability.CHAT}), frozenset({Capability.CHAT, Capability.TOOLS})
NIGHT = {"x-job": "night", "x-team": "a"}
CASES: dict[str, tuple[frozenset[Capability], dict[str, Any], dict[str, str], str, str | None]] = {
    "none": (CHAT, {}, {}, "", None),
    "first": (TOOLS, {}, {}, "gold", "l"),
    "other-plan": (TOOLS, {}, {}, "free", "m"),
    "plan-alone": (CHAT, {}, {}, "gold", None),
    "headers": (CHAT, {}, NIGHT, "", "s"),
    "one-of-two-headers": (CHAT, {}, {"x-job": "night"}, "", None),
    "another-value": (CHAT, {}, {**NIGHT, "x-team": "b"}, "", None),
    "metadata": (CHAT, {"metadata": {"job": "a", "team": "b", "more": "c"}}, {}, "", "t"),
    "some-metadata": (CHAT, {"metadata": {"job": "a"}}, {}, "", None),
    "null-metadata": (CHAT, {"metadata": None}, {}, "", None),
}


@pytest.mark.parametrize(("needs", "body", "headers", "plan", "to"), CASES.values(), ids=CASES)
def test_which_rule_holds(
    needs: frozenset[Capability], body: dict[str, Any], headers: dict[str, str], plan: str, to: str | None
) -> None:
    """By what is needed, who calls, and how the request is tagged."""
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert RULES.holding(Ask(Kind.CHAT, "auto", 1, 1, needs=needs), body, sent, plan) == to


def test_a_rule_for_an_endpoint() -> None:
    """By its kind."""
    assert RULES.holding(Ask(Kind.RESPONSES, "auto", 1, 1, needs=CHAT), {}, [], "") == "u"
