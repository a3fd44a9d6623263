"""From a model of the fleet file to a timing, and the errors on the way."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import quant
from cluster.errors import CatalogError
from cluster.latency.plain import plain
from cluster.latency.replica import replica_of, timing_for, timing_of
from cluster.latency.timing import EngineTiming, Step
from cluster.spec import Model

H100 = {"type": "H100", "count": 4}


def served(source: str = "meta-llama/Llama-3.1-70B-Instruct", accelerator: Any = None, **fields: Any) -> Model:  # noqa: ANN401 - fields of the spec
    """A model of a fleet."""
    return Model(source=source, accelerator=accelerator or H100, **fields)


def test_engine_arguments_count() -> None:
    """What the fleet file tells vLLM is what the timing is for."""
    arguments = {"max_num_seqs": 64, "max_num_batched_tokens": 4096, "kv_cache_dtype": "fp8", "quantization": "fp8"}
    replica = replica_of(served(engine_args=arguments))
    assert (replica.max_seqs, replica.max_batched_tokens, replica.kv_bytes, replica.quant.name) == (
        64,
        4096,
        1.0,
        "fp8",
    )
    assert (replica.tp, replica.pp) == (4, 1)


def test_pipeline_stages_take_their_part_of_the_gpus() -> None:
    """Two stages on four GPUs leave two for each layer."""
    replica = replica_of(served(engine_args={"pipeline_parallel_size": 2}))
    assert (replica.tp, replica.pp, replica.gpus) == (2, 2, 4)


def test_a_candidate_replaces_what_the_file_says() -> None:
    """Other GPUs, another split, fewer bits."""
    replica = replica_of(served(), on="L40S", tp=8, stored_as="fp8")
    assert (replica.gpu.name, replica.tp, replica.quant.name) == ("L40S", 8, "fp8")


@pytest.mark.parametrize("more", [Step(0, 0, 65, 65_000), Step(64, 0, 64, 64_000), Step(0, 0, 64, 90_000)], ids=str)
def test_more_work_never_takes_less_time(more: Step) -> None:
    """One sequence, some prompt tokens or more context beside the same."""
    timing = timing_of(served())
    assert timing.step_s(more) >= timing.step_s(Step(0, 0, 64, 64_000)) > 0
    assert timing.step_s(Step(0, 0, 0, 0)) == 0


def test_known_speeds_come_out() -> None:
    """Llama 3.1 8B on an H100 decodes alone in 6 to 13 ms a token; twice the GPUs are faster, but not twice as fast."""
    one, two = (timing_for(plain(architecture("llama-3.1-8b"), gpu("H100"), quant("bf16"), tp=tp)) for tp in (1, 2))
    alone = Step(0, 0, 1, 1000)
    assert 0.006 < one.step_s(alone) < 0.013
    assert one.step_s(alone) / 2 < two.step_s(alone) < one.step_s(alone)


def test_experts_are_read_as_they_are_chosen() -> None:
    """A large batch reads more experts than a small one, up to all of them."""
    timing = timing_for(plain(architecture("qwen3-30b-a3b"), gpu("H100"), quant("bf16")))
    steps = [timing.step_s(Step(0, 0, seqs, seqs)) for seqs in (1, 8, 64)]
    assert steps[1] > 1.5 * steps[0]
    assert steps[2] > steps[1]


def test_tiny_models_run_on_cpus() -> None:
    """As the demo fleet has them."""
    timing: EngineTiming = timing_of(Model(source="builtin:tiny-small", engine_args={"max_num_seqs": 64}))
    assert timing.max_seqs == 64
    assert timing.kv_tokens == 128 * 2**20 // (2 * 2 * 32 * 2)
    assert timing.step_s(Step(0, 0, 8, 800)) > timing.step_s(Step(0, 0, 1, 100)) > 0


@pytest.mark.parametrize(
    ("model", "cause"),
    [
        (served("acme/unheard-of-7b"), r"^source: no model 'acme/unheard-of-7b'"),
        (served(accelerator={"type": "Z80", "count": 1}), r"^accelerator.type: no GPU 'Z80'"),
        (served(engine_args={"quantization": "magic"}), r"^engine_args.quantization: no quantisation 'magic'"),
        (served(accelerator={"type": "L4", "count": 1}), r"does not fit 1 x L4.*use more GPUs, fewer bits"),
        (Model(source="Qwen/Qwen2.5-7B"), r"^accelerator.type: no data for qwen2.5-7b on a CPU"),
        (Model(engine="url", url="http://localhost:1"), r"^engine: a model of engine 'url' runs elsewhere"),
    ],
    ids=["model", "gpu", "quantisation", "memory", "cpu", "elsewhere"],
)
def test_without_figures_there_is_an_error(model: Model, cause: str) -> None:
    """Which names the field and the way out."""
    with pytest.raises(CatalogError, match=cause):
        timing_of(model)
