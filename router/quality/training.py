"""Labels of the database → labels to train on. Pure.

A comparison says how often the reference's answer is better: the score of the one is what the other lacks. Where the
caller said how the answer was, that counts instead: a good answer leaves nothing to gain, a bad one everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from router.accounts.labels import FEEDBACK, Case


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
        own = said.get(case.request_id)
        weak, strong = (case.score, 1 - case.score) if own is None else (own, 1.0)
        reference = case.reference or large
        yield {
            "id": f"{case.request_id}/{reference}",
            "prompt": case.prompt,
            "group": case.request_id,
            "weak_model": case.model,
            "strong_model": reference,
            "weak_score": weak,
            "strong_score": strong,
        }
