"""Traffic and SLOs of a fleet file: what contradicts itself is refused where it stands."""

from __future__ import annotations

import pytest

from cluster.errors import FleetFileError
from cluster.load import parse_fleet

FLEET = "name: f\nmodels: {a: {source: x/y}}\n"


def test_a_fleet_without_traffic_has_none() -> None:
    """Nothing is planned for by default."""
    fleet = parse_fleet(FLEET.encode(), "f.yaml")
    assert not fleet.traffic.is_given
    assert fleet.slo.ttft_p95_s is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("traffic: {users: 5, trace: t.csv}", "users and trace say the same thing twice", id="two sources"),
        pytest.param("traffic: {prompt_tokens: {p50: 9, p95: 3}}", "3 is below p50 9", id="percentiles crossed"),
        pytest.param("traffic: {requests_per_second: 0}", "traffic.requests_per_second", id="no traffic"),
        pytest.param("traffic: {requests_per_second: .nan}", "traffic.requests_per_second", id="not a number"),
        pytest.param("traffic: {growth_per_month: .inf}", "traffic.growth_per_month", id="infinite growth"),
        pytest.param("slo: {ttft_p95_s: -1}", "slo.ttft_p95_s", id="negative SLO"),
        pytest.param("slo: {ttft_p95_s: 2, e2e_p95_s: 1}", "slo.e2e_p95_s: 1 s for the whole answer", id="end at once"),
        pytest.param("slo: {goodput: 0.9}", "slo.goodput: no latency is promised", id="nothing to hold"),
        pytest.param("planning: {gpu_usd_per_hour: {H100: .nan}}", "planning.gpu_usd_per_hour.H100", id="no price"),
        pytest.param("planning: {tensor_parallel: [3]}", "planning.tensor_parallel.0", id="three GPUs"),
        pytest.param("planning: {years: 0}", "planning.years", id="no years"),
        pytest.param("slo: {goodput: 99}", "slo.goodput", id="percent instead of share"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, expected: str) -> None:
    """The message names the field."""
    with pytest.raises(FleetFileError, match=r"f\.yaml:3") as caught:
        parse_fleet(f"{FLEET}{text}\n".encode(), "f.yaml")
    assert expected in str(caught.value)
