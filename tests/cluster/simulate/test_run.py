"""A simulated fleet: routing, cold starts, draining, failures, spillover, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from cluster.autoscale import Observed
from cluster.autoscale.observed import Fixed
from cluster.simulate.calls import NEVER, Calls, Fate, Limits
from cluster.simulate.outcome import Times, outcome_of
from cluster.simulate.page import page
from cluster.simulate.pool import Service
from cluster.simulate.run import SPILLED, Failure, Scenario, Simulation
from tests.cluster.simulate.stepwise import Plain


@dataclass
class Script:
    """Wants so many replicas from a time on; keeps what it saw."""

    wanted: dict[float, int]
    seen: list[Observed] = field(default_factory=list)

    def decide(self, seen: Observed) -> int:
        """By the clock."""
        self.seen.append(seen)
        return [number for at, number in self.wanted.items() if at <= seen.now_s][-1]


def steady(count: int, gap_s: float = 0.5) -> Calls:
    """Requests of 200 tokens in, 50 out."""
    return Calls.of(np.arange(count) * gap_s, np.full(count, 200), np.full(count, 50))


def played(scenario: Scenario, calls: Calls, choice: Sequence[int] | None = None) -> Simulation:
    """After its end."""
    simulation = Simulation(scenario, calls, choice or [0] * len(calls), calls.arrival[-1])
    simulation.run()
    return simulation


def fixed(number: int, name: str = "m", **more: float) -> Service:
    """A model with so many replicas."""
    service = {"min_replicas": number, "max_replicas": number, "initial_replicas": number, **more}
    return Service(name, Plain(), Fixed(number), **service)  # type: ignore[arg-type]


def test_requests_spread_over_replicas() -> None:
    """Four at once on four replicas are as quick as one alone."""
    alone, four = steady(1), steady(4, 0)
    played(Scenario([fixed(1)]), alone)
    played(Scenario([fixed(4)]), four)
    assert four.end == pytest.approx([alone.end[0]] * 4)


def test_a_cold_start_takes_its_time_and_is_paid_for() -> None:
    """A second replica is wanted at 100 s and ready at 160 s; until 200 s, it is paid for 100 s."""
    script = Script({0: 1, 100: 2})
    calls = steady(401)
    pool = played(Scenario([Service("m", Plain(), script, 1, 2, cold_start_s=60)]), calls).pools[0]
    ready = {look.at_s: look.ready for look in pool.looks}
    assert (ready[150], ready[170]) == (1, 2)
    assert pool.gpu_seconds(200) == pytest.approx(300)


def test_a_replica_ends_what_it_has_before_it_goes() -> None:
    """Scaled down under load, every request is answered, and paid time ends with the last answer."""
    calls = Calls.of(np.arange(60) * 0.25, np.full(60, 200), np.full(60, 3000))
    pool = played(Scenario([Service("m", Plain(), Script({0: 2, 10: 1}), 1, 2, 2)]), calls).pools[0]
    assert set(calls.fate) == {Fate.ANSWERED}
    assert len(pool.gone) == 1
    assert pool.gone[0].ended > 20


def test_a_herd_at_zero_starts_one_replica() -> None:
    """A hundred requests are held, one cold start serves them all."""
    calls = Calls.of(np.full(100, 5.0), np.full(100, 100), np.full(100, 10))
    pool = played(Scenario([Service("m", Plain(), Script({0: 0}), 0, 9, 0, cold_start_s=30)]), calls).pools[0]
    assert len(pool.ready) + len(pool.gone) == 1
    assert min(calls.first) > 35
    assert set(calls.fate) == {Fate.ANSWERED}


def test_a_dead_replica_breaks_only_what_had_begun() -> None:
    """Requests without a first token are answered elsewhere; a new replica replaces the dead one."""
    calls = Calls.of(np.arange(60) * 0.01, np.full(60, 2000), np.full(60, 200))
    simulation = played(Scenario([fixed(2)], failures=[Failure(0.5)]), calls)
    broken = [at for at, fate in enumerate(calls.fate) if fate is Fate.BROKEN]
    assert broken
    assert all(calls.first[at] < 0.5 and calls.end[at] == NEVER for at in broken)
    assert calls.fate.count(Fate.ANSWERED) == 60 - len(broken)
    assert len(simulation.pools[0].gone) == 1
    assert len(simulation.pools[0].ready) == 2
    assert simulation.pools[0].in_flight == 0


@pytest.mark.parametrize(("spills", "fate"), [(True, Fate.SPILLED), (False, Fate.REFUSED)], ids=["spills", "refuses"])
def test_what_no_model_takes_spills_or_is_refused(spills: bool, fate: Fate) -> None:
    """One replica that takes five: the sixth of ten at once goes elsewhere, as does what could never fit."""
    calls = Calls.of(np.zeros(11), [500_000] + [100] * 10, np.full(11, 100))
    played(Scenario([fixed(1, max_in_flight=5)], spills=spills), calls)
    assert calls.fate.count(Fate.ANSWERED) == 5
    assert calls.fate.count(fate) == 6
    assert calls.fate[0] is fate


def test_a_busy_tier_hands_over_to_the_other() -> None:
    """From ``busy_in_flight`` on the less busy model answers, and what was drawn for a paid model goes there."""
    calls = Calls.of(np.zeros(21), np.full(21, 100), np.full(21, 100))
    scenario = Scenario([fixed(1), fixed(1, "large")], busy_in_flight=8)
    played(scenario, calls, [0] * 20 + [SPILLED])
    assert 8 <= calls.pool.count(0) < 20
    assert calls.pool.count(0) + calls.pool.count(1) == 20
    assert calls.fate[20] is Fate.SPILLED


def test_a_long_wait_spills() -> None:
    """While the queue's head has waited for longer than put up with, new requests go to the paid model."""
    calls = Calls.of(np.arange(200) * 0.05, np.full(200, 8000), np.full(200, 50))
    played(Scenario([fixed(1)], spills=True, spill_after_s=1), calls)
    assert calls.fate.count(Fate.SPILLED) > 20
    assert max(first - arrival for first, arrival in zip(calls.first, calls.arrival, strict=True) if first < NEVER) < 6


