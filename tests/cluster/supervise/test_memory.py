"""The estimate knows what a name or a directory says of a model's size, and leaves GPUs alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.load import load_fleet
from cluster.supervise.memory import GIB, needed, weight_bytes


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Qwen/Qwen2.5-1.5B-Instruct", 3_000_000_000),
        ("Qwen/Qwen2.5-0.5B-Instruct", 1_000_000_000),
        ("google/gemma-3-270m-it", 0),
        ("builtin:tiny-small", 0),
        ("acme/8bit-model", 0),
    ],
)
def test_a_name_tells_its_billions(source: str, expected: int) -> None:
    """Two bytes for each parameter that the name speaks of; nothing for a name that is silent."""
    assert weight_bytes(source) == expected


def test_a_directory_is_weighed(tmp_path: Path) -> None:
    """A local model needs what its weight files hold."""
    (tmp_path / "a.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "tokenizer.json").write_bytes(b"x" * 500)
    assert weight_bytes(str(tmp_path)) == 1000


@pytest.mark.parametrize(
    ("fleet", "low", "high"),
    [("demo", 3, 8), ("laptop", 8, 12), ("h100", 1, 1), ("ollama", 0, 0)],
)
def test_a_fleet_needs_what_runs_on_this_cpu(fleet: str, low: float, high: float) -> None:
    """Engines on GPUs and servers elsewhere need none of this machine's memory."""
    assert low * GIB <= needed(load_fleet(f"fleets/{fleet}.yaml")) <= high * GIB
