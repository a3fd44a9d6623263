"""What the free GPUs could run."""

from __future__ import annotations

from cluster.kube.gpus.fit import Toleration, Wanted
from cluster.kube.gpus.hosting import More, catalogue_room, fleet_room
from cluster.kube.gpus.inventory import PRODUCT, nodes_of, pools
from tests.cluster.kube.objects import GPU, node, pod


def test_replicas_of_several_pods_count_whole() -> None:
    """Five nodes have room for two replicas of two pods each, and a half."""
    nodes = nodes_of([node(f"n{place}") for place in range(5)], [])
    whole = Wanted("big", 2, {GPU: 8.0}, {PRODUCT: "NVIDIA-H200"}, (Toleration(operator="Exists"),), GPU)
    assert fleet_room([("big", whole)], nodes) == (More("big", "NVIDIA-H200", 8, 2),)


def test_a_catalogue_model_takes_the_fewest_gpus_that_hold_it() -> None:
    """An 8B model fits on one H200 and DeepSeek-V3 on eight, of which a used node has none."""
    nodes = nodes_of([node("n1"), node("n2")], [pod("p", "n2", 3)])
    found = {one.model: one for one in catalogue_room(pools(nodes), nodes)}
    assert (found["llama-3.1-8b"].gpus, found["llama-3.1-8b"].replicas) == (1, 13)
    assert (found["deepseek-v3"].gpus, found["deepseek-v3"].replicas) == (8, 1)


def test_a_gpu_without_figures_hosts_nothing_that_could_be_told() -> None:
    """Nothing is guessed."""
    nodes = nodes_of([node("n1", product="Unheard-Of")], [])
    assert catalogue_room(pools(nodes), nodes) == ()
