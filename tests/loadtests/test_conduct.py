"""From options and a fleet file to an order."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import UsageError
from cluster.load import load_fleet
from cluster.spec import Fleet, Slo
from loadtests.conduct import Asked, promised

FLEETS = Path(__file__).parents[2] / "fleets"


def asked(**more: object) -> Asked:
    """Options, with an address."""
    return Asked(url="http://127.0.0.1:1", **more)  # type: ignore[arg-type]  # fields by name


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """The example with H100s."""
    return load_fleet(FLEETS / "h100.yaml")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"users": 500}, "chat-500", id="users"),
        pytest.param({"rate": 5.0, "scenario": "mixed"}, "mixed-rate", id="rate"),
        pytest.param({"rate": 5.0, "burst": True}, "chat-burst", id="burst"),
    ],
)
def test_a_scenario_has_a_name(fleet: Fleet, options: dict[str, object], name: str) -> None:
    """Of what is asked and how it comes."""
    assert asked(**options).order(fleet).scenario == name


def test_the_fleet_file_says_what_is_asked(fleet: Fleet) -> None:
    """Lengths, thinking, what the cache holds, tools; no embeddings, as no model makes any."""
    order = asked(users=100).order(fleet)
    assert (order.prompt, order.output) == (fleet.traffic.prompt_tokens, fleet.traffic.output_tokens)
    assert (order.think_s, order.cached_share) == (60, 0.3)
    assert (order.has_tools, order.embedder, order.exact) == (True, "", True)
    assert order.context == 131072 - 64


def test_lengths_are_left_to_engines_that_might_not_take_them() -> None:
    """Such as Claude, which answers what is spilled."""
    spills = load_fleet(FLEETS / "spillover.yaml")
    assert spills.spillover.chain
    assert not asked(users=1).order(spills).exact


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({}, "exactly one", id="nothing"),
        pytest.param({"users": 1, "rate": 1.0}, "not users and rate", id="two"),
        pytest.param({"users": 1, "burst": True}, "--burst goes with --rate", id="bursts of users"),
        pytest.param({"trace": Path("missing.csv")}, r"missing\.csv", id="no trace"),
        pytest.param({"users": 1, "key_envs": ("NO_SUCH_KEY",)}, "NO_SUCH_KEY holds no key", id="no key"),
    ],
)
def test_what_does_not_go_together_is_told(fleet: Fleet, options: dict[str, object], why: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match=why):
        asked(**options).order(fleet)


def test_no_more_workers_than_users(fleet: Fleet) -> None:
    """One that had nobody to be would never be done."""
    assert asked(users=3, workers=8).order(fleet).workers == 3
    assert asked(rate=3.0, workers=8).order(fleet).workers == 8


def test_promises_of_the_command_line_replace_the_files() -> None:
    """One by one; what is none is refused."""
    slo = Slo(ttft_p95_s=1, tpot_p95_s=0.1)
    assert promised(slo, {"ttft_p95_s": 0.5}) == Slo(ttft_p95_s=0.5, tpot_p95_s=0.1)
    for wrong, why in (({"ttft": 1.0}, "there is no ttft"), ({"goodput": 2.0}, "goodput")):
        with pytest.raises(UsageError, match=why):
            promised(slo, wrong)
