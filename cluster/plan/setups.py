"""What a model could run on: GPU types x tensor parallelism x quantisation, as far as they divide and are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.catalog.gpus import Gpu, gpu, gpus
from cluster.catalog.quant import quant
from cluster.errors import CatalogError
from cluster.latency.replica import quant_of, replica_of, shape_of
from cluster.memory import Replica
from cluster.spec import Model, Planning


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to run one replica of a model."""

    replica: Replica | None
    """None: as the fleet file has it, on this machine's CPU."""

    @property
    def gpu(self) -> Gpu | None:
        """The type of its GPUs; None on a CPU."""
        return self.replica.gpu if self.replica else None

    @property
    def gpus(self) -> int:
        """How many it takes."""
        return self.replica.gpus if self.replica else 0

    def __str__(self) -> str:
        """Such as ``2 x H100-SXM, fp8``."""
        return f"{self.gpus} x {self.replica.gpu.name}, {self.replica.quant.name}" if self.replica else "cpu"


def setups(model: Model, planning: Planning) -> Iterator[Setup]:
    """Every setup; raises CatalogError for a model, a GPU or a quantisation that the catalogue does not know."""
    if model.accelerator.type == "cpu":
        yield Setup(None)
        return
    heads = shape_of(model).heads
    for kind in allowed(planning):
        for stored in quantizations(model, planning):
            for tp in planning.tensor_parallel:
                if heads % tp == 0:
                    yield Setup(replica_of(model, on=kind, tp=tp, stored_as=stored))


def allowed(planning: Planning) -> list[str]:
    """The GPU types to choose from, by the catalogue's names."""
    if not planning.gpus:
        return list(gpus())
    found = {}
    for place, name in enumerate(planning.gpus):
        try:
            found[gpu(name).name] = True
        except CatalogError as exc:
            msg = f"planning.gpus.{place}: {exc}"
            raise CatalogError(msg) from exc
    return list(found)


def quantizations(model: Model, planning: Planning) -> list[str]:
    """The ways to store a model's weights, its own first."""
    own = quant_of(model, shape_of(model)).name
    if not planning.quantizations:
        return [own, "fp8"] if own == "bf16" else [own]
    found = {}
    for place, name in enumerate(planning.quantizations):
        try:
            found[quant(name).name] = True
        except CatalogError as exc:
            msg = f"planning.quantizations.{place}: {exc}"
            raise CatalogError(msg) from exc
    return sorted(found, key=lambda name: name != own)
