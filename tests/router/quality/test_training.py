"""What labels of the database mean to a trainer."""

from __future__ import annotations

from router.accounts.labels import Case
from router.quality.training import rows_of

JUDGED = Case("req_1", "How?", "judged", "s", "l", 0.0)


def _scores(*cases: Case) -> dict[str, tuple[float, float]]:
    return {row["id"]: (row["weak_score"], row["strong_score"]) for row in rows_of(cases, "l")}


def test_as_good_leaves_nothing_to_gain() -> None:
    """Each reference is a pair of its own; rows of one request stay together when some are held out."""
    cases = (JUDGED, JUDGED._replace(reference="c", score=0.5))
    assert _scores(*cases) == {"req_1/l": (0.0, 1.0), "req_1/c": (1.0, 1.0)}
    assert {row["group"] for row in rows_of(cases, "l")} == {"req_1"}


def test_the_callers_word_counts_more() -> None:
    """A caller who was content has nothing to gain, whatever the judge says; one who was not, everything."""
    good, bad = (JUDGED._replace(source="feedback", reference="", score=score) for score in (1.0, 0.0))
    assert _scores(JUDGED, good) == {"req_1/l": (1.0, 1.0)}
    assert _scores(JUDGED._replace(score=1.0), bad) == {"req_1/l": (0.0, 1.0)}
    assert _scores(bad._replace(request_id="req_2")) == {"req_2/l": (0.0, 1.0)}
