"""Labels of the database → labels to train on. Pure.

An answer that is as good as the reference's leaves nothing to gain, a worse one everything: so the mean of the weak
scores is the quality share, and the dial ``routing.quality`` is a part of it. Where the caller said how the answer was,
that counts instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from router.accounts.labels import FEEDBACK, Case

_TIE = 0.5


def rows_of(cases: Iterable[Case], large: str) -> Iterator[Mapping[str, Any]]:
    """A row for each answer and reference, as :mod:`router.learn.labels` reads them.

    ``large`` is what an answer is measured against where only its caller has said anything.
    """
    kept = list(cases)
    said = {case.request_id: case.score for case in kept if case.source == FEEDBACK}
    judged = {case.request_id for case in kept if case.source != FEEDBACK}
    for case in kept:
        if case.source == FEEDBACK and case.request_id in judged:
            continue
        reference = case.reference or large
        yield {
            "id": f"{case.request_id}/{reference}",
            "prompt": case.prompt,
            "group": case.request_id,
            "weak_model": case.model,
            "strong_model": reference,
            "weak_score": float(said.get(case.request_id, case.score) >= _TIE),
            "strong_score": 1.0,
        }
