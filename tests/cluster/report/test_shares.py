"""What counts as local, and sovereignty by its formula."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.report.shares import by_day, shares_of
from tests.cluster.report.months import month, used

CLAUDE = {"model": "claude", "tier": "spillover", "reason": "spill-down"}


def _docs_example(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a month
    """1,000 answers and a million tokens; 40 and 100,000 of them outside; 50 more were sampled."""
    local = used(requests=960, prompt_tokens=700_000, completion_tokens=200_000)
    outside = used(requests=40, prompt_tokens=80_000, completion_tokens=20_000, **CLAUDE)
    return {"usage": [local, outside], "left_requests": 90} | changes


def test_the_worked_example() -> None:
    """That of docs/report.md."""
    shares = shares_of(month(**_docs_example()))
    assert (shares.by_requests, shares.by_tokens, shares.kept) == (0.96, 0.9, 0.91)
    assert shares.sovereignty == pytest.approx(90.5, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "sovereignty"),
    [
        ({"usage": [used()], "left_requests": 0}, 100),
        ({"usage": [used(**CLAUDE)], "left_requests": 100}, 0),
        ({"usage": [used()], "left_requests": 100}, 0),
        ({"usage": [used()], "left_requests": 170}, 0),
        ({"usage": [used(), used(**CLAUDE, requests=300)], "left_requests": 300}, 100 * (0.25 * 0.5) ** 0.5),
    ],
    ids=["nothing left", "all left", "all sampled", "last month's sampled too", "a half"],
)
def test_its_range(changes: dict[str, Any], sovereignty: float) -> None:
    """From 0, where all left, to 100, where nothing did."""
    assert shares_of(month(**changes)).sovereignty == pytest.approx(sovereignty)


def test_a_cached_answer_is_local_whoever_gave_it_first() -> None:
    """Nothing left for it."""
    shares = shares_of(month(usage=[used(model="claude", reason="cached"), used(requests=300, **CLAUDE)]))
    assert (shares.local_answers, shares.answers) == (100, 400)


def test_attempts_are_not_requests() -> None:
    """One that was retried or escalated is the same request as the one that followed; a failed one is no answer."""
    rows = [used(), *(used(outcome=outcome, requests=7) for outcome in ("retried", "escalated", "failed", "gone"))]
    shares = shares_of(month(usage=rows))
    assert (shares.requests, shares.answers) == (114, 100)


def test_without_answers_nothing_is_claimed() -> None:
    """No share and no sovereignty, rather than 0 or 100."""
    shares = shares_of(month(usage=[used(outcome="failed")]))
    assert (shares.by_requests, shares.by_tokens, shares.sovereignty) == (None, None, None)


def test_days() -> None:
    """Each has its own; one without answers has none."""
    days = by_day(month(usage=[used(), used(day="2026-11-03", **CLAUDE)]))
    assert [days[f"2026-11-0{day}"].by_requests for day in (1, 2, 3)] == [None, 1, 0]
    assert len(days) == 30
