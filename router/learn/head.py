"""The model of one pair: words and looks of a prompt, and of the weak model's answer where there is one → the gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.learn.answers import SALT, answer_features
from router.learn.features import Row, features
from router.learn.labels import Answer
from router.learn.text import scan
from router.learn.trees import Forest
from router.learn.words import Buckets, Words, buckets

Floats = NDArray[np.float64]


_OF_WORDS: Final = ("rarity", "weights", "units")


class Sight(NamedTuple):
    """What a head sees of one prompt."""

    words: tuple[Buckets, ...]
    """The prompt's, and the answer's where there is one."""
    looks: Row


def see(prompt: str, answer: Answer | None = None) -> Sight:
    """Look at a prompt; never fails, whatever the string."""
    found = scan(prompt)
    if answer is None:
        return Sight((buckets(found),), features(found))
    looks, said = answer_features(prompt, found, answer.text, answer.parsed)
    return Sight((buckets(found), buckets(said, SALT)), np.concatenate((features(found), looks)))


class Blend(NamedTuple):
    """Weights of the parts, and the line from their sum to an expected gain."""

    linear: float
    """For the gain that the prompt's words predict."""
    boosted: float
    """For the gain that the trees predict."""
    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Head:
    """The model of one pair."""

    texts: tuple[Words, ...]
    """Of the prompt, and of the answer."""
    forest: Forest
    """On what the words predict and on the looks."""
    blend: Blend

    def score(self, sight: Sight) -> float:
        """The expected gain of asking the strong model."""
        linear = [words.one(filled) for words, filled in zip(self.texts, sight.words, strict=True)]
        return self.mix(linear[0][0], self.forest.one(stacked(np.concatenate(linear), sight.looks)))

    def scores(self, sights: Sequence[Sight]) -> Floats:
        """Of many."""
        return np.array([self.score(sight) for sight in sights])

    def mix(self, linear: float, boosted: float) -> float:
        """The parts' sum as a gain."""
        return self.blend.intercept + self.blend.slope * (self.blend.linear * linear + self.blend.boosted * boosted)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """What makes it, by name."""
        texts = {f"{name}{at}": getattr(words, name) for at, words in enumerate(self.texts) for name in _OF_WORDS}
        forest = self.forest
        trees = {"features": forest.features, "thresholds": forest.thresholds, "leaves": forest.leaves}
        return {**texts, **trees, "blend": np.array(self.blend)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Head:
        """Made again from its arrays.

        Raises:
            KeyError: one is missing.

        """
        count = sum(name.startswith("rarity") for name in arrays)
        texts = tuple(
            Words(
                arrays[f"rarity{at}"].astype(np.int8),
                arrays[f"weights{at}"].astype(np.int8),
                arrays[f"units{at}"].astype(np.float64),
            )
            for at in range(count)
        )
        forest = Forest(
            arrays["features"].astype(np.int16),
            arrays["thresholds"].astype(np.float32),
            arrays["leaves"].astype(np.float32),
        )
        return cls(texts, forest, Blend(*arrays["blend"].astype(float)))


def stacked(linear: Floats, looks: Row) -> Row:
    """What the trees see."""
    return np.concatenate((looks, linear)).astype(np.float32)
