"""Tokens → signals → doubt."""

from __future__ import annotations

from math import log

import pytest

from router.decide.cascade import Signals, signals_of, surprise, weighed
from router.wire.logprobs import Token

HALF = log(0.5)


def test_signals_sum_the_tokens_up() -> None:
    """By hand: two tokens, one of two even chances, one that is certain."""
    tokens = [Token(HALF, (HALF, HALF)), Token(0.0, (0.0, -20.0))]
    signals = signals_of(tokens)
    assert signals is not None
    assert signals == pytest.approx(Signals(2, HALF / 2, HALF, -HALF / 2, 10.0), abs=1e-6)


def test_what_is_not_listed_counts_as_one_more_outcome() -> None:
    """Half of the probability is listed; the entropy is that of a coin."""
    signals = signals_of([Token(HALF, (HALF,))])
    assert signals is not None
    assert signals.entropy == pytest.approx(-HALF)
    assert signals.margin == 0


def test_without_company_there_is_no_entropy() -> None:
    """Where the engine was asked for none."""
    signals = signals_of([Token(-1.0), Token(-3.0)])
    assert signals == Signals(2, -2.0, -3.0, 0.0, 0.0)


def test_nothing_tells_nothing() -> None:
    """No token, no signal."""
    assert signals_of([]) is None


def test_less_likely_words_mean_more_doubt() -> None:
    """Untrained, the perplexity ranks."""
    sure, unsure = Signals(2, -0.1, -0.2, 0, 0), Signals(2, -1.5, -2.0, 0, 0)
    assert surprise(sure) < surprise(unsure)


def test_learnt_weights_take_its_place() -> None:
    """The log-odds of a regression."""
    doubt = weighed({"mean_logprob": -2.0, "entropy": 0.5})
    assert doubt(Signals(4, -0.5, -1.0, 0.25, 3.0)) == pytest.approx(1 + 0.125)
