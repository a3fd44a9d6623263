"""A promoted router decides in the gateway, and every decision says so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cluster.errors import UsageError
from cluster.spec import Routing
from router.decide.cascade import Signals, surprise
from router.learn.artefact import Shelf
from router.learn.promoted import CASCADE, doubt
from router.learn.train import train
from tests.router.gateway import Running, chat, fleet_of
from tests.router.learn.prompts import labels

pytestmark = pytest.mark.anyio


async def test_a_dial_of_quality_is_met_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By the curve in the card; each decision tells its score and what quality to expect."""
    caplog.set_level(logging.INFO)
    train(labels(300), {}, 0, tmp_path / "made")
    Shelf(tmp_path).promote(tmp_path / "made")
    fleet = fleet_of(NOWHERE, NOWHERE, NOWHERE)
    fleet = fleet.model_copy(update={"routing": Routing(quality=0.9)})
    async with Running(fleet, home=tmp_path) as gateway:
        found = (await gateway.post("/v1/route", chat("What is the capital of Peru? Asked for the 5th time."))).json
    assert found["dial"]["met"] is True
    assert 0 < found["dial"]["large_share"] < 1
    assert found["dial"]["says"] in caplog.messages
    assert -1 <= found["score"] <= 1
    small, large = found["candidates"]
    assert (small["model"], large["expected_quality"]) == ("s", 1)
    assert 0.5 < small["expected_quality"] <= 1


NOWHERE = "http://127.0.0.1:9"


async def test_the_gateway_routes_by_what_was_learned(tmp_path: Path) -> None:
    """The same question goes by length first, and by the labels after a promotion."""
    train(labels(300), {}, 0, tmp_path / "made")
    capital = chat(messages=[{"role": "user", "content": "What is the capital of Peru? Asked for the 5th time."}])
    sums = chat(messages=[{"role": "user", "content": "Calculate 123 * 456 and explain each step."}])
    found = []
    for _ in range(2):
        async with Running(fleet_of(NOWHERE, NOWHERE, NOWHERE), home=tmp_path) as gateway:
            found += [(await gateway.post("/v1/route", body)).json["reason"] for body in (capital, sums)]
        Shelf(tmp_path).promote(tmp_path / "made")
    assert found[:2] == ["short-prompt", "short-prompt"]
    assert found[2] == "learned-easy"
    assert found[3] in {"learned-easy", "learned-hard"}


def weights(home: Path, text: str) -> Path:
    """A home with weights for the cascade."""
    (home / CASCADE).parent.mkdir()
    (home / CASCADE).write_text(text)
    return home


def test_the_cascade_weighs_by_what_was_learned(tmp_path: Path) -> None:
    """A weight a signal; what is not named has none. Without a file, surprise it is."""
    assert doubt(None) is doubt(tmp_path) is surprise
    learned = doubt(weights(tmp_path, '{"entropy": 2, "margin": -1}'))
    assert learned(Signals(3, -1.0, -2.0, 0.5, 0.25)) == 0.75


@pytest.mark.parametrize("text", ["{", "[1]", '{"entropy": "much"}', '{"entropie": 1}'])
def test_damaged_weights_are_refused(tmp_path: Path, text: str) -> None:
    """At the start, with the file's name and what belongs there."""
    with pytest.raises(UsageError, match=r"cascade\.json.*mean_logprob"):
        doubt(weights(tmp_path, text))
