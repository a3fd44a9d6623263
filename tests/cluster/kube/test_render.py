"""A fleet file that cannot run on Kubernetes is refused by field, before anything is rendered."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.errors import UsageError
from cluster.kube.render import values_of
from cluster.kube.values.engines import Mode
from cluster.spec import Fleet

LLAMA: dict[str, Any] = {
    "source": "meta-llama/Llama-3.1-8B-Instruct",
    "context_length": 8192,
    "accelerator": {"type": "L4", "count": 1},
}


def _fleet(**change: object) -> Fleet:
    return Fleet.model_validate({"name": "f", "models": {"m": LLAMA | change}})


@pytest.mark.parametrize(
    ("change", "mode", "expected"),
    [
        pytest.param({"context_length": 131072}, Mode.RAY, "KV cache of one sequence of 131072 tokens", id="context"),
        pytest.param({"source": "meta-llama/Llama-3.3-70B-Instruct"}, Mode.PLAIN, "does not fit 1 x L4", id="weights"),
        pytest.param({"source": "/models/x"}, Mode.RAY, "models.m.source: a path of this machine", id="path"),
        pytest.param(
            {"engine_args": {"tensor_parallel_size": 2}}, Mode.RAY, "tensor x pipeline parallel is 2", id="parallel"
        ),
        pytest.param({"accelerator": {"type": "H100", "count": 16}}, Mode.PLAIN, "use --mode ray", id="two nodes"),
    ],
)
def test_what_cannot_run_is_refused_by_field(change: dict[str, Any], mode: Mode, expected: str) -> None:
    """With the figures that say why, and the way out."""
    with pytest.raises(UsageError, match="models") as caught:
        values_of(_fleet(**change), "", mode=mode, open_to_all=True)
    assert expected in str(caught.value)


def test_everything_that_does_not_fit_is_said_at_once() -> None:
    """One line for each field."""
    fleet = _fleet(source="./here", context_length=131072, engine_args={"tensor_parallel_size": 2})
    with pytest.raises(UsageError) as caught:
        values_of(fleet, "", mode=Mode.RAY)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "tenants.access",
        "models.m.source",
        "models.m.engine_args.tensor_parallel_size",
    ]


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        pytest.param({}, Mode.RAY, id="fits"),
        pytest.param({"context_length": 131072}, Mode.SIMULATED, id="nothing to hold"),
        pytest.param({"source": "acme/unheard-of", "context_length": 131072}, Mode.RAY, id="nobody has figures"),
        pytest.param({"accelerator": {"type": "Gaudi3", "count": 1}}, Mode.RAY, id="a GPU without figures"),
    ],
)
def test_what_may_run_is_not_refused(change: dict[str, Any], mode: Mode) -> None:
    """Memory is only an argument where it is known and used."""
    assert values_of(_fleet(**change), "", mode=mode, open_to_all=True).models[0].name == "m"


def test_keys_of_other_sites_come_from_the_secret() -> None:
    """By the variable that the fleet file names; this site's own entry needs none."""
    sites = {name: {"url": f"https://{name}.example.com", "api_key_env": f"{name.upper()}_KEY"} for name in ("f", "g")}
    fleet = Fleet.model_validate({"name": "f", "models": {"m": LLAMA}, "sites": sites})
    [key] = values_of(fleet, "", open_to_all=True).gateway.hosted_keys
    assert (key.env, key.secret.name, key.secret.key) == ("G_KEY", "freehold", "G_KEY")


def test_connections_are_gone_before_an_engine_is() -> None:
    """An engine that is to end waits longer than any gateway keeps a connection to it."""
    fleet = Fleet.model_validate({"name": "f", "models": {"m": LLAMA}, "gateway": {"limits": {"reuse_seconds": 12.5}}})
    assert values_of(fleet, "", open_to_all=True).engines.leave_seconds == 18
