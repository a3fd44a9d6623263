"""A model of the fleet file → what a simulated engine pretends to be."""

from __future__ import annotations

from cluster.errors import CatalogError, EngineFailedError
from cluster.latency.replica import timing_of
from cluster.spec import Lengths, Model
from serving.simulated.engine import Simulation
from serving.simulated.pace import Steady

_SEQUENCES = 64
"""Of the greatest length, that fit into the KV cache of an engine about which nothing is known."""


def simulation_of(name: str, model: Model, answer_tokens: Lengths) -> Simulation:
    """One replica of a model; ``answer_tokens`` are the lengths of answers that end by themselves.

    Raises :class:`~cluster.errors.EngineFailedError` for what vLLM could not start either, and where there are no
    figures for the model or its GPUs.
    """
    try:
        timing = timing_of(model) if model.source else Steady(kv_tokens=_SEQUENCES * model.context_length)
    except CatalogError as exc:
        raise EngineFailedError(name, str(exc), f"models.{name} in the fleet file") from exc
    simulation = Simulation(
        model=model.served_as or name,
        timing=timing,
        context_length=model.context_length,
        answer_tokens=answer_tokens,
        adapters=tuple(model.adapters),
        prefix_caching=model.engine_args.get("enable_prefix_caching") is not False,
        speed=model.speed,
    )
    if simulation.misfit:
        raise EngineFailedError(name, simulation.misfit, f"models.{name} in the fleet file")
    return simulation
