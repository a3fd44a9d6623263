"""What has become of a release, in the words of whoever knows."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.kube.deploy.rollout import Phase, Row, Seen, rows
from tests.cluster.kube.objects import Object, pod, ready_pod

LABELS = {"app.kubernetes.io/component": "engine", "freehold.dev/model": "m-1"}
NAMES = {"m-1": "model.1"}


def deployment(wanted: int = 1, /, *, labels: dict[str, str] = LABELS, generation: int = 1, **status: Any) -> Object:  # noqa: ANN401 - JSON
    """A model's Deployment."""
    spec = {"replicas": wanted, "selector": {"matchLabels": labels}}
    metadata = {"name": "fleet-m-1", "labels": labels, "generation": generation}
    return {"kind": "Deployment", "metadata": metadata, "spec": spec, "status": {"observedGeneration": 1} | status}


def one(item: Object, *pods: Object, events: tuple[Object, ...] = (), **progress: str) -> Row:
    """The row of a release that has nothing else."""
    (row,) = rows(Seen((item,), pods, events, progress), NAMES)
    return row


def counts(number: int) -> dict[str, Any]:
    """A Deployment that is whole."""
    return {"replicas": number, "updatedReplicas": number, "availableReplicas": number}


def test_a_deployment_is_ready_when_all_its_pods_are() -> None:
    """And is named as the fleet file names the model."""
    row = one(deployment(2, **counts(2)), ready_pod("a", LABELS), ready_pod("b", LABELS))
    assert row == Row("model.1", "Deployment/fleet-m-1", 2, 2, Phase.READY)


def test_a_change_that_its_controller_has_not_seen_is_not_ready() -> None:
    """The status is still that of the old version."""
    assert one(deployment(generation=2, **counts(1)), ready_pod("a", LABELS)).phase is Phase.UPDATING


def test_old_pods_that_still_serve_are_an_update_under_way() -> None:
    """Ready in the new version, but not done."""
    row = one(deployment(**(counts(1) | {"replicas": 2})), ready_pod("a", LABELS))
    assert (row.phase, row.reason) == (Phase.UPDATING, "1 of the old version still end")


def test_a_pod_without_a_node_tells_the_schedulers_words() -> None:
    """As it gave them."""
    said = "0/6 nodes are available: 3 Insufficient nvidia.com/gpu."
    waiting = [{"type": "PodScheduled", "status": "False", "message": said}]
    row = one(deployment(), pod("a", metadata={"labels": LABELS}, phase="Pending", status={"conditions": waiting}))
    assert (row.phase, row.reason) == (Phase.PENDING, said)


@pytest.mark.parametrize(
    ("status", "phase", "reason"),
    [
        (
            {
                "containerStatuses": [
                    {"name": "engine", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
                ]
            },
            Phase.FAILING,
            "ImagePullBackOff of engine: no",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "engine",
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                        "lastState": {"terminated": {"reason": "OOMKilled"}},
                    }
                ]
            },
            Phase.FAILING,
            "CrashLoopBackOff of engine, it ended with OOMKilled: back-off 10s",
        ),
        ({"phase": "Failed", "message": "Evicted: disk"}, Phase.FAILING, "Evicted: disk"),
        (
            {"initContainerStatuses": [{"name": "weights", "state": {"running": {}}}]},
            Phase.FETCHING,
            "waits for weights",
        ),
        ({"containerStatuses": [{"name": "engine", "state": {"running": {}}}]}, Phase.LOADING, "weights 2/4"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, Phase.STARTING, "on gpu-1"),
    ],
    ids=["image", "crash", "evicted", "weights", "loading", "creating"],
)
def test_what_a_pod_that_is_not_ready_does(status: Object, phase: Phase, reason: str) -> None:
    """From its containers' states, and its log where it loads."""
    row = one(deployment(), ready_pod("a", LABELS, ready=False, **status), a="weights 2/4")
    assert (row.ready, row.phase, row.reason) == (0, phase, reason)


def test_the_worst_pod_names_the_phase() -> None:
    """One that loads is no reason to overlook one that fails."""
    crash = [{"name": "engine", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    loads = [{"name": "engine", "state": {"running": {}}}]
    pods = [ready_pod(str(n), LABELS, ready=False, containerStatuses=one) for n, one in enumerate((loads, crash))]
    assert one(deployment(2), *pods).phase is Phase.FAILING


def test_pods_that_a_quota_forbids_are_told_by_the_event() -> None:
    """There is no pod that could tell; the event is of something that was made of the Deployment."""
    told = 'pods "fleet-m-1-x" is forbidden: exceeded quota: gpus'
    event = {"involvedObject": {"name": "fleet-m-1-5d9"}, "message": told, "lastTimestamp": "2026-01-01T00:00:01Z"}
    row = one(deployment(), events=(event | {"message": "older", "lastTimestamp": "2026-01-01T00:00:00Z"}, event))
    assert (row.phase, row.reason) == (Phase.REFUSED, told)


def test_a_pod_that_ends_is_nobodys() -> None:
    """It neither counts nor delays."""
    leaving = ready_pod("old", LABELS)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert one(deployment(**counts(1)), leaving, ready_pod("new", LABELS)).ready == 1


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        ([{"type": "Ready", "status": "True"}], Phase.READY),
        ([{"type": "Ready", "status": "True"}, {"type": "UpgradeInProgress", "status": "True"}], Phase.UPDATING),
        ([{"type": "Ready", "status": "False", "message": "no serve endpoints"}], Phase.UPDATING),
    ],
    ids=["ready", "a second cluster starts", "not ready"],
)
def test_a_ray_service_is_ready_when_its_operator_says_so(conditions: list[Object], phase: Phase) -> None:
    """Ready pods alone serve nobody yet."""
    groups = [{"groupName": "replicas", "replicas": 1, "numOfHosts": 1}]
    item = deployment(conditions=conditions) | {"kind": "RayService"}
    item["spec"] = {"rayClusterConfig": {"workerGroupSpecs": groups}}
    row = one(item, ready_pod("head", LABELS), ready_pod("worker", LABELS))
    assert (row.wanted, row.ready, row.phase) == (2, 2, phase)


def test_a_job_is_done_when_it_has_ended_well() -> None:
    """Weights that are there are not waited for."""
    job = {"kind": "Job", "metadata": {"name": "w"}, "spec": {}, "status": {}}
    begun = ready_pod("w-1", {"job-name": "w"}, ready=False, containerStatuses=[{"state": {"running": {}}}])
    assert one(job, begun).phase is Phase.LOADING
    assert one(job | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}).is_ready


def test_what_is_expected_and_not_there_is_waited_for() -> None:
    """A Deployment that has not been seen yet must not pass for a release that is ready."""
    (row,) = rows(Seen((), ()), {}, [("Deployment", "fleet-m-1")])
    assert not row.is_ready
