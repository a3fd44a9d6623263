"""Labels in, a router out that knows what is hard; the same labels and seed give the same router."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.errors import UsageError
from router.learn.labels import scores_of
from router.learn.metrics import routing_metrics
from router.learn.train import FEWEST, score, train
from tests.router.learn.prompts import answers, labels

FRESH = labels(400, seed=9)


def test_what_was_learned_holds_for_fresh_prompts(tmp_path: Path) -> None:
    """Far better than chance, which has an APGR of 0.5."""
    trained = train(labels(600), {}, 0, tmp_path)
    found = routing_metrics(score(trained, FRESH, {}), *scores_of(FRESH))
    assert found["apgr"] > 0.65
    assert trained.card["bytes"] < 1_000_000
    assert trained.card["labels"] == 600


def test_scores_are_expected_gains(tmp_path: Path) -> None:
    """On the scale of quality: what the strong model adds."""
    scores = score(train(labels(600), {}, 0, tmp_path), FRESH, {})
    hard = np.array([label.topic == "sums" for label in FRESH])
    assert scores[hard].mean() == pytest.approx(0.75, abs=0.15)
    assert scores[~hard].mean() == pytest.approx(0.05, abs=0.15)


def test_labels_of_one_topic_lend_each_other_strength(tmp_path: Path) -> None:
    """Where topics are known, prompts of one kind are scored more alike, beside what parts the kinds."""
    known, hard = labels(300), np.array([label.topic == "sums" for label in FRESH])
    noise = []
    for at, given in enumerate((known, [replace(label, topic="") for label in known])):
        scores = score(train(given, {}, 0, tmp_path / str(at)), FRESH, {})
        noise.append((scores[hard].std() + scores[~hard].std()) / (scores[hard].mean() - scores[~hard].mean()))
    assert noise[0] < 0.7 * noise[1]


def test_the_answer_tells_more(tmp_path: Path) -> None:
    """An answer full of doubt is worth escalating."""
    known = labels(600)
    trained = train(known, answers(known), 0, tmp_path)
    weak, strong = scores_of(FRESH)
    read = routing_metrics(score(trained, FRESH, answers(FRESH)), weak, strong)["auc"]
    blind = routing_metrics(score(trained, FRESH, {}), weak, strong)["auc"]
    assert read > blind


def test_pairs_of_models_are_learned_apart(tmp_path: Path) -> None:
    """Each label is scored by its own pair's head."""
    trained = train([*labels(300, pair="a -> b"), *labels(FEWEST, pair="c -> d")], {}, 0, tmp_path)
    assert [*trained.heads] == ["a -> b", "c -> d"]
    assert trained.head("nobody -> knows", answered=False) is trained.heads["a -> b"]


def test_the_same_seed_gives_the_same_router(tmp_path: Path) -> None:
    """Byte for byte, so also the same version."""
    one, same, other = (train(labels(300), {}, seed, tmp_path / str(at)) for at, seed in enumerate((1, 1, 2)))
    assert one.version == same.version != other.version


def test_too_few_labels_are_refused(tmp_path: Path) -> None:
    """Length decides as well, and the message says how many are needed."""
    with pytest.raises(UsageError, match=f"199 graded labels of one pair; at least {FEWEST}"):
        train(labels(199), {}, 0, tmp_path)
