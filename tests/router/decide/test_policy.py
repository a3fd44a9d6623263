"""Who answers: hard rules, then the scorer's tier, then the load, and always somebody who is able."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spec import Capability, Fleet
from router.decide.facts import Ask, Load, Reason
from router.decide.policy import Policy, unsure
from router.decide.scorer import ByLength
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

CHAT = frozenset({Capability.CHAT})
FLEET = Fleet.model_validate(
    {
        "name": "test",
        "models": {
            name: {"engine": "url", "url": "http://x", "context_length": context, "capabilities": able}
            for name, context, able in (
                ("s1", 4096, ["chat"]),
                ("s2", 8192, ["chat", "tools"]),
                ("l1", 32768, ["chat", "tools", "json_schema"]),
                ("l2", 32768, ["chat", "vision"]),
                ("e1", 256, ["embeddings"]),
                ("alone", 1024, ["chat"]),
            )
        },
        "tiers": {"small": ["s1", "s2"], "large": ["l1", "l2"], "embedding": ["e1"]},
        "routing": {"small_up_to_tokens": 100, "busy_in_flight": 4},
    },
)
POLICY = Policy(FLEET, ByLength(FLEET.routing))
IDLE, FULL, DOWN = Load(), Load(in_flight=4), Load(available=False)


def ask(model: str = "auto", tokens: int = 10, **more: object) -> Ask:
    """A question; its bytes fit its tokens."""
    fields = {"kind": Kind.CHAT, "most_tokens": tokens * 4, "needs": CHAT, **more}
    return Ask(model=model, prompt_tokens=tokens, **fields)  # type: ignore[arg-type] # as each test has them


def decided(question: Ask, **loads: Load) -> tuple[str, str, Reason, tuple[str, ...]]:
    """The decision, with these loads and everybody else idle."""
    found = POLICY.decide(question, lambda name: loads.get(name, IDLE))
    return found.model, found.tier, found.reason, found.alternatives


CASES: dict[str, tuple[Ask, dict[str, Load], tuple[str, Reason, tuple[str, ...]]]] = {
    "named": (ask("l2"), {}, ("l2", Reason.NAMED, ())),
    "named-though-down": (ask("l2"), {"l2": DOWN}, ("l2", Reason.NAMED, ())),
    "named-without-tier": (ask("alone"), {}, ("alone", Reason.NAMED, ())),
    "tier": (ask("small"), {}, ("s1", Reason.TIER, ("s2",))),
    "tier-first-down": (ask("small"), {"s1": DOWN}, ("s2", Reason.TIER, ("s1",))),
    "tier-first-busy": (ask("small"), {"s1": FULL}, ("s2", Reason.TIER, ("s1",))),
    "short": (ask(), {}, ("s1", Reason.SHORT, ("s2", "l1", "l2"))),
    "at-the-threshold": (ask(tokens=100), {}, ("s1", Reason.SHORT, ("s2", "l1", "l2"))),
    "over-the-threshold": (ask(tokens=101), {}, ("l1", Reason.LONG, ("l2", "s1", "s2"))),
    "tools": (ask(needs=CHAT | {Capability.TOOLS}), {}, ("s2", Reason.SHORT, ("l1",))),
    "schema": (ask(needs=CHAT | {Capability.JSON_SCHEMA}), {}, ("l1", Reason.ONLY_ABLE, ())),
    "vision": (ask(needs=CHAT | {Capability.VISION}), {}, ("l2", Reason.ONLY_ABLE, ())),
    "fits-the-second": (ask(tokens=5000, counted=True), {}, ("l1", Reason.LONG, ("l2", "s2"))),
    "fits-the-large": (ask(tokens=50, counted=True, answer_tokens=9000), {}, ("l1", Reason.ONLY_ABLE, ("l2",))),
    "small-down": (ask(), {"s1": DOWN, "s2": DOWN}, ("l1", Reason.DOWN, ("l2", "s1", "s2"))),
    "small-busy": (ask(), {"s1": FULL, "s2": FULL}, ("l1", Reason.BUSY, ("l2", "s1", "s2"))),
    "both-busy": (
        ask(),
        {"s1": FULL, "s2": FULL, "l1": FULL, "l2": FULL},
        ("s1", Reason.SHORT, ("s2", "l1", "l2")),
    ),
    "large-busy": (ask(tokens=500), {"l1": FULL, "l2": FULL}, ("s1", Reason.BUSY, ("s2", "l1", "l2"))),
    "all-down": (ask(), dict.fromkeys(FLEET.models, DOWN), ("s1", Reason.SHORT, ("s2", "l1", "l2"))),
    "embedding": (
        ask(kind=Kind.EMBEDDING, needs=frozenset({Capability.EMBEDDINGS})),
        {},
        ("e1", Reason.EMBEDDING, ()),
    ),
}


@pytest.mark.parametrize(("question", "loads", "expected"), CASES.values(), ids=CASES)
def test_who_answers(question: Ask, loads: dict[str, Load], expected: tuple[str, Reason, tuple[str, ...]]) -> None:
    """Model, reason and the order of the alternatives."""
    model, tier, reason, alternatives = decided(question, **loads)
    assert (model, reason, alternatives) == expected
    assert tier == FLEET.tier_of(model)


REFUSED: dict[str, tuple[Ask, int, str]] = {
    "unknown": (ask("gpt-9"), 404, "model_not_found"),
    "upper": (ask("Auto"), 404, "model_not_found"),
    "incapable": (ask("s1", needs=CHAT | {Capability.TOOLS}), 400, "model_not_capable"),
    "embedding-by-chat": (ask("e1"), 400, "model_not_capable"),
    "too-long": (ask("s1", tokens=5000, counted=True), 400, "context_length_exceeded"),
    "too-long-an-answer": (ask("s1", answer_tokens=4096), 400, "context_length_exceeded"),
    "too-long-for-all": (ask(tokens=40_000, counted=True), 400, "context_length_exceeded"),
}


@pytest.mark.parametrize(("question", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_can_do(question: Ask, status: int, code: str) -> None:
    """What no model with that name can do is refused with the reason."""
    with pytest.raises(Refusal) as caught:
        decided(question)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.param


def test_an_empty_tier_is_refused() -> None:
    """A tier that the fleet file leaves empty has nobody behind it."""
    fleet = FLEET.model_copy(update={"tiers": FLEET.tiers.model_copy(update={"large": ()})})
    with pytest.raises(Refusal) as caught:
        Policy(fleet, ByLength(fleet.routing)).decide(ask("large"), lambda _: IDLE)
    assert caught.value.status in {400, 404}


loads = st.builds(Load, st.integers(0, 9), st.integers(0, 9), st.booleans())
asks = st.builds(
    ask,
    st.sampled_from(["auto", "small", "large", *FLEET.models]),
    st.integers(0, 60_000),
    needs=st.sets(st.sampled_from([Capability.TOOLS, Capability.JSON_SCHEMA, Capability.VISION])).map(
        lambda more: CHAT | more,
    ),
    answer_tokens=st.integers(0, 40_000),
    counted=st.booleans(),
)


@given(asks, st.dictionaries(st.sampled_from(sorted(FLEET.models)), loads))
def test_only_those_who_are_able(question: Ask, busy: dict[str, Load]) -> None:
    """Whatever the load, everyone in a decision is able, nobody is in it twice, and it only fails with a refusal."""
    try:
        model, _, _, alternatives = decided(question, **busy)
    except Refusal as refusal:
        assert refusal.status == 400  # noqa: PT017 - either end is good
        return
    chosen = (model, *alternatives)
    assert len(set(chosen)) == len(chosen)
    for name in chosen:
        assert question.needs <= set(FLEET.models[name].capabilities)
        if question.counted:
            assert question.prompt_tokens + question.room <= FLEET.models[name].context_length


@pytest.mark.parametrize(("most", "expected"), [(4000, False), (4095, False), (4096, True)], ids=str)
def test_when_an_estimate_is_not_enough(most: int, expected: bool) -> None:
    """Only a prompt that could be too long, at a token a byte, is worth counting."""
    assert unsure(ask(most_tokens=most), FLEET.models["s1"]) is expected


@pytest.mark.parametrize("allowed", [{"s2"}, {"s2", "l1"}], ids=["one", "two"])
def test_only_those_who_may(allowed: set[str]) -> None:
    """A caller who may use only some models is never sent to another."""
    found = POLICY.decide(ask(), lambda _: IDLE, allowed)
    assert {found.model, *found.alternatives} == allowed
