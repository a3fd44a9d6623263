"""The GPUs of this machine beside the models on them, for ``freehold status``; nothing here fails for want of a GPU."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from cluster.errors import NoGpuError
from cluster.gpus.facts import Gpu
from cluster.gpus.verdict import condemned


class SeenGpu(BaseModel):
    """One GPU now."""

    model_config = ConfigDict(frozen=True)

    gpu: Gpu
    models: tuple[str, ...]
    """Of the fleet, with a process on it."""
    condemned: tuple[str, ...]
    """Why it must not be used any more, as far as it tells itself; Xid errors are the agent's to know."""


def look(model_of: Mapping[int, str]) -> tuple[tuple[SeenGpu, ...], str]:
    """Every GPU, or why there is none to see; ``model_of`` says which model a process of the fleet serves."""
    from cluster.gpus.nvml import Nvml  # noqa: PLC0415 - a sixth of a second that only this needs

    try:
        with Nvml() as nvml:
            return tuple(_seen(gpu, model_of) for gpu in nvml.look().gpus), ""
    except NoGpuError as exc:
        return (), str(exc)


def _seen(gpu: Gpu, model_of: Mapping[int, str]) -> SeenGpu:
    models = {model_of[one.pid] for one in gpu.processes if one.pid in model_of}
    return SeenGpu(gpu=gpu, models=tuple(sorted(models)), condemned=tuple(map(str, condemned(gpu))))
