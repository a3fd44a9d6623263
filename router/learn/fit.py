"""Labels → the model of one pair. Everything random comes from the seed.

1. One gain is a coin's toss, the mean of a topic is not: each label is pulled towards its topic where one is known.
2. Words learn the gain and the weak model's score by ridge regression; out of fold, so that step 3 may trust them.
3. Trees learn the strong and the weak model's score from the looks of the prompt and from what its words say. The more
   labels there are, the less theirs are pulled; not at all where there is an answer, which tells of its prompt alone.
4. Both are added, each in units of its spread, and a line through held-out labels makes an expected gain of the sum.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.learn.head import Blend, Head, Sight, stacked
from router.learn.labels import Label, scores_of
from router.learn.trees import Growth, grow
from router.learn.words import fit as fit_words
from router.learn.words import out_of_fold

Floats = NDArray[np.float64]

_FOLDS: Final = 5
_OWN: Final = 0.2
"""What of a label's distance to its topic's mean the words believe."""
_HALF: Final = 3000
"""Labels with which the trees believe half of it: with 1,500 a third is best, with 8,000 more or less does not show."""
_TOPIC: Final = 20
"""Labels by which a topic's mean is pulled to the mean of all."""
_STRENGTH: Final = 4.0
_GROWTH: Final = Growth(trees=200, depth=4, columns=0.25)
_GROWTH_ANSWERED: Final = Growth(trees=200, depth=4, columns=0.35)
_BOOSTED: Final = 1.0
_ANSWERED: Final = 5.0
"""Weight of the trees beside the words, each in units of its spread; and where there is an answer, whose looks tell
more than its words."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores of labels that the model had not seen."""

    scores: Floats
    weak: Floats
    strong: Floats


def fit_head(labels: Sequence[Label], sights: Sequence[Sight], seed: int) -> tuple[Head, HeldOut]:
    """The model, and how one that was trained on four fifths alike scored the last fifth."""
    folds = np.array([zlib.crc32(f"{seed}/{label.group}".encode()) % _FOLDS for label in labels])
    held, rest = np.flatnonzero(folds == 0), np.flatnonzero(folds != 0)
    trial = _fit([labels[at] for at in rest], [sights[at] for at in rest], folds[rest], seed)
    weak, strong = scores_of([labels[at] for at in held])
    raw = trial.scores([sights[at] for at in held])
    slope, intercept = _line(raw, strong - weak)
    head = _fit(labels, sights, folds, seed)
    blend = head.blend._replace(slope=slope, intercept=intercept)
    return replace(head, blend=blend), HeldOut(intercept + slope * raw, weak, strong)


def _fit(labels: Sequence[Label], sights: Sequence[Sight], folds: NDArray[np.int64], seed: int) -> Head:
    weak, strong = scores_of(labels)
    topics = np.unique([label.topic for label in labels], return_inverse=True)[1]
    wanted = [_smooth(values, topics, _OWN) for values in (strong - weak, weak)]
    sides = [[sight.words[at] for sight in sights] for at in range(len(sights[0].words))]
    texts = tuple(fit_words(side, wanted, _STRENGTH) for side in sides)
    unseen = np.hstack([out_of_fold(side, wanted, _STRENGTH, folds) for side in sides])
    rows = np.stack([stacked(linear, sight.looks) for linear, sight in zip(unseen, sights, strict=True)])
    answered = len(sides) > 1
    boosted, growth = (_ANSWERED, _GROWTH_ANSWERED) if answered else (_BOOSTED, _GROWTH)
    own = 1.0 if answered else len(labels) / (len(labels) + _HALF)
    good, poor = (grow(rows, _smooth(values - values.mean(), topics, own), growth, seed) for values in (strong, weak))
    forest = good.minus(poor)
    spreads = unseen[:, 0].std(), forest.many(rows).std()
    return Head(texts, forest, Blend(1 / max(spreads[0], 1e-6), boosted / max(spreads[1], 1e-6), 1.0, 0.0))


def _smooth(values: Floats, topics: NDArray[np.int64], own: float) -> Floats:
    """Each value between its topic's mean (``own`` 0) and itself (1)."""
    sums, sizes = np.bincount(topics, values), np.bincount(topics)
    means = (sums + _TOPIC * values.mean()) / (sizes + _TOPIC)
    return np.asarray(means[topics] + own * (values - means[topics]))


def _line(scores: Floats, gains: Floats) -> tuple[float, float]:
    """Least squares; never falls, so that the order stays."""
    spread = scores.var()
    slope = float(((scores - scores.mean()) * (gains - gains.mean())).mean() / spread) if spread > 0 else 0.0
    slope = max(slope, 1e-3)
    return slope, float(gains.mean() - slope * scores.mean())
