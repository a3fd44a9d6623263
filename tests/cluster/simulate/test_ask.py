"""From a fleet file to an outcome, and what is said where there is no data."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cluster.errors import CatalogError, FreeholdError, UsageError
from cluster.load import load_fleet
from cluster.simulate.ask import Asked, Report, simulate
from cluster.simulate.calls import Fate

FLEET = """
name: f
models:
  llama:
    source: meta-llama/Llama-3.1-8B-Instruct
    context_length: 32768
    accelerator: {{ type: L40S, count: 1, cpus: 4 }}
    replicas: {{ min: 1, max: 6, autoscaling: {autoscaling}, cold_start_s: 60 }}
  qwen:
    source: Qwen/Qwen2.5-32B-Instruct-AWQ
    context_length: 32768
    accelerator: {{ type: L40S, count: 1, cpus: 4 }}
tiers: {{ small: [llama], large: [qwen] }}
slo: {{ ttft_p95_s: 2, tpot_p95_s: 0.1 }}
traffic: {{ {traffic} }}
"""
TRAFFIC = "requests_per_second: 6, large_share: 0.1, shape: consumer"


def ran(folder: Path, asked: Asked, traffic: str = TRAFFIC, autoscaling: str = "slo") -> Report:
    """A simulation of that fleet."""
    file = folder / "fleet.yaml"
    file.write_text(FLEET.format(traffic=traffic, autoscaling=autoscaling))
    return simulate(load_fleet(file), file, asked)


@pytest.mark.parametrize("autoscaling", ["slo", "ongoing"])
def test_the_same_seed_gives_the_same_outcome(tmp_path: Path, autoscaling: str) -> None:
    """And another seed another one; every request has an end, in the tier that was drawn for it."""
    asked = Asked(hours=0.1, seed=3)
    one, same = (ran(tmp_path, asked, autoscaling=autoscaling) for _ in range(2))
    other = ran(tmp_path, Asked(hours=0.1, seed=4), autoscaling=autoscaling)
    assert one.outcome == same.outcome != other.outcome
    assert set(one.simulation.calls.fate) == {Fate.ANSWERED}
    assert one.outcome.models[1].requests == pytest.approx(0.1 * one.outcome.whole.requests, rel=0.3)
    assert one.outcome.whole.usd > 0


def test_autoscaling_follows_the_load(tmp_path: Path) -> None:
    """At 20 requests a second one replica becomes several, within what is allowed."""
    report = ran(tmp_path, Asked(hours=0.25), "requests_per_second: 20, large_share: 0")
    assert 4 <= max(look.ready for look in report.simulation.pools[0].looks) <= 6


def test_a_replica_can_die(tmp_path: Path) -> None:
    """What it had begun is broken, and told apart."""
    report = ran(tmp_path, Asked(hours=0.2, kill_at_s=(300,)))
    assert report.outcome.whole.broken == report.simulation.calls.fate.count(Fate.BROKEN) > 0


def test_a_trace_is_replayed_as_it_was(tmp_path: Path) -> None:
    """Its arrivals, lengths and cached prefixes, gzipped or not."""
    trace = tmp_path / "trace.csv.gz"
    trace.write_bytes(
        gzip.compress(
            b"arrival_s,prompt_tokens,output_tokens,cached_prefix_tokens\n0,900,5,0\n2,900,5,800\n4,900,5,800\n"
        )
    )
    report = ran(tmp_path, Asked(trace=trace), "requests_per_second: 1, large_share: 0")
    cold, *warm = report.times.ttft_s
    assert len(warm) == 2
    assert max(warm) < cold / 2


@pytest.mark.parametrize(
    ("traffic", "asked", "kind", "names"),
    [
        pytest.param("", Asked(), UsageError, "traffic", id="no traffic"),
        pytest.param("requests_per_second: 0.000001", Asked(hours=0.1), UsageError, "traffic", id="no request"),
        pytest.param(TRAFFIC, Asked(trace=Path("no/such.csv")), UsageError, "no/such.csv", id="no trace"),
    ],
)
def test_what_cannot_be_simulated_is_told(
    tmp_path: Path, traffic: str, asked: Asked, kind: type[FreeholdError], names: str
) -> None:
    """The error names the field or the file."""
    with pytest.raises(kind, match=names):
        ran(tmp_path, asked, traffic)


def test_a_model_without_figures_is_told(tmp_path: Path) -> None:
    """Never a guess."""
    file = tmp_path / "fleet.yaml"
    text = FLEET.format(traffic=TRAFFIC, autoscaling="slo")
    file.write_text(text.replace("meta-llama/Llama-3.1-8B-Instruct", "nobody/knows-this"))
    with pytest.raises(CatalogError, match="source"):
        simulate(load_fleet(file), file, Asked())
