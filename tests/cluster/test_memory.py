"""What fits into a GPU, against what vLLM itself reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import quant
from cluster.memory import USABLE_SHARE, Replica, budget, kv_bytes_of, kv_bytes_per_token, weight_bytes

SEVENTY = Replica(
    architecture("llama-3.1-70b"),
    gpu("H100"),
    tp=4,
    max_seqs=128,
    max_batched_tokens=8192,
    utilization=0.9,
    context=4096,
)
YI = replace(SEVENTY, model=architecture("yi-34b"), tp=2, max_batched_tokens=2048)


@pytest.mark.parametrize(("replica", "blocks"), [(SEVENTY, 30_251), (YI, 20_793)], ids=["llama 70b", "yi 34b"])
def test_kv_tokens_are_those_that_vllm_reported(replica: Replica, blocks: int) -> None:
    """Within 2 % of the blocks of 16 tokens in published logs (inference-sim's validation runs on H100)."""
    assert budget(replica).kv_tokens == pytest.approx(16 * blocks, rel=0.02)


@pytest.mark.parametrize(
    ("model", "tp", "expected"),
    [
        ("llama-3.1-8b", 1, 131_072),
        ("llama-3.1-8b", 16, 131_072 / 8),
        ("deepseek-r1", 1, 70_272),
        ("deepseek-r1", 8, 70_272),
        ("gpt-oss-120b", 1, 73_728 / 2),
        ("qwen3.5-397b-a17b", 1, 30_720),
    ],
)
def test_kv_bytes_of_a_token(model: str, tp: int, expected: float) -> None:
    """Heads are split up to one each, a latent never; layers with a window hold no further token."""
    replica = replace(SEVENTY, model=architecture(model), tp=tp)
    assert kv_bytes_per_token(replica) == expected
    assert kv_bytes_per_token(replace(replica, kv_bytes=1.0)) == expected / 2


def test_a_window_fills_once() -> None:
    """Beyond its window a layer takes no more."""
    replica = replace(SEVENTY, model=architecture("gpt-oss-20b"), tp=1)
    long, longer = kv_bytes_of(replica, 1000), kv_bytes_of(replica, 2000)
    assert longer - long == 1000 * kv_bytes_per_token(replica)
    assert long > 1000 * kv_bytes_per_token(replica)


def test_quantisation_leaves_embeddings_alone() -> None:
    """70 billion parameters in FP8 are 72.7 GB, as published checkpoints are."""
    assert weight_bytes(architecture("llama-3.1-70b"), quant("fp8")) == pytest.approx(72.7e9, rel=0.01)
    assert weight_bytes(architecture("llama-3.1-70b"), quant("awq")) == pytest.approx(39.8e9, rel=0.03)


def test_what_does_not_fit_says_so() -> None:
    """A 70B model in 2 bytes on one H100; four of them hold it, adapters take their part."""
    assert not budget(replace(SEVENTY, tp=1)).fits
    room = budget(SEVENTY)
    assert room.fits
    assert budget(replace(SEVENTY, lora_slots=8)).kv < room.kv
    assert sum(room.parts.values()) == pytest.approx(room.usable)


def test_a_share_of_what_is_free() -> None:
    """Where weights nearly fill a GPU, nine tenths of the rest are much more than what is left of nine tenths."""
    full = replace(SEVENTY, quant=quant("fp8"), tp=1)
    of_all, of_free = budget(full), budget(replace(full, of_free=True))
    assert of_free.kv > 2 * of_all.kv
    for room in (of_all, of_free):
        assert sum(room.parts.values()) == pytest.approx(room.usable)
    unused = full.gpu.memory_bytes * USABLE_SHARE - of_free.usable
    assert unused == pytest.approx(of_free.kv / 9)


def test_experts_are_shared_out() -> None:
    """With attention replicated over 8 GPUs, DeepSeek fits where one GPU alone could not hold it."""
    alone = replace(SEVENTY, model=architecture("deepseek-r1"), gpu=gpu("H200"), quant=quant("fp8_block"), tp=1)
    assert not budget(alone).fits
    assert budget(replace(alone, ep=8)).fits
