"""What nodes have, what their pods hold, and what is scattered."""

from __future__ import annotations

import pytest

from cluster.kube.gpus.inventory import Pool, amount, is_gpu, nodes_of, pools, requests
from tests.cluster.kube.objects import GPU, node, pod


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("500m", 0.5), ("64Gi", 64 * 2**30), ("8", 8), ("1.5", 1.5), ("2k", 2000), ("1e3", 1000), (4, 4), ("12E", 12e18)],
    ids=str,
)
def test_quantities(quantity: str | int, number: float) -> None:
    """Every way in which Kubernetes writes an amount."""
    assert amount(quantity) == number


@pytest.mark.parametrize("name", [GPU, "amd.com/gpu", "nvidia.com/mig-3g.40gb", "gpu.intel.com/i915"], ids=str)
def test_gpus_of_all_vendors(name: str) -> None:
    """Parts of GPUs count as GPUs; cores and network cards do not."""
    assert is_gpu(name)
    assert not is_gpu("cpu")
    assert not is_gpu("nvidia.com/hostdev")


def test_what_is_free_is_what_no_running_pod_holds() -> None:
    """A pod that has ended holds nothing, and neither does one without a node."""
    pods = [pod("a", "gpu-1", 3), pod("b", "gpu-1", 2, phase="Succeeded"), pod("c", gpus=4)]
    (found,) = nodes_of([node("gpu-1")], pods)
    assert found.free[GPU] == 5
    assert found.held["pods"] == 1


def test_an_init_container_counts_only_where_it_is_larger() -> None:
    """It runs before the others, so its request is not added to theirs."""
    spec = pod("a", gpus=1)["spec"] | {"initContainers": [{"resources": {"requests": {"cpu": "4", "memory": "1Mi"}}}]}
    assert requests(spec) == {"cpu": 4, "memory": 2**30, GPU: 1, "pods": 1}


def test_a_limit_alone_is_a_request() -> None:
    """For GPUs many write only the limit; Kubernetes takes it for both."""
    assert requests({"containers": [{"resources": {"limits": {GPU: "2"}}}]})[GPU] == 2


def test_fragmentation_is_the_share_on_nodes_that_are_partly_used() -> None:
    """Eight free on an empty node and five on a used one: five of thirteen are scattered."""
    found = pools(nodes_of([node("gpu-1"), node("gpu-2")], [pod("a", "gpu-2", 3)]))
    assert found == (Pool("H200", GPU, 2, 16, 3, 13, 8, 5 / 13),)


def test_a_node_that_takes_no_pods_has_nothing_free_and_says_why() -> None:
    """Cordoned, not ready, or with a condition that a GPU's health check has set."""
    lost = {"conditions": [{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}]}
    ill = [{"type": "Ready", "status": "True"}, {"type": "GpuUnhealthy", "status": "True", "message": "Xid 79"}]
    nodes = nodes_of(
        [node("a", spec={"unschedulable": True}), node("b", status=lost), node("c", status={"conditions": ill})], []
    )
    assert nodes[0].complaints == ("cordoned; kubectl uncordon lets pods in",)
    assert nodes[1].complaints == ("not ready: Kubelet stopped posting node status.",)
    assert nodes[2].complaints == ("GpuUnhealthy: Xid 79",)
    assert [node.ready for node in nodes] == [False, False, True]
