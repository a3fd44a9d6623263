"""How good answers are, from the labels: win rate and quality share with intervals, by tier, reason, week or model.

Each judged label counts as ``1 / propensity``, so that a share that changed over time misleads nobody. Labels of one
tenant on one day lean on each other and count as a cluster; intervals are cluster-robust (the linearised variance of a
ratio, with the t distribution's tail by Cornish and Fisher), and none is given where there is too little to say.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from sqlalchemy import Double, Select, Text, case, cast, func, select

from router.accounts.period import ALWAYS, Period
from router.accounts.store import Store
from router.accounts.tables import labels

HEADINGS = ("tier", "reason", "week", "model", "all")
"""What quality can be ordered by; ``reason`` is the route that a request took."""
FEWEST_LABELS, FEWEST_CLUSTERS = 30, 5
"""For an interval."""
_DEADLINE_S = 60.0
_TIE = 0.5
_TAIL = NormalDist().inv_cdf(0.975)


class Share(NamedTuple):
    """A share and its 95 % interval; None where there are too few labels."""

    value: float
    low: float | None
    high: float | None


class Quality(NamedTuple):
    """Of the answers under one heading, against one reference."""

    heading: str
    reference: str
    """Empty for what callers said themselves."""
    source: str
    labels: int
    clusters: int
    """Tenants' days among them."""
    win_rate: Share
    """The mean score: a win counts 1, a tie a half."""
    quality_share: Share
    """Answers that were at least as good as the reference's."""
    cost_micros: int
    """What finding out cost."""


class Cluster(NamedTuple):
    """Weighted sums of one tenant's day."""

    weight: float
    score: float
    as_good: float


async def quality(store: Store, by: str, tenant: str | None, period: Period = ALWAYS) -> list[Quality]:
    """Quality under each heading, in their order; of all tenants where ``tenant`` is None.

    Raises:
        StoreUnavailableError: the database is away.

    """
    groups: defaultdict[tuple[str, str, str], list[Any]] = defaultdict(list)
    async with store.begin(_DEADLINE_S) as connection:
        for row in await connection.execute(_query(by, tenant, period)):
            groups[row.heading, row.reference, row.source].append(row)
    return [_of(*key, rows) for key, rows in sorted(groups.items())]


def _of(heading: str, reference: str, source: str, rows: Sequence[Any]) -> Quality:
    count = sum(row.labels for row in rows)
    clusters = [Cluster(row.weight, row.score, row.as_good) for row in rows]
    return Quality(
        heading,
        reference,
        source,
        count,
        len(rows),
        share([(one.weight, one.score) for one in clusters], count),
        share([(one.weight, one.as_good) for one in clusters], count),
        int(sum(row.cost for row in rows)),
    )


def share(clusters: Sequence[tuple[float, float]], count: int) -> Share:
    """The weighted mean of ``count`` labels, from each cluster's weight and weighted sum, with its interval."""
    weight, total = (math.fsum(column) for column in zip(*clusters, strict=True))
    value, size = total / weight, len(clusters)
    if count < FEWEST_LABELS or size < FEWEST_CLUSTERS:
        return Share(value, None, None)
    spread = math.fsum((its - value * weighs) ** 2 for weighs, its in clusters) * size / (size - 1)
    floor = value * (1 - value) / count  # where all clusters agree, chance is still left
    error = math.sqrt(max(spread / weight**2, floor, 1 / count**2))
    reach = _student(size - 1) * error
    return Share(value, max(0.0, value - reach), min(1.0, value + reach))


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5; within 0.5 % from four degrees on)."""
    z = _TAIL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _query(by: str, tenant: str | None, period: Period) -> Select[Any]:
    moment = labels.c.at.op("AT TIME ZONE")("UTC")
    headings = {"week": func.to_char(moment, 'IYYY-"W"IW'), "all": cast("all", Text)}
    heading = headings[by] if by in headings else labels.c[by]
    weighs = 1 / labels.c.propensity
    group = (heading, labels.c.reference, labels.c.source, labels.c.tenant, func.date_trunc("day", moment))
    query = select(
        heading.label("heading"),
        labels.c.reference,
        labels.c.source,
        func.count().label("labels"),
        func.sum(weighs).label("weight"),
        func.sum(weighs * labels.c.score).label("score"),
        cast(func.sum(case((labels.c.score >= _TIE, weighs), else_=0.0)), Double).label("as_good"),
        func.sum(labels.c.cost_micros).label("cost"),
    )
    if tenant is not None:
        query = query.where(labels.c.tenant == tenant)
    return period.of(query, labels.c.at).group_by(*group)
