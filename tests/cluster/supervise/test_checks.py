"""What would go wrong after a minute of loading is said before it."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from cluster.errors import AlreadyRunningError, NotEnoughMemoryError, PortInUseError, StartError
from cluster.load import load_fleet
from cluster.spec import Fleet, Model
from cluster.supervise import checks
from cluster.supervise.plan import Plan
from cluster.supervise.state import Home
from tests.cluster.supervise.test_state import RECORD

GIB = 1 << 30


def test_a_busy_port_names_its_process() -> None:
    """The message says who listens and how to choose another port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} is in use by .* \(pid {os.getpid()}\).*--port"):
            checks.port_free("127.0.0.1", port)
    checks.port_free("127.0.0.1", port)


def test_an_address_that_is_not_here_is_named() -> None:
    """Listening on somebody else's address fails with the field to look at."""
    with pytest.raises(StartError, match=r"cannot listen on 192.0.2.1:8080: .*gateway.host"):
        checks.port_free("192.0.2.1", 8080)


def test_a_model_that_is_not_there_is_named() -> None:
    """A local path is checked before any engine starts."""
    fleet = Fleet(name="f", models={"m": Model(source="/no/such/model")})
    with pytest.raises(StartError, match=r"model 'm': there is no directory /no/such/model; see models.m.source"):
        checks.sources_exist(fleet)


def test_a_hosted_model_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known before a minute of loading; blanks are no key."""
    fleet = load_fleet("fleets/spillover.yaml")
    monkeypatch.setenv("ANTHROPIC_API_KEY", " ")
    with pytest.raises(StartError, match="'claude-haiku': the environment variable ANTHROPIC_API_KEY holds no key"):
        checks.keys_present(fleet)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    assert {model.key_env for model in fleet.models.values()} == {"", "ANTHROPIC_API_KEY"}
    checks.keys_present(fleet)


def test_gpus_are_counted() -> None:
    """The replicas that always run must find their GPUs."""
    fleet = load_fleet("fleets/h100.yaml")
    checks.gpus_suffice(fleet, 3)
    with pytest.raises(StartError, match="needs 3 GPUs and this machine shows 2"):
        checks.gpus_suffice(fleet, 2)


def test_memory_is_compared() -> None:
    """Both figures are named."""
    checks.memory_suffices(2 * GIB, 2 * GIB)
    with pytest.raises(NotEnoughMemoryError, match=r"need about 3.0 GiB and 2.5 GiB are available"):
        checks.memory_suffices(3 * GIB, 5 * GIB // 2)


def test_a_fleet_without_its_supervisor_is_not_started_over(tmp_path: Path) -> None:
    """Only the user can tell whether what still serves should go."""
    home = Home(tmp_path)
    plan = Plan(load_fleet("fleets/ollama.yaml"), Path("fleets/ollama.yaml"), home, 8080, 60, "r2")
    checks.no_leftovers(plan)
    with home.held():
        home.write(RECORD)
    with pytest.raises(AlreadyRunningError, match="freehold down"):
        checks.no_leftovers(plan)
