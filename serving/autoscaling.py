"""``replicas.autoscaling: slo`` in Ray Serve: its context ⇄ :mod:`cluster.autoscale`, the policy that is simulated.

Serve's controller makes one :class:`SloAutoscaling` a model and asks it ten times a second; it looks as often as
replicas report (:mod:`serving.counters`). Where there is a ``FREEHOLD_HOME``, it leaves its reason there for the page.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from cluster.autoscale import Observed
from cluster.autoscale.capacity import Capacity, capacity_of
from cluster.autoscale.slo import SloPolicy, SloScaler
from cluster.demand import LogNormals
from cluster.errors import CatalogError, EngineFailedError, UsageError
from cluster.latency.replica import timing_of
from cluster.spec import Autoscaling, Fleet, Model
from cluster.spec.slug import slug

LOOK_S: Final = 10.0
"""Seconds between two looks; replicas report as often."""
_SAMPLE: Final = 400
GROWING: Final = ("arrived", "prompt_tokens", "ended", "output_tokens", "late")
"""What each replica counts from its start on."""


class Sample(Protocol):
    """Ray's ``TimeStampedValue``."""

    value: float


class Context(Protocol):
    """What is used of Ray's ``AutoscalingContext``."""

    current_num_replicas: int
    target_num_replicas: int
    total_num_requests: float
    current_time: float | None
    raw_metrics: Mapping[str, Mapping[Any, Sequence[Sample]]] | None


class SloAutoscaling:
    """A custom policy for Serve's ``autoscaling_config``."""

    def __init__(self, *, model: str, capacity: Mapping[str, Any], **settings: float) -> None:
        """Take the fields of :class:`Capacity` and :class:`SloPolicy` as JSON has them."""
        self._model = model
        self._scaler = SloScaler(SloPolicy(Capacity(**capacity), **settings))
        self._before: dict[Any, dict[str, float]] = {}
        self._looked = 0.0
        self._wanted: int | None = None

    def __call__(self, context: Context) -> tuple[int, dict[str, Any]]:
        """How many replicas, and nothing for Ray to keep."""
        now = context.current_time or 0.0
        asleep = not context.target_num_replicas and context.total_num_requests
        if self._wanted is None or now - self._looked >= LOOK_S or asleep:
            before, self._looked = self._wanted, now
            self._wanted = self._scaler.decide(self._observed(context, now))
            if self._wanted != before:
                leave_word(self._model, self._wanted, str(self._scaler.need))
        return self._wanted, {}

    def _observed(self, context: Context, now: float) -> Observed:
        latest = _latest(context.raw_metrics or {})
        grown = dict.fromkeys(GROWING, 0.0)
        for replica, told in latest.items():
            before = self._before.get(replica, {})
            for name in GROWING:
                grown[name] += max(0.0, told.get(name, 0.0) - before.get(name, 0.0))
        self._before = latest
        return Observed(
            now_s=now,
            ready=context.current_num_replicas,
            starting=max(0, context.target_num_replicas - context.current_num_replicas),
            in_flight=context.total_num_requests,
            waiting=int(sum(told.get("waiting", 0.0) for told in latest.values())),
            kv_share=max((told.get("kv_share", 0.0) for told in latest.values()), default=0.0),
            **grown,
        )


def leave_word(model: str, wanted: int, why: str) -> None:
    """Say why so many replicas are wanted, in ``run/wish-<model>.json`` of the fleet's directory, if there is one."""
    home = os.environ.get("FREEHOLD_HOME")
    if not home:
        return
    file = Path(home, "run", f"wish-{slug(model)}.json")
    fresh = file.with_suffix(".new")
    with contextlib.suppress(OSError):  # nobody's replicas wait for a reason
        fresh.write_text(json.dumps({"at": time.time(), "wanted": wanted, "why": why}))
        fresh.replace(file)


def _latest(metrics: Mapping[str, Mapping[Any, Sequence[Sample]]]) -> dict[Any, dict[str, float]]:
    """Replica → its newest figures."""
    found: dict[Any, dict[str, float]] = {}
    for name, series in metrics.items():
        for replica, samples in series.items():
            if len(samples):
                found.setdefault(replica, {})[name] = samples[-1].value
    return found


def config(fleet: Fleet, name: str, model: Model) -> dict[str, Any]:
    """A model's ``autoscaling_config``; raises EngineFailedError where there are no figures to scale by."""
    replicas = model.replicas
    # One that may have none starts with one, so that whoever starts a fleet sees that it works.
    bounds = {"min_replicas": replicas.min, "max_replicas": replicas.max, "initial_replicas": max(1, replicas.min)}
    if replicas.autoscaling is Autoscaling.ONGOING or replicas.min == replicas.max:
        return bounds | {
            "target_ongoing_requests": replicas.target_ongoing_requests,
            "upscale_delay_s": replicas.upscale_delay_s,
            "downscale_delay_s": replicas.downscale_delay_s,
        }
    try:
        told = settings(fleet, name, model)
    except (CatalogError, UsageError) as exc:
        raise EngineFailedError(name, f"autoscaling: slo: {exc}", f"models.{name} in the fleet file") from exc
    # The policy waits and smooths by itself.
    policy = {"policy_function": SloAutoscaling, "policy_kwargs": told}
    return bounds | {"policy": policy, "upscale_delay_s": 0, "downscale_delay_s": 0}


def settings(fleet: Fleet, name: str, model: Model) -> dict[str, Any]:
    """What :class:`SloAutoscaling` is made with."""
    traffic, replicas = fleet.traffic, model.replicas
    mix = LogNormals(traffic.prompt_tokens, traffic.output_tokens, traffic.cached_share, model.context_length)
    capacity = capacity_of(timing_of(model), mix.even(_SAMPLE), fleet.slo)
    return {
        "model": name,
        "capacity": {figure: getattr(capacity, figure) for figure in capacity.__slots__},
        "cold_start_s": replicas.cold_start_s,
        "hold_s": replicas.downscale_delay_s,
        "idle_s": replicas.downscale_delay_s,
        "late_share": fleet.slo.late_share,
    }
