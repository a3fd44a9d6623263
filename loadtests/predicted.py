"""The prediction for the same fleet under the same requests, beside what was measured; the difference is never hidden.

Two answers: the simulator plays exactly the requests that were sent, at the times at which they were to be sent, to the
tiers that answered them; the planner's closed form (``freehold plan``) knows only their rate and their lengths. Both
predict engines: what gateway and network add is in the measured figures only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from cluster.demand import Arrivals, Requests
from cluster.errors import CatalogError, UsageError
from cluster.latency.replica import timing_of
from cluster.simulate.calls import Fate
from cluster.simulate.fleet import simulation_of
from cluster.simulate.outcome import Times
from cluster.simulate.pool import Pool
from cluster.simulate.run import Simulation
from cluster.spec import Fleet, Slo
from cluster.spec.base import Noun
from cluster.steady import State, Work, percentile
from loadtests.columns import Columns
from loadtests.figures import Figures, Window, figures

COMPARED: Final = (
    *("ttft_p50_s", "ttft_p95_s", "tpot_p50_s", "tpot_p95_s", "e2e_p50_s", "e2e_p95_s"),
    *("goodput", "output_tokens_per_s", "concurrency_mean"),
)
_SAMPLE: Final = 400
"""Requests that the closed form is given; more say nothing else."""


class Row(Noun):
    """One figure of one tier. Percent of the measured figure; negative where the prediction is too low."""

    tier: str
    figure: str
    measured: float
    predicted: float
    """By the simulator."""
    error_percent: float | None
    planned: float | None
    """By the closed form; None for figures that it does not tell."""
    planned_error_percent: float | None


class Prediction(Noun):
    """What was predicted, or why nothing could be."""

    rows: tuple[Row, ...]
    not_predicted: dict[str, str]
    """Tier → why there is no prediction for it; ``all`` where there is none at all."""


def predict(fleet: Fleet, columns: Columns, window: Window, slo: Slo) -> Prediction:
    """Predict what a fleet would have measured; ``columns`` are all samples of the run."""
    tiers = fleet.tiers_by_name()
    reasons: dict[str, str] = {}
    asked = columns.at(columns.generates & np.isin(columns.tier, ["small", "large"]))
    for tier in ("small", "large"):
        why = _why_not(fleet, tiers[tier], asked.at(asked.tier == tier))
        if why:
            reasons[tier] = why
            asked = asked.at(asked.tier != tier)
    if not len(asked):
        return Prediction(rows=(), not_predicted=reasons or {"all": "no answer named a tier of this fleet"})
    speeds = {fleet.models[tiers[tier][0]].speed for tier in set(asked.tier.tolist())}
    if len(speeds) > 1:
        return Prediction(rows=(), not_predicted={"all": "its models are simulated at different speeds"})
    speed = speeds.pop()
    try:
        simulation, played = _played(fleet, asked, speed)
    except (CatalogError, UsageError) as exc:
        return Prediction(rows=(), not_predicted={"all": str(exc)})
    planned = {pool.service.name: _planned(pool, simulation, speed) for pool in simulation.pools}
    rows = [
        row
        for tier in sorted(set(asked.tier.tolist()))
        for row in _rows(
            tier,
            figures(asked.at(asked.tier == tier), window, slo),
            figures(played.at(played.tier == tier), window, slo),
            planned[tiers[tier][0]],
        )
    ]
    return Prediction(rows=tuple(rows), not_predicted=reasons)


def _why_not(fleet: Fleet, models: tuple[str, ...], asked: Columns) -> str:
    """Why a tier cannot be predicted; empty where it can."""
    if not len(asked):
        return ""
    if not models:
        return "the fleet file lists no model for it"
    others = sorted({str(model) for model in asked.model.tolist()} - {models[0], ""})
    if others:
        return f"{', '.join(others)} answered, too; only a tier's first model is predicted"
    try:
        timing_of(fleet.models[models[0]])
    except CatalogError as exc:
        return f"models.{models[0]}.{exc}"
    return ""


def _played(fleet: Fleet, asked: Columns, speed: float) -> tuple[Simulation, Columns]:
    """The simulator's run of these requests, and the same requests as it answered them."""
    asked = asked.at(np.argsort(asked.intended_s, kind="stable"))
    names = tuple(sorted(set(asked.tier.tolist())))
    cached = (asked.prompt_tokens * fleet.traffic.cached_share).astype(np.int64)
    prompts = np.maximum(1, asked.prompt_tokens)
    arrivals = Arrivals(
        arrival_s=asked.intended_s * speed,
        prompt_tokens=prompts,
        output_tokens=np.maximum(1, asked.output_tokens),
        cached_tokens=np.minimum(cached, prompts - 1),
        tier=np.array([names.index(tier) for tier in asked.tier], np.int8),
        tiers=names,
    )
    simulation = simulation_of(_without_detours(fleet), arrivals)
    simulation.run()
    times = Times.of(simulation)
    answered = times.fate == Fate.ANSWERED
    came = replace(
        asked,
        sent_s=asked.intended_s,
        first_s=asked.intended_s + times.ttft_s / speed,
        end_s=asked.intended_s + np.where(answered, times.e2e_s / speed, 0),
        complete=asked.complete & answered,
        cancelled=asked.cancelled & answered,
    )
    return simulation, came


def _without_detours(fleet: Fleet) -> Fleet:
    """Each request stays with the tier that it was measured at: the router has decided already."""
    routing = fleet.routing.model_copy(update={"busy_in_flight": 1_000_000_000})
    spillover = fleet.spillover.model_copy(update={"chain": ()})
    return fleet.model_copy(update={"routing": routing, "spillover": spillover})


def _planned(pool: Pool, simulation: Simulation, speed: float) -> Figures:
    """The closed form's 95th percentiles for one tier's rate and lengths; none where no replica took a request."""
    calls, until = simulation.calls, max(simulation.until_s, 1e-9)
    mine = np.flatnonzero(np.array(calls.pool) == simulation.pools.index(pool))
    if not len(mine):
        return {}
    some = mine[:: max(1, len(mine) // _SAMPLE)]
    lengths = (np.array(column, np.int64)[some] for column in (calls.prompt, calls.output, calls.cached))
    work = Work.of(pool.service.timing, Requests(*lengths))
    replicas = pool.replica_seconds(until) / until
    state = State.at(work, np.array([len(mine) / until / max(1.0, replicas)]))
    return {
        f"{name}_p95_s": float(percentile(within, 0.95, 1)[0]) / speed
        for name, within in (("ttft", state.ttft_within), ("tpot", state.tpot_within), ("e2e", state.e2e_within))
    }


def _rows(tier: str, measured: Figures, predicted: Figures, planned: Figures) -> Iterator[Row]:
    for name in COMPARED:
        seen, said, plan = measured[name], predicted[name], planned.get(name)
        if seen is not None and said is not None:
            yield Row(
                tier=tier,
                figure=name,
                measured=seen,
                predicted=said,
                error_percent=_error(said, seen),
                planned=plan,
                planned_error_percent=None if plan is None else _error(plan, seen),
            )


def _error(said: float, seen: float) -> float | None:
    return 100 * (said - seen) / seen if seen else None
