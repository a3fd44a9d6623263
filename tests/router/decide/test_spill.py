"""When the chain is asked: by trigger, permission, breaker and what its models can do; pure."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.spec import Capability, Fleet
from router.decide.egress import Egress
from router.decide.facts import Ask, Decision, Load, Reason, Verdict
from router.decide.policy import Policy
from router.decide.scorer import ByLength
from router.decide.spill import Ranked, difficulty_by
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

HOSTED = {"engine": "claude", "price": {"prompt": 1, "completion": 1}, "capabilities": ["chat", "vision"]}
LOCAL = {"engine": "url", "url": "http://x", "context_length": 4096}
CHAT = frozenset({Capability.CHAT})
DOWN, SLOW, FULL = Load(available=False), Load(ttft_s=9), Load(in_flight=999)


def fleet(**spillover: object) -> Fleet:
    """Two local models and a chain of two."""
    return Fleet.model_validate(
        {
            "name": "test",
            "models": {
                "s": LOCAL,
                "l": LOCAL,
                "e": {**LOCAL, "capabilities": ["embeddings"]},
                "c1": {**HOSTED, "context_length": 50_000},
                "c2": {**HOSTED, "context_length": 100_000, "served_as": "other"},
            },
            "tiers": {"small": ["s"], "large": ["l"], "embedding": ["e"]},
            "spillover": {"chain": ["c1", "c2"], "open_usd_per_day": 1, **spillover},
        }
    )


def ask(model: str = "auto", tokens: int = 10, **more: Any) -> Ask:  # noqa: ANN401 - fields of an Ask
    """A short question."""
    return Ask(
        **{"kind": Kind.CHAT, "model": model, "prompt_tokens": tokens, "most_tokens": tokens, "needs": CHAT, **more}
    )


def decided(
    question: Ask, loads: dict[str, Load], spillover: dict[str, object], allowed: set[str] | None = None
) -> Decision:
    """The decision, everybody else being idle; every question is as hard as its prompt is long, in thousands."""
    spec = fleet(**spillover)
    policy = Policy(spec, ByLength(spec.routing), lambda one: one.prompt_tokens / 1000)
    return policy.decide(question, lambda name: loads.get(name, Load()), allowed)


ALL_DOWN = {"s": DOWN, "l": DOWN}
ALL_SLOW = {"s": SLOW, "l": SLOW}
COUNTED: dict[str, Any] = {"tokens": 5000, "counted": True}
CASES: dict[str, tuple[Ask, dict[str, Load], dict[str, object], list[str], str]] = {
    "well": (ask(), {}, {}, ["s", "l", "c1", "c2"], "short-prompt"),
    "well-and-not-for-outages": (ask(), {}, {"when": ["unable"]}, ["s", "l"], "short-prompt"),
    "one-down": (ask(), {"s": DOWN}, {}, ["l", "s", "c1", "c2"], "down"),
    "all-down": (ask(), ALL_DOWN, {}, ["c1", "c2", "s", "l"], "spill-down"),
    "all-down-not-for-that": (ask(), ALL_DOWN, {"when": ["slow"]}, ["s", "l"], "short-prompt"),
    "tier-down": (ask("small"), {"s": DOWN}, {}, ["c1", "c2", "s"], "spill-down"),
    "all-down-and-c1-too": (ask(), {**ALL_DOWN, "c1": DOWN}, {}, ["c2", "s", "l"], "spill-down"),
    "everything-down": (ask(), {**ALL_DOWN, "c1": DOWN, "c2": DOWN}, {}, ["s", "l"], "short-prompt"),
    "all-busy": (ask(), {"s": FULL, "l": FULL}, {}, ["s", "l", "c1", "c2"], "short-prompt"),
    "slow": (ask(), ALL_SLOW, {"ttft_seconds": 5}, ["c1", "c2", "s", "l"], "spill-slow"),
    "one-slow": (ask(), {"s": SLOW}, {"ttft_seconds": 5}, ["s", "l", "c1", "c2"], "short-prompt"),
    "slow-but-put-up-with": (ask(), ALL_SLOW, {"ttft_seconds": 10}, ["s", "l", "c1", "c2"], "short-prompt"),
    "slow-without-limit": (ask(), ALL_SLOW, {}, ["s", "l", "c1", "c2"], "short-prompt"),
    "slow-not-for-that": (
        ask(),
        ALL_SLOW,
        {"ttft_seconds": 5, "when": ["down"]},
        ["s", "l", "c1", "c2"],
        "short-prompt",
    ),
    "hard": (ask(tokens=900), {}, {"spill_above": 0.8}, ["c1", "c2", "s", "l"], "spill-hard"),
    "not-so-hard": (ask(tokens=700), {}, {"spill_above": 0.8}, ["s", "l", "c1", "c2"], "short-prompt"),
    "hard-tier": (ask("small", tokens=900), {}, {"spill_above": 0.8}, ["s", "c1", "c2"], "tier"),
    "too-long": (ask(**COUNTED), {}, {}, ["c1", "c2"], "spill-unable"),
    "too-long-for-one": (ask(tokens=60_000, counted=True), {}, {}, ["c2"], "spill-unable"),
    "too-long-c1-down": (ask(**COUNTED), {"c1": DOWN}, {}, ["c2"], "spill-unable"),
    "too-long-all-down": (ask(**COUNTED), {"c1": DOWN, "c2": DOWN}, {}, ["c1", "c2"], "spill-unable"),
    "vision": (ask(needs=frozenset({Capability.CHAT, Capability.VISION})), {}, {}, ["c1", "c2"], "spill-unable"),
    "named": (ask("s"), {"s": DOWN}, {}, ["s"], "named"),
    "hosted-by-name": (ask("c2"), {}, {}, ["c2"], "named"),
    "only-here": (ask(only_here="n"), ALL_DOWN, {}, ["s", "l"], "short-prompt"),
    "completion": (ask(kind=Kind.COMPLETION), ALL_DOWN, {}, ["c1", "c2", "s", "l"], "spill-down"),
    "responses": (ask(kind=Kind.RESPONSES), ALL_DOWN, {}, ["c1", "c2", "s", "l"], "spill-down"),
    "embedding": (
        ask(kind=Kind.EMBEDDING, needs=frozenset({Capability.EMBEDDINGS})),
        {"e": DOWN},
        {},
        ["e"],
        "embedding",
    ),
}


@pytest.mark.parametrize(("question", "loads", "spillover", "names", "reason"), CASES.values(), ids=CASES)
def test_who_is_asked(
    question: Ask, loads: dict[str, Load], spillover: dict[str, object], names: list[str], reason: str
) -> None:
    """In this order, for this reason."""
    found = decided(question, loads, spillover)
    assert ([found.model, *found.alternatives], found.reason) == (names, reason)
    assert found.tier == ("spillover" if found.model in {"c1", "c2"} and reason != "named" else found.tier)


@pytest.mark.parametrize(
    ("question", "loads", "allowed", "names"),
    [
        (ask(), {}, {"s", "l"}, ["s", "l"]),
        (ask(), ALL_DOWN, {"s", "l", "c2"}, ["c2", "s", "l"]),
        (ask(tokens=900), {}, {"s"}, ["s"]),
    ],
    ids=["none", "one", "hard"],
)
def test_permission_binds_every_trigger(
    question: Ask, loads: dict[str, Load], allowed: set[str], names: list[str]
) -> None:
    """What may not be used is in no decision."""
    found = decided(question, loads, {"spill_above": 0.8}, allowed)
    assert [found.model, *found.alternatives] == names


@pytest.mark.parametrize(
    ("question", "spillover", "allowed", "code"),
    [
        (ask(**COUNTED), {"when": ["down"]}, None, "context_length_exceeded"),
        (ask(**COUNTED), {}, {"s", "l"}, "context_length_exceeded"),
        (ask(tokens=10**7, counted=True), {}, None, "context_length_exceeded"),
        (ask("small"), {}, {"l", "c1", "c2"}, "model_not_allowed"),
        (ask("none"), {}, None, "model_not_found"),
        (ask("c1", only_here="n"), {}, None, "model_not_capable"),
    ],
    ids=["not-for-that", "not-permitted", "too-long-for-all", "tier-not-allowed", "unknown", "no-word-for-it"],
)
def test_what_is_refused_stays_refused(
    question: Ask, spillover: dict[str, object], allowed: set[str] | None, code: str
) -> None:
    """The chain is no way around a rule."""
    with pytest.raises(Refusal) as caught:
        decided(question, {}, spillover, allowed)
    assert caught.value.code == code


class ByFirstWord:
    """A scorer that has learnt to read a number."""

    def expected_gain(self, ask: Ask) -> float:
        """The number."""
        return float(ask.said[0])


def test_difficulty_is_a_rank_among_the_latest() -> None:
    """Told once enough are known; then the share that promised less, of a window that moves on."""
    difficulty = difficulty_by(ByFirstWord())
    told = [difficulty(ask(said=(str(gain),))) for gain in range(Ranked.WINDOW)]
    assert set(told[: Ranked.ENOUGH]) == {None}
    assert set(told[Ranked.ENOUGH :]) == {1.0}
    assert difficulty(ask(said=("250",))) == pytest.approx(0.25)
    for _ in range(Ranked.WINDOW):
        difficulty(ask(said=("5",)))
    assert difficulty(ask(said=("5",))) == 0
    assert difficulty(ask(said=("6",))) == pytest.approx(1, abs=0.01)
    assert difficulty(ask(said=())) is None


def test_who_has_learnt_nothing_tells_no_difficulty() -> None:
    """Length is no gain."""
    assert difficulty_by(ByLength(fleet().routing))(ask(tokens=10**6)) is None


NEVER = [(b"x-freehold-egress", b" Never ")]


@pytest.mark.parametrize(
    ("allowed", "headers", "may"),
    [
        (None, [], None),
        ({"s", "c1"}, [], {"s", "c1"}),
        (None, NEVER, {"s", "l", "e"}),
        ({"s", "c1"}, NEVER, {"s"}),
        ((), NEVER, set()),
    ],
    ids=["all", "some", "never", "never-of-some", "never-of-none"],
)
def test_egress_only_tightens(
    allowed: set[str] | None, headers: list[tuple[bytes, bytes]], may: set[str] | None
) -> None:
    """What a header leaves is part of what there was."""
    found = Egress(fleet()).allowed(allowed, headers, "auto")
    assert found == may


@pytest.mark.parametrize(
    ("headers", "model", "status"),
    [
        (NEVER, "c1", 403),
        ([*NEVER, (b"x-freehold-egress", b"always")], "s", 400),
        ([(b"x-freehold-egress", b"")], "s", 400),
    ],
    ids=["outside-by-name", "twice", "empty"],
)
def test_egress_refuses(headers: list[tuple[bytes, bytes]], model: str, status: int) -> None:
    """A contradiction, and whatever is not never."""
    with pytest.raises(Refusal) as caught:
        Egress(fleet()).allowed(None, headers, model)
    assert caught.value.status == status


PINNED_AWAY: dict[str, tuple[dict[str, Load], set[str] | None, list[str], str]] = {
    "stays": ({}, None, ["c2", "c1", "s", "l"], "pinned"),
    "is-down": ({"c2": DOWN}, None, ["s", "l", "c1"], "short-prompt"),
    "may-not-any-more": ({}, {"s", "l", "c1"}, ["s", "l", "c1"], "short-prompt"),
}


@pytest.mark.parametrize(("loads", "allowed", "names", "reason"), PINNED_AWAY.values(), ids=PINNED_AWAY)
def test_a_conversation_that_went_away_for_its_difficulty(
    loads: dict[str, Load], allowed: set[str] | None, names: list[str], reason: str
) -> None:
    """It stays with its hosted model while that is well and may be used; then it is judged anew."""
    question = ask(tokens=9, verdict=Verdict("spillover", Reason.PINNED, model="c2"))
    found = decided(question, loads, {"spill_above": 0.8}, allowed)
    assert ([found.model, *found.alternatives], found.reason) == (names, reason)


def test_a_conversation_at_home_is_not_sent_away_for_its_difficulty() -> None:
    """However hard its next question is."""
    question = ask(tokens=900, verdict=Verdict("small", Reason.PINNED, model="s"))
    found = decided(question, {}, {"spill_above": 0.8})
    assert (found.model, found.reason) == ("s", Reason.PINNED)


def test_a_prompt_is_read_once() -> None:
    """What the scorer has said already is not asked for again."""

    class Once:
        def expected_gain(self, ask: Ask) -> float:
            raise AssertionError(ask)

    difficulty = difficulty_by(Once())
    for gain in range(Ranked.ENOUGH + 1):
        told = difficulty(ask(said=("x",), verdict=Verdict("small", Reason.EASY, score=float(gain))))
    assert told == 1.0
