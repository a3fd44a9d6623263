"""Whether pods would find nodes, and what is told when they would not."""

from __future__ import annotations

import pytest

from cluster.kube.gpus.fit import Toleration, Wanted, room, unplaced
from cluster.kube.gpus.inventory import Node, Taint, nodes_of
from tests.cluster.kube.objects import GPU, Object, node, pod

TOLERANT = (Toleration(GPU, "Exists", "", "NoSchedule"),)


def wanted(count: int, gpus: int, **more: object) -> Wanted:
    """Pods with GPUs that tolerate the usual taint."""
    asked = {"cpu": 4.0 * gpus, "memory": 2**30, GPU: gpus, "pods": 1}
    return Wanted("a", count, **({"requests": asked, "tolerations": TOLERANT, "gpu": GPU} | more))  # type: ignore[arg-type]


def nodes(*held: int) -> tuple[Node, ...]:
    """Nodes of eight GPUs, of which so many are held."""
    names = [f"gpu-{place}" for place, _ in enumerate(held, 1)]
    return nodes_of(map(node, names), [pod(f"p-{on}", on, gpus) for on, gpus in zip(names, held, strict=True) if gpus])


@pytest.mark.parametrize(
    ("count", "gpus", "held", "missing"),
    [(3, 8, (0, 0, 0), 0), (4, 8, (0, 0, 0), 1), (6, 4, (0, 0, 0), 0), (1, 4, (5, 5, 5), 1), (2, 4, (4, 4, 8), 0)],
    ids=["each a node", "a node too few", "two on each", "scattered", "in the gaps"],
)
def test_gpus_of_a_pod_are_on_one_node(count: int, gpus: int, held: tuple[int, ...], missing: int) -> None:
    """What is free altogether is not what one pod can have."""
    assert sum(one.missing for one in unplaced([wanted(count, gpus)], nodes(*held))) == missing


def test_large_pods_are_placed_first() -> None:
    """Small ones fill what is left: in the other order the large one would wait."""
    assert unplaced([wanted(4, 2), wanted(1, 8)], nodes(0, 0)) == ()


def test_scattered_gpus_are_told_as_such() -> None:
    """Enough are free, but not together."""
    (found,) = unplaced([wanted(1, 4)], nodes(5, 5, 6))
    assert found.why == (
        "each needs 4 nvidia.com/gpu on one node; 8 are free on 3 nodes, at most 3 together (gpu-1), "
        "but scattered: fragmentation"
    )


@pytest.mark.parametrize(
    ("change", "item", "said"),
    [
        (
            {"selector": {"nvidia.com/gpu.product": "NVIDIA-H100"}},
            node("n"),
            "is not nvidia.com/gpu.product=NVIDIA-H100",
        ),
        ({"tolerations": ()}, node("n"), "has the taint nvidia.com/gpu=present:NoSchedule"),
        ({}, node("n", spec={"unschedulable": True}), "cordoned"),
        ({"requests": {GPU: 1.0, "cpu": 99.0}}, node("n"), "no node has enough cpu left"),
    ],
    ids=["label", "taint", "cordon", "cores"],
)
def test_why_a_node_would_not_take_a_pod(change: dict[str, object], item: Object, said: str) -> None:
    """The reason is the node's, by the name of the label, the taint or the resource."""
    (found,) = unplaced([wanted(1, 1, **change)], nodes_of([item], []))
    assert said in found.why


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        (Toleration(GPU, "Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(GPU, "Equal", "present"), True),
        (Toleration(GPU, "Equal", "other"), False),
        (Toleration(GPU, "Exists", "", "NoExecute"), False),
        (Toleration("other", "Exists"), False),
    ],
    ids=["key", "all", "value", "other value", "other effect", "other key"],
)
def test_tolerations_are_read_as_the_scheduler_does(toleration: Toleration, *, covers: bool) -> None:
    """By key, value and effect."""
    assert toleration.covers(Taint(GPU, "present", "NoSchedule")) is covers


def test_room_counts_how_many_more_would_fit() -> None:
    """Replicas of two on nodes with three, eight and one left."""
    assert room(wanted(1, 2), nodes(5, 0, 7)) == 5
