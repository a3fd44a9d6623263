"""A rehearsal is the fleet without what is real in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.load import load_fleet
from cluster.spec import Engine
from cluster.supervise.rehearsal import rehearsal, write_rehearsal
from cluster.supervise.state import Home

FILES = sorted(Path("fleets").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_example_can_be_rehearsed(file: Path, tmp_path: Path) -> None:
    """What is written is a fleet file, all of its models are simulated, and everything else is as it was."""
    written = load_fleet(write_rehearsal(file, Home(tmp_path), 10))
    real = load_fleet(file)
    assert {model.engine for model in written.models.values()} == {Engine.SIMULATED}
    assert {model.speed for model in written.models.values()} == {10}
    kept = {"models", "database", "traffic"}
    assert written.model_dump(exclude=kept) == real.model_dump(exclude=kept)
    for name, model in written.models.items():
        assert (model.capabilities, model.price) == (real.models[name].capabilities, real.models[name].price)
        assert model.answer_limit == real.models[name].answer_limit
        assert not model.key_env


def test_other_sites_are_left_alone(tmp_path: Path) -> None:
    """But for those on this machine, which can only be rehearsed, too."""
    fleet = load_fleet("fleets/sites.yaml")
    away = fleet.sites["fra"].model_copy(update={"url": "https://fra.example.com"})
    assert list(rehearsal(fleet, tmp_path, 1).sites) == ["ber", "fra"]
    changed = fleet.model_copy(update={"sites": {**fleet.sites, "fra": away}})
    assert list(rehearsal(changed, tmp_path, 1).sites) == ["ber"]


def test_nobody_is_charged_elsewhere(tmp_path: Path) -> None:
    """A database that the fleet file names is not touched; a trace is still found from another folder."""
    fleet = load_fleet("fleets/team.yaml")
    database = fleet.database.model_copy(update={"url_env": "PRODUCTION"})
    traffic = fleet.traffic.model_copy(update={"trace": "day.csv"})
    found = rehearsal(fleet.model_copy(update={"database": database, "traffic": traffic}), tmp_path, 1)
    assert not found.database.url_env
    assert found.traffic.trace == str(tmp_path / "day.csv")
