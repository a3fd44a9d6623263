"""GPUs beside the models on them, as ``freehold status`` shows them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cluster.cli.tables import gpus_table
from cluster.gpus.facts import Gpu
from cluster.supervise.gpus import SeenGpu, look
from tests.cluster.gpus.conftest import gpus, library
from tests.cluster.gpus.fake import Script

__all__ = ["gpus", "library"]


def test_each_gpu_has_its_models(gpus: Script) -> None:
    """By the processes on it; one that tells of errors is condemned with the reason."""
    gpus.add("gpus 3", "0.pid 10", "1.pid 99", "1.ecc.uncorrected 2", "2.gone 15")
    seen, detail = look({10: "llama"})
    assert [one.models for one in seen] == [("llama",), (), ()]
    assert [one.condemned for one in seen] == [
        (),
        ("2 uncorrectable memory errors since the driver was loaded",),
        ("the driver has lost it, or wants it reset",),
    ]
    assert detail == ""
    assert seen[0].model_dump(mode="json")["gpu"]["power_w"] == 350


def test_without_a_gpu_there_is_a_reason(gpus: Script) -> None:
    """And no error."""
    gpus.add("init 9")
    assert look({}) == ((), "the NVIDIA driver is installed but not loaded; try: modprobe nvidia")


@pytest.mark.parametrize(
    ("facts", "bad", "row"),
    [
        ({"utilization": 0.5, "temperature_c": 61}, (), "0 H100 50% - - 61 llama well"),
        ({"throttled": ("hw_slowdown",), "power_w": 70.4}, (), "0 H100 - - 70 W - llama hw_slowdown"),
        ({"memory_used_bytes": 20 << 30}, ("gone",), "0 H100 - 20 GiB - - llama gone"),
    ],
    ids=["well", "slowed down", "condemned"],
)
def test_the_table_says_what_is_known(facts: dict[str, Any], bad: tuple[str, ...], row: str) -> None:
    """A figure that a GPU does not tell is a dash."""
    seen = SeenGpu(gpu=Gpu(0, "GPU-0", "H100", **facts), models=("llama",), condemned=bad)
    out = io.StringIO()
    Console(file=out, width=140).print(gpus_table([seen]))
    assert row in " ".join(out.getvalue().split())
