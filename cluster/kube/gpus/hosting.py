"""What the GPUs that are free now could run: more replicas of a fleet's models, and models of the catalogue.

By memory (:mod:`cluster.memory`), as vLLM shares it out; whether it is fast enough is ``freehold plan``'s question.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.catalog import gpus as catalog
from cluster.catalog.models import architectures
from cluster.catalog.quant import QUANTS
from cluster.errors import CatalogError
from cluster.kube.gpus.fit import Wanted, room
from cluster.kube.gpus.inventory import PRODUCT, Node, Pool
from cluster.memory import Replica, budget

_COUNTS = (1, 2, 4, 8)
"""GPUs of one replica; tensor parallelism wants powers of two."""
_CONTEXT = 8192


@dataclass(frozen=True, slots=True)
class More:
    """A model of the fleet, and how many replicas more would start now."""

    model: str
    gpu: str
    gpus: int
    replicas: int


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model of the catalogue on one type of GPU."""

    model: str
    gpu: str
    quant: str
    gpus: int
    """The fewest that hold it with a context of 8192 tokens."""
    replicas: int
    """How many times, on what is free."""


def fleet_room(wanted: Iterable[tuple[str, Wanted]], nodes: tuple[Node, ...]) -> tuple[More, ...]:
    """Models with what one replica asks for → how many would find nodes, each counted alone."""
    return tuple(
        More(
            model, one.selector.get(PRODUCT, "any"), int(one.requests.get(one.gpu, 0.0)), room(one, nodes) // one.count
        )
        for model, one in wanted
    )


def catalogue_room(pools: Iterable[Pool], nodes: tuple[Node, ...]) -> tuple[Hosted, ...]:
    """Every model of the catalogue on every type of GPU that holds it, with the weights' own format."""
    found = []
    for pool in pools:
        blocks = [int(node.free[pool.resource]) for node in nodes if _is_of(node, pool) and node.ready]
        for name in architectures():
            one = _smallest(name, pool, max(blocks, default=0))
            if one is not None:
                quant, gpus = one
                found.append(Hosted(name, pool.gpu, quant, gpus, sum(block // gpus for block in blocks)))
    return tuple(found)


def _is_of(node: Node, pool: Pool) -> bool:
    return node.gpu_type == pool.gpu and pool.resource in node.gpus


def _smallest(name: str, pool: Pool, most: int) -> tuple[str, int] | None:
    """The format of its weights and the fewest GPUs that hold a model; None where none do, or no figures are known."""
    try:
        gpu = catalog.gpu(pool.gpu.removeprefix("NVIDIA-"))
    except CatalogError:
        return None
    model = architectures()[name]
    quant = QUANTS.get(model.native_quant, QUANTS["bf16"])
    for count in _COUNTS:
        if (
            count <= most
            and budget(Replica(model, gpu, quant, tp=count, context=min(_CONTEXT, model.max_context))).fits
        ):
            return quant.name, count
    return None
