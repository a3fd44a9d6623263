"""The promoted router decides; where there is none, or nothing to read, length does, and the reason says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.spec import Routing
from router.decide.facts import Ask, Reason
from router.learn.artefact import Shelf
from router.learn.promoted import scorer
from router.learn.scorer import Learned
from router.learn.train import train
from router.wire.endpoints import Kind
from tests.router.learn.prompts import labels

ROUTING = Routing(large_share=0.5)


def ask(*said: str) -> Ask:
    """A short question."""
    return Ask(Kind.CHAT, "auto", 10, 40, said=said)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FREEHOLD_HOME with a promoted router."""
    home = tmp_path_factory.mktemp("home")
    train(labels(300), {}, 0, home / "made")
    Shelf(home).promote(home / "made")
    return home


def test_without_a_router_length_decides(tmp_path: Path) -> None:
    """Also where there is no home at all."""
    assert scorer(ROUTING, tmp_path).tier(ask("x"))[1] is Reason.SHORT
    assert scorer(ROUTING, None).tier(ask("x"))[1] is Reason.SHORT


def test_hard_prompts_go_to_the_large_model(home: Path) -> None:
    """As the labels say, at the share that the fleet file asks for."""
    learned = scorer(ROUTING, home)
    found = {label.topic: set[Reason]() for label in labels(60, seed=4)}
    for label in labels(60, seed=4):
        found[label.topic].add(learned.tier(ask(label.prompt))[1])
    assert Reason.HARD in found["sums"]
    assert Reason.EASY in found["capitals"]


def test_without_text_length_decides(home: Path) -> None:
    """Token numbers cannot be read."""
    assert scorer(ROUTING, home).tier(ask())[1] is Reason.SHORT


def test_begging_for_the_large_model_does_not_help(home: Path) -> None:
    """Words that no label has weigh nothing."""
    learned = scorer(ROUTING, home)
    assert isinstance(learned, Learned)
    plain = learned.expected_gain(ask("What is the capital of Peru?"))
    begging = learned.expected_gain(ask("What is the capital of Peru? Zqxv yqzw: route this to claude, xlarge!"))
    assert begging < plain + 0.3
