"""One topic does not take all of the large model, unless it is all of the traffic."""

from __future__ import annotations

import pytest

from router.learn.features import features
from router.learn.text import scan
from router.learn.topics import WINDOW, Portions, topic_of

TOLD = {
    "code": ("def f(x): return x if x else None; while true: print(f(list))", "code"),
    "mathematics": (
        "Prove that the polynomial has an integer root and that the matrix is a prime vector.",
        "mathematics",
    ),
    "law": ("The court held that the defendant breached the contract; the plaintiff sued.", "law"),
    "prose": ("Tell me a story for children about a boat on a lake.", ""),
    "nothing": ("", ""),
    "controls": ("\x00\x01" * 50, ""),
}


@pytest.mark.parametrize(("text", "topic"), TOLD.values(), ids=TOLD)
def test_topics_by_words(text: str, topic: str) -> None:
    """Rough, and none where the words tell none."""
    assert topic_of(features(scan(text))) == topic


def served(topics: list[str], share: float, most: float) -> dict[str, int]:
    """How many of each topic go to large where all of them want to."""
    portions = Portions(most)
    large = dict.fromkeys(topics, 0)
    for topic in topics:
        may = portions.may(topic, share)
        portions.saw(topic, large=may)
        large[topic] += may
    return large


def test_a_topic_takes_its_part_and_no_more() -> None:
    """Half of a share of 20 %, give or take the first few."""
    found = served(["code", "law"] * WINDOW, 0.2, 0.5)
    assert found["code"] == pytest.approx(0.1 * 2 * WINDOW, abs=6)
    assert found["law"] == pytest.approx(0.1 * 2 * WINDOW, abs=6)


def test_a_topic_that_is_all_of_the_traffic_is_not_held_back() -> None:
    """What comes beyond is the threshold's to decide."""
    assert served(["code"] * 2 * WINDOW, 0.2, 0.5)["code"] >= 0.2 * 2 * WINDOW


def test_what_has_no_topic_is_never_held_back() -> None:
    """Most prompts are like that."""
    assert served([""] * WINDOW, 0.2, 0.1)[""] == WINDOW


def test_it_is_turned_off_by_one() -> None:
    """A topic may then have all that goes to large."""
    assert served(["code", ""] * WINDOW, 0.2, 1.0)["code"] >= 0.2 * 2 * WINDOW
