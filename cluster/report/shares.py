"""What stayed on the site: by requests, by tokens, and ``sovereignty``, which docs/report.md defines.

An answer is local where a model of the site gave it, or a shortcut, or the cache; only complete answers count. A
request left where any body of it went outside, be it to be answered or to be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cluster.report.facts import CACHED, COMPLETE, NOT_LAST, Month, Used


@dataclass(frozen=True, slots=True)
class Shares:
    """Counts of a month, and the shares that they make; a share of nothing is None."""

    requests: int
    """That a target was asked for, whatever became of them."""
    answers: int
    local_answers: int
    tokens: int
    """Of prompts and answers, of the complete ones."""
    local_tokens: int
    left: int
    """Requests of which any body left the site."""

    @property
    def by_requests(self) -> float | None:
        """Share of the answers that the site gave."""
        return self.local_answers / self.answers if self.answers else None

    @property
    def by_tokens(self) -> float | None:
        """Share of the tokens that the site computed."""
        return self.local_tokens / self.tokens if self.tokens else None

    @property
    def kept(self) -> float | None:
        """Share of the requests of which nothing left."""
        return max(0.0, 1 - self.left / self.requests) if self.requests else None

    @property
    def sovereignty(self) -> float | None:
        """From 0 to 100: a hundred times the geometric mean of ``kept`` and ``by_tokens``."""
        if self.kept is None or self.by_tokens is None:
            return None
        return 100 * math.sqrt(self.kept * self.by_tokens)


def shares_of(month: Month) -> Shares:
    """Of the whole month."""
    return _shares(month.usage, month, month.left_requests)


def by_day(month: Month) -> Mapping[str, Shares]:
    """Day → its shares, of answers and tokens; what left is known of the month alone."""
    days: dict[str, list[Used]] = {day.isoformat(): [] for day in month.days}
    for used in month.usage:
        days.setdefault(used.day.isoformat(), []).append(used)
    return {day: _shares(rows, month, 0) for day, rows in days.items()}


def _shares(rows: Iterable[Used], month: Month, left: int) -> Shares:
    used = tuple(rows)
    complete = [row for row in used if row.outcome == COMPLETE]
    local = [row for row in complete if is_local(row.model, row.reason, month)]
    return Shares(
        requests=sum(row.requests for row in used if row.outcome not in NOT_LAST),
        answers=sum(row.requests for row in complete),
        local_answers=sum(row.requests for row in local),
        tokens=sum(row.tokens for row in complete),
        local_tokens=sum(row.tokens for row in local),
        left=left,
    )


def is_local(model: str, reason: str, month: Month) -> bool:
    """Whether the site gave an answer, or its cache."""
    return model not in month.outside or reason == CACHED
