"""From a model of the fleet file to what an engine pretends."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.errors import EngineFailedError
from cluster.latency.timing import Step
from cluster.spec import Lengths, Model
from serving.simulated.fleet import simulation_of

LENGTHS = Lengths(p50=10, p95=20)
EIGHT_B: dict[str, Any] = {
    "engine": "simulated",
    "source": "meta-llama/Llama-3.1-8B-Instruct",
    "accelerator": {"type": "H100", "count": 1},
}


def test_a_larger_gpu_is_faster() -> None:
    """The timing is that of the model on the GPU that is named."""
    one = Step(prefill_tokens=0, prefill_context=0, decode_seqs=1, decode_context=100)
    times = [
        simulation_of("m", Model.model_validate(EIGHT_B | {"accelerator": accelerator}), LENGTHS).timing.step_s(one)
        for accelerator in ({"type": "L40S", "count": 1}, {"type": "H100", "count": 1})
    ]
    assert times[0] > 2 * times[1]


def test_what_the_fleet_file_says_is_kept() -> None:
    """Name, length, answers, adapters, speed."""
    model = Model.model_validate(EIGHT_B | {"adapters": {"a": "x"}, "speed": 5, "context_length": 100})
    found = simulation_of("m", model, LENGTHS)
    assert (found.model, found.context_length, found.answer_tokens) == ("m", 100, LENGTHS)
    assert (found.adapters, found.speed) == (("a",), 5)


def test_a_model_of_unknown_size_is_as_fast_as_any() -> None:
    """Without a source there is nothing to compute from, and no GPU to name."""
    found = simulation_of("m", Model.model_validate({"engine": "simulated", "context_length": 10_000}), LENGTHS)
    assert found.timing.kv_tokens >= 10_000


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"source": "nobody/knows-this"}, "source"),
        ({"accelerator": {"type": "Abacus", "count": 1}}, "accelerator.type"),
        ({"source": "meta-llama/Llama-3.1-70B-Instruct"}, "does not fit"),
    ],
    ids=["model", "gpu", "too-large"],
)
def test_what_could_not_run_is_not_rehearsed(changed: dict[str, Any], named: str) -> None:
    """An error names the field, as the real start would fail."""
    with pytest.raises(EngineFailedError, match=named):
        simulation_of("m", Model.model_validate(EIGHT_B | changed), LENGTHS)
