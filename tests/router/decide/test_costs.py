"""What an answer is expected to cost."""

from __future__ import annotations

import pytest

from cluster.spec import Fleet, Lengths
from router.decide.costs import Costs, mean_of
from router.decide.facts import Ask
from router.wire.endpoints import Kind

COSTS = Costs(
    Fleet.model_validate(
        {
            "name": "f",
            "models": {
                "a": {"engine": "url", "url": "http://x", "own_cost": {"prompt": 1, "completion": 10}},
                "b": {"engine": "url", "url": "http://x", "price": {"prompt": 2, "completion": 20}},
                "c": {"engine": "url", "url": "http://x"},
            },
            "spillover": {"open_usd_per_day": 1},
            "traffic": {"prompt_tokens": {"p50": 400, "p95": 400}, "output_tokens": {"p50": 100, "p95": 100}},
        }
    )
)


def test_the_mean_of_a_log_normal() -> None:
    """As the textbook has it: with a deviation of 1, e to the half above the median."""
    assert mean_of(Lengths(p50=100, p95=100)) == 100
    assert mean_of(Lengths(p50=100, p95=518.03)) == pytest.approx(164.87, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "ask", "usd"),
    [
        ("a", Ask(Kind.CHAT, "auto", 1000, 1000), 0.002),
        ("a", Ask(Kind.CHAT, "auto", 1000, 1000, answer_tokens=50), 0.0015),
        ("a", Ask(Kind.CHAT, "auto", 1000, 1000, answer_tokens=5000), 0.002),
        ("a", Ask(Kind.EMBEDDING, "auto", 1000, 1000), 0.001),
        ("b", Ask(Kind.CHAT, "auto", 1000, 1000), 0.004),
        ("c", Ask(Kind.CHAT, "auto", 1000, 1000), None),
    ],
    ids=["own", "short-answer", "usual-answer", "embedding", "price", "unknown"],
)
def test_an_answer(model: str, ask: Ask, usd: float | None) -> None:
    """The prompt as it is, the answer as long as usual, or as its limit lets it."""
    assert COSTS.of(model, ask) == (None if usd is None else pytest.approx(usd))


def test_a_usual_answer_of_a_tier() -> None:
    """By the first model that has a cost."""
    assert COSTS.usual(("c", "a", "b")) == pytest.approx(0.0014)
    assert COSTS.usual(("c",)) is None
