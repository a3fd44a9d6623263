"""What a rendered release asks of a cluster."""

from __future__ import annotations

import pytest

from cluster.kube.deploy.wanted import is_pinned, secrets, templates
from tests.cluster.kube.deploy.rendered_facts import deployment, ray_service
from tests.cluster.kube.objects import GPU, Object


def test_a_ray_service_is_a_head_and_all_hosts_of_its_replicas() -> None:
    """Three replicas on two hosts each are six pods beside the head."""
    found = templates([ray_service(replicas=3, hosts=2, gpus=8)])
    assert [(one.owner, one.count) for one in found] == [
        ("RayService/freehold-a (head)", 1),
        ("RayService/freehold-a (replicas)", 6),
    ]
    assert found[1].wanted().requests[GPU] == 8
    assert found[1].wanted().gpu == GPU


def test_what_is_autoscaled_starts_with_the_least() -> None:
    """A Deployment without a number has that of its autoscaler."""
    scaled = deployment()
    del scaled["spec"]["replicas"]
    target = {"scaleTargetRef": {"name": "freehold-gateway"}, "minReplicas": 2}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "g"}}
    assert templates([scaled, scaler | {"spec": target}])[0].count == 2


def test_secrets_are_found_wherever_they_are_named() -> None:
    """In variables, for images, for TLS and for Ray's token; what is optional is not needed."""
    optional = {"name": "B", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}}
    needed = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}
    pods = deployment(container={"env": [needed, optional]}, imagePullSecrets=[{"name": "registry"}])
    ingress = {"kind": "Ingress", "metadata": {"name": "i"}, "spec": {"tls": [{"secretName": "cert"}]}}
    ray: Object = ray_service()
    ray["spec"]["rayClusterConfig"]["authOptions"] = {"mode": "token", "secretName": "ray"}
    assert secrets([pods, ingress, ray]) == {
        "db": {"url": "A of Deployment/freehold-gateway"},
        "registry": {"": "imagePullSecrets of Deployment/freehold-gateway"},
        "cert": {"tls.crt": "tls of Ingress/i"},
        "ray": {"auth_token": "authOptions of RayService/freehold-a"},
    }


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("a/b:1", True),
        ("host:5000/a/b@sha256:0", True),
        ("host:5000/a/b", False),
        ("a/b:latest", False),
        ("host:5000/a:1", True),
    ],
    ids=str,
)
def test_pinned_images(image: str, *, pinned: bool) -> None:
    """A registry's port is no tag."""
    assert is_pinned(image) is pinned
