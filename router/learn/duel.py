"""Two routers on the same labels, which neither has seen: by how much the new one is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.learn.artefact import Trained
from router.learn.labels import Label, scores_of
from router.learn.metrics import error_of_difference, routing_metrics
from router.learn.train import Floats, score


class Duel(NamedTuple):
    """How it went, in APGR."""

    labels: int
    new: float
    old: float
    error: float
    """Standard error of the difference, by a paired bootstrap."""

    @property
    def margin(self) -> float:
        """Standard errors by which the new one is better; 0 where that cannot be told."""
        return (self.new - self.old) / self.error if self.error > 0 else 0.0


def duel(new: Trained, old: Trained | None, labels: Sequence[Label]) -> Duel:
    """Compare them on ``labels`` of one pair; None stands for the prompt's length."""
    weak, strong = scores_of(labels)
    scores = _scores(new, labels), _scores(old, labels)
    reached = (routing_metrics(one, weak, strong)["apgr"] for one in scores)
    return Duel(len(labels), next(reached), next(reached), error_of_difference(*scores, weak, strong))


def _scores(trained: Trained | None, labels: Sequence[Label]) -> Floats:
    if trained is None:
        return np.array([float(len(label.prompt)) for label in labels])
    return score(trained, labels, {})
