"""A night's training: what is better is promoted, what is not is kept out, and the share moves a step at a time."""

from __future__ import annotations

import random

import pytest

from cluster.spec import Fleet
from router.accounts.labels import Case
from router.learn.artefact import unpacked
from router.quality.retrain import Outcome, retrained, stepped
from tests.router.gateway import fleet_of
from tests.router.learn.prompts import labels

FLEET = fleet_of("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9")


def cases(count: int, seed: int = 0) -> list[Case]:
    """Comparisons of small's answers to prompts whose difficulty can be learned."""
    return [
        Case(f"req_{seed}_{number}", label.prompt, "judged", "s", "l", label.weak)
        for number, label in enumerate(labels(count, seed))
    ]


@pytest.fixture(scope="module")
def first() -> Outcome:
    """The first night, of a fleet that has length only."""
    return retrained(cases(900), FLEET, None, 0.2)


def test_what_is_better_is_promoted(first: Outcome) -> None:
    """Against length, by more than two standard errors on labels that it has not seen; the log says by how much."""
    assert first.artefact is not None
    why = first.why
    assert why["apgr"] - why["apgr_before"] > 2 * why["standard_error"] > 0
    assert first.artefact.card["labels"] == why["labels"]
    assert why["labels"] + why["held_out"] == 900
    assert first.share is None, "the fleet file's dial is a share; nothing moves it"


def test_what_is_no_better_is_not(first: Outcome) -> None:
    """The same labels again promote nothing: equal is not better."""
    assert first.artefact is not None
    current = unpacked(first.artefact.card, first.artefact.model, "test")
    again = retrained(cases(900), FLEET, current, 0.2)
    assert (again.artefact, again.why["apgr"]) == (None, again.why["apgr_before"])


def test_noise_is_not_promoted() -> None:
    """Labels that have nothing to do with the prompt train a router that stays out."""
    rng = random.Random(3)  # noqa: S311 - no secret
    shuffled = [case._replace(score=rng.choice((0.0, 0.5, 1.0))) for case in cases(600)]
    assert retrained(shuffled, FLEET, None, 0.2).artefact is None


@pytest.mark.parametrize("count", [0, 100, 240], ids=str)
def test_too_few(count: int) -> None:
    """With too few labels to train on, or to compare on, nothing is promoted, and the log says so."""
    found = retrained(cases(count), FLEET, None, 0.2)
    assert found.artefact is None
    assert any(word in found.why["says"] for word in ("fewer than", "at least"))


@pytest.mark.parametrize(("before", "moved"), [(0.2, 0.25), (0.9, 0.85), (0.72, None)], ids=["up", "down", "there"])
def test_the_share_moves_a_step_at_a_time(first: Outcome, before: float, moved: float | None) -> None:
    """What the dial ``quality`` comes to with a new router is reached by ``quality.max_move`` a night."""
    assert first.artefact is not None
    fleet = Fleet.model_validate({**FLEET.model_dump(exclude_unset=True), "routing": {"quality": 0.95}})
    trained = unpacked({**first.artefact.card, "curves": _curves(first)}, first.artefact.model, "test")
    wanted, found = stepped(fleet, trained, before)
    assert wanted == pytest.approx(0.75)
    assert found == pytest.approx(wanted if moved is None else moved)
    assert stepped(FLEET, trained, before) == (None, None)


def _curves(first: Outcome) -> dict[str, list[float]]:
    """A curve on which 95 % of the quality is at 75 %."""
    assert first.artefact is not None
    return {name: [0.5, 0.7, 0.9, 0.95, 1.0] for name in first.artefact.card["heads"]}
