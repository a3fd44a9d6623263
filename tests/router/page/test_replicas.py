"""How many replicas there are, what changed and why: as far as other processes have left word."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cluster.spec import Fleet
from router.page.replicas import Replicas
from router.page.workers import Gauge
from tests.router.page.facts import FLEET, NOON, Clock

BUSY = {"l": Gauge(40, 5)}


def fleet(**replicas: Any) -> Fleet:  # noqa: ANN401 - as in a fleet file
    """With other bounds for the model that runs here."""
    found = FLEET.model_dump()
    found["models"]["l"]["replicas"] = replicas
    return Fleet.model_validate({**found, "slo": {"ttft_p95_s": 1}})


def tell(home: Path, **replicas: int) -> None:
    """As the supervisor does."""
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "replicas.json").write_text(json.dumps(replicas))


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        ({"min": 1, "max": 4}, "40 in flight, 5 waiting; Ray Serve aims at 16 in flight per replica"),
        ({"min": 2, "max": 2}, "not scaled: a replica came back"),
        ({"min": 1, "max": 4, "autoscaling": "slo"}, "the slo policy has left no reason"),
    ],
    ids=["ongoing", "fixed", "slo"],
)
def test_a_change_and_its_reason(tmp_path: Path, bounds: dict[str, Any], why: str) -> None:
    """By the policy that the fleet file names."""
    replicas = Replicas(fleet(**bounds), tmp_path, Clock())
    for count in (1, 1, 3):
        tell(tmp_path, l=count, gone=1)
        replicas.look(BUSY)
    assert [(move.model, move.before, move.after, move.why) for move in replicas.moves] == [("l", 1, 3, why)]
    assert replicas.known == {"l": 3, "gone": 1}


def test_what_the_policy_said(tmp_path: Path) -> None:
    """The reason that it left beside the numbers; one of long ago is not taken for it."""
    replicas = Replicas(fleet(min=1, max=4, autoscaling="slo"), tmp_path, Clock())
    tell(tmp_path, l=1)
    replicas.look(BUSY)
    for at, count in ((NOON - 5, 2), (NOON - 5000, 3)):
        (tmp_path / "run" / "wish-l.json").write_text(json.dumps({"at": at, "wanted": 2, "why": "a wave comes"}))
        tell(tmp_path, l=count)
        replicas.look(BUSY)
    assert [move.why for move in replicas.moves] == ["a wave comes", "the slo policy has left no reason"]


def test_nobody_says(tmp_path: Path) -> None:
    """Without a home, without a file, or with one that is no longer written, nothing is known."""
    tell(tmp_path, l=2)
    os.utime(tmp_path / "run" / "replicas.json", (1, 1))
    for home in (None, tmp_path / "nothing", tmp_path):
        replicas = Replicas(FLEET, home, Clock())
        replicas.look(BUSY)
        assert not replicas.known