def test_the_autoscaler_sees_what_happened() -> None:
    """Counts over all looks add up to the requests, and the average in flight to what Little's law says."""
    script = Script({0: 1})
    calls = steady(1001, 0.1)
    played(Scenario([Service("m", Plain(), script, limits=Limits(ttft_s=0.0))]), calls)
    assert sum(seen.arrived for seen in script.seen) == pytest.approx(1000, abs=2)
    assert sum(seen.prompt_tokens for seen in script.seen) == 200 * sum(seen.arrived for seen in script.seen)
    assert sum(seen.output_tokens for seen in script.seen) == 50 * sum(seen.ended for seen in script.seen)
    assert sum(seen.late for seen in script.seen) == sum(seen.ended for seen in script.seen)
    took = np.mean(np.array(calls.end) - np.array(calls.arrival))
    assert np.mean([seen.in_flight for seen in script.seen]) == pytest.approx(took / 0.1, rel=0.02)


def test_figures_are_those_of_the_requests() -> None:
    """Percentiles, share in the SLO, GPU-hours, dollars; on the page, too."""
    calls = steady(200)
    service = fixed(2, "<m>", gpus=4, limits=Limits(ttft_s=1, tpot_s=0.01))  # type: ignore[arg-type]
    simulation = played(Scenario([service]), calls)
    times = Times.of(simulation)
    outcome = outcome_of(simulation, times, [2.0])
    assert outcome.whole.requests == outcome.models[0].answered == 200
    assert outcome.whole.ttft_s[50] == pytest.approx(0.008 + 200 * 2e-5)
    assert outcome.whole.in_slo == pytest.approx(float(np.mean(times.tpot_s <= 0.01)))
    assert outcome.whole.gpu_hours == pytest.approx(2 * 4 * calls.arrival[-1] / 3600)
    assert outcome.whole.usd == pytest.approx(2 * outcome.whole.gpu_hours)
    html = page("A & B", outcome, times, simulation.pools)
    assert html.count("<svg") == 5
    assert "&lt;m&gt;" in html
    assert "http://www.w3.org/2000/svg" in html
    assert "nan" not in html
