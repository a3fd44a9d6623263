"""Win rate and quality share: weighted by how likely a label was, with intervals that hold what they promise."""

from __future__ import annotations

import random

import pytest

from router.accounts.labels import Label, Labels
from router.accounts.period import Period
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.accounts.verdicts import Share, _student, quality, share
from tests.router.accounts.reception import PEPPER, Reception

pytestmark = pytest.mark.anyio


def test_a_share_by_weight() -> None:
    """A label that was ten times less likely counts ten times; without enough labels there is no interval."""
    assert share([(10.0, 10.0), (1.0, 0.0)], 2) == Share(10 / 11, None, None)


@pytest.mark.parametrize(("freedom", "known"), [(4, 2.776), (9, 2.262), (30, 2.042), (1000, 1.962)], ids=str)
def test_students_t(freedom: int, known: float) -> None:
    """The quantile is the one in the tables, within half a per cent."""
    assert _student(freedom) == pytest.approx(known, rel=0.005)


def test_intervals_hold_the_truth() -> None:
    """Of tenants that differ, sampled at two rates, 95 in 100 intervals hold the true share; fewer would be a lie."""
    rng, held = random.Random(7), 0  # noqa: S311 - no secret
    for _ in range(400):
        clusters, count = [], 0
        for _ in range(12):
            rate, propensity = min(1.0, max(0.0, rng.gauss(0.6, 0.15))), rng.choice((0.1, 0.5))
            good = sum(rng.random() < rate for _ in range(10))
            clusters.append((10 / propensity, good / propensity))
            count += 10
        found = share(clusters, count)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.6 <= found.high
    assert 0.91 <= held / 400 <= 0.99


def test_agreement_is_not_certainty() -> None:
    """Where every label says the same, chance still leaves room."""
    found = share([(10.0, 10.0)] * 5, 50)
    assert found.low is not None
    assert found.low < 0.99


async def test_by_tier_and_reference(store: Store) -> None:
    """Each heading and reference apart, what callers said apart from what was judged; weeks are those of ISO."""
    for tenant in ("acme", "other"):
        await Reception(store).tenant(tenant)
    labels = Labels(store, Sealer(PEPPER))
    label = Label("", "req", "acme", "judged", "s", "small", "short-prompt", "c", 0.1, 0.0, "c", "1", cost_micros=7)
    rows = [
        label,
        label._replace(score=0.5),
        label._replace(propensity=0.05, score=1.0),
        label._replace(tier="large", model="l", reason="long-prompt"),
        label._replace(source="feedback", reference="", propensity=1.0, score=1.0, cost_micros=0),
        label._replace(tenant="other", score=1.0),
    ]
    for number, row in enumerate(rows):
        await labels.write(row._replace(id=f"ql_{number}"))
    found = {(row.heading, row.reference): row for row in await quality(store, "tier", "acme")}
    assert {key: (row.labels, row.win_rate.value, row.cost_micros) for key, row in found.items()} == {
        ("large", "c"): (1, 0.0, 7),
        ("small", ""): (1, 1.0, 0),
        ("small", "c"): (3, pytest.approx(25 / 40), 21),
    }
    assert found["small", "c"].quality_share.value == pytest.approx(30 / 40)
    assert (found["small", "c"].clusters, found["small", "c"].win_rate.low) == (1, None)
    today = store.now()
    [week] = {row.heading for row in await quality(store, "week", None)}
    assert week == f"{today:%G}-W{today:%V}"
    assert {row.labels for row in await quality(store, "all", None)} == {1, 5}
    assert await quality(store, "model", None, Period(until=today.date())) == []
