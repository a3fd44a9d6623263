"""Rows of configurations: what is read, what is assumed, what is refused."""

from __future__ import annotations

import math

import pytest

from cluster.errors import CatalogError
from cluster.latency.configuration import read
from tests.cluster.latency.rows import ROW


def test_a_row_is_read() -> None:
    """Two copies on four GPUs each, under 32 callers together."""
    asked = read(ROW)
    assert (asked.replica.tp, asked.copies, asked.load, asked.kind) == (4, 2, 32, "closed")
    assert (asked.version, asked.guessed) == (19, 0)
    assert asked.year == pytest.approx(2026.3, abs=0.05)


def test_what_is_not_there_is_assumed_and_counted() -> None:
    """The fewest GPUs that hold a worthwhile batch, and a usual prompt."""
    asked = read({**ROW, "tp": "", "isl": "", "gpu": "H200-SXM"})
    assert (asked.replica.tp, asked.copies, asked.guessed) == (1, 8, 2)


def test_only_four_columns_are_needed() -> None:
    """A model, a GPU, a kind of load and a metric; offline needs no load."""
    asked = read({"model": "qwen3-8b", "gpu": "L40S", "load_kind": "offline_max", "metric": "output_throughput"})
    assert math.isinf(asked.load)
    assert (asked.replica.quant.name, asked.stat) == ("bf16", "mean")


@pytest.mark.parametrize(
    ("tp", "dp", "ep", "gpus", "expected"),
    [
        ("8", "1", "8", "8", (8, 8, 1)),
        ("64", "1", "8", "64", (8, 8, 1)),
        ("1", "64", "8", "64", (1, 8, 8)),
        ("1", "8", "8", "8", (1, 8, 8)),
        ("4", "4", "16", "16", (1, 4, 4)),
        ("4", "", "", "8", (4, 1, 2)),
    ],
    ids=["plain", "experts counted twice", "replicas counted twice", "replicas", "both", "two copies"],
)
def test_gpus_are_counted_once(tp: str, dp: str, ep: str, gpus: str, expected: tuple[int, int, int]) -> None:
    """However the table lists tensor, data and expert parallelism."""
    asked = read({**ROW, "model": "deepseek-r1", "gpu": "B200-SXM", "tp": tp, "dp": dp, "ep": ep, "n_gpus": gpus})
    assert (asked.replica.tp, asked.replica.ep, asked.copies) == expected


def test_notes_tell_engine_settings() -> None:
    """A command line that was noted counts."""
    asked = read({**ROW, "notes": "serve: vllm serve x --max-num-batched-tokens 4096 | max_num_seqs 64"})
    assert (asked.replica.max_batched_tokens, asked.replica.max_seqs) == (4096, 64)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"model": ""}, "^model: empty"),
        ({"gpu": "Z80"}, "no GPU 'Z80'"),
        ({"load_value": ""}, "^load_value: empty"),
        ({"load_value": "nan"}, "^load_value: 'nan' is no number"),
        ({"osl": "-5"}, "^osl: '-5' is no number"),
        ({"tp": "inf"}, "^tp: 'inf' is no number"),
        ({"metric": "happiness"}, "^metric: no data for 'happiness'"),
        ({"stat": "p12"}, "^stat: no data for 'p12'"),
        ({"load_kind": "moon"}, "^load_kind: no data for 'moon'"),
        ({"quant": "int3"}, "no quantisation 'int3'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named(changes: dict[str, str], cause: str) -> None:
    """The column, and what there is data for."""
    with pytest.raises(CatalogError, match=cause):
        read(ROW | changes)
