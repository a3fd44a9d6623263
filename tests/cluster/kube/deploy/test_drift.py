"""What differs between two states, and what is never shown of it."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.kube.deploy.drift import Change, bare, changes, foreign


def deployment(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """An object."""
    return {"kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


def test_a_field_is_named_with_both_values() -> None:
    """Items of a list by their names, not by their places."""
    before = deployment(replicas=1, containers=[{"name": "x", "image": "i:1"}])
    after = deployment(replicas=2, containers=[{"name": "new"}, {"name": "x", "image": "i:2"}])
    assert changes([before], [after]) == (
        Change("Deployment/a", "spec.containers[new]", "", '{"name": "new"}'),
        Change("Deployment/a", "spec.containers[x].image", '"i:1"', '"i:2"'),
        Change("Deployment/a", "spec.replicas", "1", "2"),
    )


def test_whole_objects_come_and_go() -> None:
    """One line each."""
    other = {"kind": "Job", "metadata": {"name": "b"}}
    assert list(map(str, changes([deployment()], [other]))) == ["- Deployment/a", "+ Job/b"]


def test_a_file_in_an_object_is_compared_by_lines() -> None:
    """Only those that went or came."""
    before = {"kind": "ConfigMap", "metadata": {"name": "f"}, "data": {"fleet.yaml": "a: 1\nb: 2\n"}}
    after = {"kind": "ConfigMap", "metadata": {"name": "f"}, "data": {"fleet.yaml": "a: 1\nb: 3\nc: 4\n"}}
    assert [(one.before, one.after) for one in changes([before], [after])] == [('"b: 2"', '"b: 3"'), ("", '"c: 4"')]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            deployment(env=[{"name": "API_TOKEN", "value": "hunter2"}]),
            deployment(env=[{"name": "API_TOKEN", "value": ""}]),
        ),
        (deployment(password="hunter2"), deployment(password="x")),  # noqa: S106 - a test's
        (deployment(file="a\nhub_token: hunter2"), deployment(file="a\nb")),
        (deployment(apiKey="hunter2"), deployment()),
        (deployment(inner={"pepper": "hunter2"}), deployment()),
    ],
    ids=["variable", "field", "line of a file", "gone", "whole part"],
)
def test_what_could_be_a_secret_is_not_shown(before: dict[str, Any], after: dict[str, Any]) -> None:
    """That it differs is told, how is not; in either direction."""
    for one in (*changes([before], [after]), *changes([after], [before])):
        assert "hunter2" not in str(one)


def test_names_of_secrets_are_shown() -> None:
    """Which Secret is used is no secret, and the very thing that one looks for."""
    before, after = ({"kind": "Ingress", "metadata": {"name": "i"}, "spec": {"secretName": name}} for name in "ab")
    assert str(changes([before], [after])[0]) == '~ Ingress/i spec.secretName: "a" → "b"'


def test_what_the_api_server_keeps_for_itself_does_not_count() -> None:
    """Versions, managers and status differ between any two reads."""
    live = deployment(replicas=1) | {"status": {"ready": 1}}
    live["metadata"] = {"name": "a", "resourceVersion": "7", "managedFields": []}
    assert changes([bare(live)], [deployment(replicas=1)]) == ()


def test_fields_of_a_hand_are_told_with_its_name() -> None:
    """Controllers, Helm and subresources are no hands."""
    fields = {"f:spec": {"f:env": {'k:{"name":"A"}': {".": {}, "f:value": {}}}}, "f:status": {"f:x": {}}}
    managed = [
        {"manager": "kubectl-edit", "fieldsV1": fields},
        {"manager": "helm", "fieldsV1": fields},
        {"manager": "kube-controller-manager", "fieldsV1": fields},
        {"manager": "kubectl", "subresource": "scale", "fieldsV1": fields},
    ]
    item = {"kind": "Deployment", "metadata": {"name": "a", "managedFields": managed}}
    assert list(foreign(item)) == [Change("Deployment/a", "spec.env[A].value", "", "set by kubectl-edit, stays")]
