"""Traffic becomes the rates of a week, and the rates become arrivals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.demand import HOURS, Demand, LogNormals, arrivals, demand_of, replay
from cluster.errors import UsageError
from cluster.spec import Fleet, Lengths

MODELS = {"s": {"source": "a/b"}, "l": {"source": "a/c"}}


def fleet(traffic: dict[str, object], tiers: dict[str, list[str]] | None = None) -> Fleet:
    """A fleet with two models and this traffic."""
    tiers = {"small": ["s"], "large": ["l"]} if tiers is None else tiers
    return Fleet.model_validate({"name": "f", "models": MODELS, "tiers": tiers, "traffic": traffic})


def demand(**traffic: object) -> Demand:
    """What this traffic asks for."""
    return demand_of(fleet(traffic), Path())


@pytest.mark.parametrize(
    ("traffic", "busiest"),
    [
        pytest.param({"requests_per_second": 5}, 5, id="rate"),
        pytest.param({"users": 600, "think_seconds": 60}, 10, id="users"),
        pytest.param({"requests_per_second": 5, "growth_per_month": 0.1, "months": 2}, 6.05, id="growth"),
    ],
)
@pytest.mark.parametrize("shape", ["flat", "office", "consumer"])
def test_the_busiest_hour_is_what_traffic_says(traffic: dict[str, float], busiest: float, shape: str) -> None:
    """Whatever the shape, no hour asks for more, and one asks for it all."""
    rates = demand(**traffic, shape=shape).rates
    assert len(rates) == HOURS
    assert rates.max() == pytest.approx(busiest)


def test_an_office_rests_at_the_weekend() -> None:
    """Office hours leave a tenth for Saturday and Sunday; consumers never fall below a quarter."""
    office = demand(requests_per_second=10, shape="office").rates
    assert set(office[5 * 24 :]) == {1.0}
    assert demand(requests_per_second=10, shape="consumer").rates.min() == 2.5


def test_tiers_share_the_requests() -> None:
    """The large tier gets its share of what stays, and a fleet without one gives it to the small tier."""
    assert demand(requests_per_second=1).shares == pytest.approx({"small": 0.8, "large": 0.2, "spillover": 0})
    assert demand(requests_per_second=1, large_share=0.5).rate("large")[0] == 0.5
    alone = demand_of(fleet({"requests_per_second": 1}, {"small": ["s"]}), Path())
    assert alone.shares["small"] == 1


@pytest.mark.parametrize(
    ("tiers", "traffic", "field"),
    [
        pytest.param(None, {}, "traffic", id="nothing asked"),
        pytest.param(
            None, {"requests_per_second": 1, "spill_share": 0.1}, "traffic.spill_share", id="nowhere to spill"
        ),
        pytest.param({}, {"requests_per_second": 1}, "tiers", id="no tier"),
        pytest.param({"small": ["s"]}, {"users": 1, "large_share": 0.5}, "traffic.large_share", id="no large tier"),
        pytest.param(None, {"trace": "missing.csv"}, "traffic.trace", id="no such trace"),
    ],
)
def test_what_cannot_be_asked_is_named(
    tiers: dict[str, list[str]] | None, traffic: dict[str, object], field: str
) -> None:
    """The error begins with the field that is wrong."""
    with pytest.raises(UsageError, match=rf"^{field}: "):
        demand_of(fleet(traffic, tiers), Path())


def test_arrivals_follow_rates_lengths_and_tiers() -> None:
    """A simulated week has the numbers, medians, tails and shares that traffic states, and is the same at each draw."""
    asked = demand(requests_per_second=0.5, shape="office", cached_share=0.5, large_share=0.25)
    came = arrivals(asked, seed=7)
    assert len(came) == pytest.approx(asked.rates.sum() * 3600, rel=0.02)
    assert (np.diff(came.arrival_s) >= 0).all()
    assert np.percentile(came.prompt_tokens, [50, 95]) == pytest.approx([500, 3000], rel=0.03)
    assert (came.cached_tokens <= came.prompt_tokens // 2).all()
    assert (came.tier == came.tiers.index("large")).mean() == pytest.approx(0.25, abs=0.01)
    again = arrivals(asked, seed=7)
    assert (again.arrival_s == came.arrival_s).all()
    assert (again.output_tokens == came.output_tokens).all()


def test_some_hours_of_the_week() -> None:
    """A simulation may begin on Monday at ten, and end after half an hour."""
    came = arrivals(demand(requests_per_second=10, shape="office"), seed=1, first_hour=10, hours=0.5)
    assert len(came) == pytest.approx(10 * 1800, rel=0.1)
    assert came.arrival_s[-1] < 1800


def test_more_arrivals_than_memory_are_refused() -> None:
    """A week at a billion requests per second is no simulation."""
    with pytest.raises(UsageError, match="take fewer hours"):
        arrivals(demand(requests_per_second=1e9), seed=0)


def test_even_lengths_stand_for_all() -> None:
    """256 even requests have the moments of a million random ones, and fit the context."""
    mix = LogNormals(Lengths(p50=500, p95=3000), Lengths(p50=150, p95=600), 0, 8192)
    even, drawn = mix.even(256), mix.draw(1_000_000, np.random.default_rng(0))
    assert even.prompt_tokens.mean() == pytest.approx(drawn.prompt_tokens.mean(), rel=0.03)
    assert even.output_tokens.mean() == pytest.approx(drawn.output_tokens.mean(), rel=0.03)
    assert (drawn.prompt_tokens + drawn.output_tokens).max() <= 8192


def test_a_trace_of_two_days_is_the_week(tmp_path: Path) -> None:
    """Its hours are repeated, and a replay has its very arrivals."""
    file = tmp_path / "t.csv"
    times = [hour * 3600 + step * (3600 / (1 + hour % 24)) for hour in range(48) for step in range(1 + hour % 24)]
    file.write_text("arrival_s,prompt_tokens,output_tokens\n" + "".join(f"{t},100,10\n" for t in [*times, 48 * 3600]))
    asked = demand(trace=str(file))
    assert asked.busiest % 24 == 23
    assert asked.rates[23] == pytest.approx(24 / 3600)
    trace = asked.mix
    assert list(replay(trace, asked.shares, 0).arrival_s) == [*times, 48 * 3600]  # type: ignore[arg-type]
