"""Label files → a trained router with its card; a trained router and label files → scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.errors import UsageError
from router.learn.artefact import Trained, save, with_answer
from router.learn.fit import HeldOut, fit_head
from router.learn.head import Head, see
from router.learn.labels import Answer, Label, digest
from router.learn.metrics import quality_curve, with_intervals

Floats = NDArray[np.float64]

FEWEST: Final = 200
"""Labels of a pair; with fewer, length decides as well."""

_CLAIMS: Final = (
    "Predicts the gain of the strong model over the weak one on prompts like those it was trained on. Nothing is "
    "claimed for other traffic, other models or languages that the labels lack: on sources that routers have not seen, "
    "they do no better than the prompt's length."
)


def train(labels: Sequence[Label], answers: Mapping[str, Answer], seed: int, folder: Path) -> Trained:
    """Train a head for each pair that has enough labels, and a second one where answers are known.

    Raises:
        UsageError: no pair has enough labels, or one in which the models differ.

    """
    pairs = Counter(label.pair for label in labels)
    enough = [pair for pair, count in pairs.most_common() if count >= FEWEST]
    if not enough:
        msg = f"{max(pairs.values(), default=0)} graded labels of one pair; at least {FEWEST} are needed"
        raise UsageError(msg)
    heads: dict[str, Head] = {}
    counts: dict[str, int] = {}
    figures: dict[str, Any] = {}
    curves: dict[str, list[float]] = {}
    for pair in enough:
        own = [label for label in labels if label.pair == pair]
        answered = [label for label in own if label.id in answers]
        for name, group, known in ((pair, own, {}), (with_answer(pair), answered, answers)):
            if len(group) >= FEWEST:
                sights = [see(label.prompt, known.get(label.id)) for label in group]
                heads[name], held = fit_head(group, sights, seed)
                counts[name], figures[name], curves[name] = len(group), _figures(held), _curve(held)
    card = {
        "labels": len(labels),
        "labels_by_head": counts,
        "labels_sha256": digest(labels),
        "seed": seed,
        "held_out": figures,
        "curves": curves,
        "reference_scores": _reference(heads, labels),
        "claims": _CLAIMS,
    }
    return save(heads, card, folder)


def score(trained: Trained, labels: Sequence[Label], answers: Mapping[str, Answer]) -> Floats:
    """The expected gain on each prompt; an answer is read where it is there and the router has learned to."""
    found = np.zeros(len(labels))
    for at, label in enumerate(labels):
        answer = answers.get(label.id) if trained.reads_answers else None
        found[at] = trained.head(label.pair, answered=answer is not None).score(see(label.prompt, answer))
    return found


def _figures(held: HeldOut) -> dict[str, Any]:
    """Of the fifth that a trial had not seen; the model itself has seen all."""
    intervals = with_intervals(held.scores, held.weak, held.strong)
    shown = {name: [_number(found.value), _number(found.low), _number(found.high)] for name, found in intervals.items()}
    return {"labels": len(held.weak), "standard_error_apgr": _number(intervals["apgr"].error), **shown}


def _curve(held: HeldOut) -> list[float]:
    """Mean quality with so many hundredths of the prompts sent to the strong model, every five of them."""
    quality = quality_curve(held.scores, held.weak, held.strong)
    return [
        round(float(found), 4)
        for found in np.interp(np.linspace(0, len(quality) - 1, 21), range(len(quality)), quality)
    ]


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _reference(heads: Mapping[str, Head], labels: Sequence[Label], most: int = 200) -> list[float]:
    """Scores of some labels, so that the threshold has something to start from."""
    pair = max((label.pair for label in labels if label.pair in heads), key=Counter(x.pair for x in labels).__getitem__)
    own = [label for label in labels if label.pair == pair]
    picked = np.random.default_rng(0).permutation(len(own))[:most]
    return [round(heads[pair].score(see(own[at].prompt)), 5) for at in picked]
