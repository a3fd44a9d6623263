"""Steps as physics has them: what each part of a configuration adds to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.latency.configuration import read
from cluster.latency.features import physics
from cluster.latency.overheads import OVERHEADS, Overheads, overheads
from cluster.latency.roofline import roofline
from cluster.memory import Replica
from tests.cluster.latency.rows import ROW

LARGE = Replica(architecture("llama-3.1-70b"), gpu("L40S"))
FREE = Overheads(1, 1, 0, 0, 0, 0, 0, 0)


def sent_s(replica: Replica) -> float:
    """What a token's sums over the GPUs take, at full arithmetic."""
    without = replace(replica, gpu=replace(replica.gpu, link=1e30))
    return roofline(replica, FREE).token_s - roofline(without, FREE).token_s


def test_gpus_share_the_way_through_their_host() -> None:
    """Over PCIe eight GPUs are slower than two by more than what they send; over NVLink they are not."""
    bytes_more = (7 / 8) / (1 / 2)
    assert sent_s(replace(LARGE, tp=8)) / sent_s(replace(LARGE, tp=2)) > 2 * bytes_more
    linked = replace(LARGE, gpu=gpu("H100-SXM"))
    assert sent_s(replace(linked, tp=8)) / sent_s(replace(linked, tp=2)) == pytest.approx(bytes_more, rel=1e-3)


def test_layers_with_experts_cost_more() -> None:
    """In every layer; a dense model has none of it."""
    using, dear = Overheads(), replace(Overheads(), experts_s=1e-3)
    assert roofline(LARGE, using).fixed_s == roofline(LARGE, dear).fixed_s
    mixture = replace(LARGE, model=architecture("mixtral-8x7b"))
    more = roofline(mixture, dear).fixed_s - roofline(mixture, using).fixed_s
    assert more == pytest.approx(mixture.model.layers * (1e-3 - using.experts_s))


def test_an_early_engine_has_figures_of_its_own() -> None:
    """Served or not; one that is not known is taken for vLLM, and a date that is not known for today."""
    assert overheads("vllm", 2024.5) == OVERHEADS["vllm-2024-served"]
    assert overheads("vllm", 2024.5, served=False) == OVERHEADS["vllm-2024"]
    assert overheads("trtllm", 2024.5) == OVERHEADS["trtllm-2024"]
    assert overheads("else") == overheads("vllm", 2026) == OVERHEADS["vllm"]


def test_a_short_run_has_fewer_callers_than_it_says() -> None:
    """As many callers as requests: half of them run at a time, as they have nothing to do towards the end."""
    asked = read(ROW | {"load_value": "64", "n_gpus": "4"})
    assert physics(asked, replace(Overheads(), run=64)).pace.running == pytest.approx(32)
    assert physics(asked, Overheads()).pace.running == 64
