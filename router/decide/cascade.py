"""How sure a model was of the first words of its answer: tokens → signals → doubt. Pure.

The doubt is only ever compared with other answers' doubts (:mod:`router.learn.quantile` ranks them), so its scale does
not matter. Untrained, it is the mean surprise. Neighbour: :mod:`router.trial` asks while a stream is held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

from router.wire.logprobs import Token


class Signals(NamedTuple):
    """What the log probabilities of an answer's first tokens tell; all in nats."""

    tokens: int
    mean_logprob: float
    min_logprob: float
    """Of the least likely token."""
    entropy: float
    """Mean over the tokens, of the likeliest ones listed and of all others as one; 0 where none are listed."""
    margin: float
    """Mean lead of the likeliest token before the second; 0 where fewer than two are listed."""


Doubt = Callable[[Signals], float]
"""How little to trust an answer; more is less."""


def signals_of(tokens: Sequence[Token]) -> Signals | None:
    """Sum the tokens up; None where there are none."""
    if not tokens:
        return None
    logprobs = [token.logprob for token in tokens]
    entropies = [_entropy(token.top) for token in tokens if token.top]
    margins = [token.top[0] - token.top[1] for token in tokens if len(token.top) > 1]
    return Signals(len(tokens), _mean(logprobs), min(logprobs), _mean(entropies), _mean(margins))


def surprise(signals: Signals) -> float:
    """The doubt while nothing has been learnt: the mean surprise of a token, the logarithm of the perplexity."""
    return -signals.mean_logprob


def weighed(weights: Mapping[str, float]) -> Doubt:
    """The doubt as log-odds of a logistic regression that was fitted to labels: a weight for each signal, by its name.

    A bias would change no ranking.

    Raises:
        ValueError: there is no such signal.

    """
    if strangers := weights.keys() - set(Signals._fields):
        msg = f"no such signals: {', '.join(sorted(strangers))}"
        raise ValueError(msg)
    return lambda signals: sum(weight * getattr(signals, name) for name, weight in weights.items())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _entropy(top: Sequence[float]) -> float:
    """Shannon's, of what is listed and of the rest as one more outcome: a lower bound of the true one."""
    probabilities = [exp(one) for one in top]
    rest = 1 - sum(probabilities)
    listed = -sum(probability * one for probability, one in zip(probabilities, top, strict=True))
    return listed - rest * log(rest) if rest > _NOTHING else listed


_NOTHING = 1e-9
