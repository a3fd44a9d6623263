"""The record of a running fleet, and the lock that tells the living from the dead."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from cluster.errors import AlreadyRunningError, FreeholdError, NotRunningError
from cluster.supervise.state import Home, Phase, Record

RECORD = Record(
    run="r1",
    fleet="demo",
    file="/f.yaml",
    url="http://127.0.0.1:8080",
    scratch="/tmp/fh-x",  # noqa: S108 - a name, not a file
    supervisor=os.getpid(),
    supervisor_created=psutil.Process().create_time(),
    started=time.time(),
    drain_s=1,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that no fleet has used."""
    return Home(tmp_path / "home")


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FREEHOLD_HOME comes first, then XDG_STATE_HOME, then the user's own directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FREEHOLD_HOME", raising=False)
    assert Home.from_environment().root == tmp_path / "freehold"
    monkeypatch.setenv("FREEHOLD_HOME", "~/own")
    assert Home.from_environment().root == Path.home() / "own"
    monkeypatch.delenv("FREEHOLD_HOME")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert Home.from_environment().root == Path.home() / ".local" / "state" / "freehold"


def test_a_record_is_read_as_it_was_written(home: Home) -> None:
    """Also after it was replaced; and once forgotten there is none."""
    with home.held():
        home.write(RECORD)
        home.write(RECORD.model_copy(update={"phase": Phase.READY}))
    assert home.read() == RECORD.model_copy(update={"phase": Phase.READY})
    home.forget()
    with pytest.raises(NotRunningError, match=f"no fleet runs under {home.root}"):
        home.read()


def test_a_damaged_record_is_named(home: Home) -> None:
    """Half a file does not pass for no fleet."""
    with home.held():
        home.write(RECORD)
    (home.root / "run" / "fleet.json").write_text('{"run": "r')
    with pytest.raises(FreeholdError, match=r"fleet.json is damaged"):
        home.read()


def test_one_home_has_one_supervisor(home: Home) -> None:
    """The lock keeps a second one out, and is free again afterwards."""
    with home.held(), pytest.raises(AlreadyRunningError, match="a fleet already runs under"), home.held():
        pass
    with home.held():
        assert home.logs.is_dir()


@pytest.mark.parametrize(
    ("change", "lives"),
    [({}, True), ({"supervisor_created": 1.0}, False), ({"supervisor": 2**22 + 1}, False)],
    ids=["itself", "another with its id", "nobody"],
)
def test_a_supervisor_is_known_by_id_and_start(change: dict[str, float], lives: bool) -> None:
    """Process ids are used again, so the id alone proves nothing."""
    assert (RECORD.model_copy(update=change).supervisor_process() is not None) is lives


def test_a_new_start_clears_old_logs(home: Home) -> None:
    """All but the supervisor's own, which a detached one has open."""
    with home.held():
        for name in ("gateway.log", "supervisor.log"):
            (home.logs / name).write_text("old")
        (home.logs / "ray").mkdir()
        home.clear_logs()
    assert [entry.name for entry in home.logs.iterdir()] == ["supervisor.log"]
