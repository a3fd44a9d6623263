"""``python -m serving`` as its caller sees it, where it need not start anything: events, exit codes, nothing left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODEL = "models: { m: { source: builtin:tiny-small, engine_args: { %s } } }\nname: f\n"


def _serve(home: Path, fleet: str, port: int, *options: str) -> tuple[int, list[dict[str, Any]]]:
    file = home / "fleet.yaml"
    file.write_text(fleet)
    command = [sys.executable, "-m", "serving", "--fleet", str(file), "--port", str(port), *options]
    environment = {**os.environ, "FREEHOLD_HOME": str(home / "home")}
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def taken() -> Any:  # noqa: ANN401 - a fixture that yields
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_mistyped_engine_argument_stops_the_start(tmp_path: Path) -> None:
    """One event names model and argument; nothing was started or made."""
    code, events = _serve(tmp_path, MODEL % "max_num_sesq: 1", 1)
    assert code == 3
    assert [(event["event"], event["model"]) for event in events] == [("model_failed", "m")]
    assert "max_num_seqs" in events[0]["cause"]
    assert not (tmp_path / "home").exists()


def test_a_port_in_use_stops_the_start(tmp_path: Path, taken: int) -> None:
    """One event names the port."""
    code, events = _serve(tmp_path, MODEL % "", taken)
    assert code == 3
    assert [event["event"] for event in events] == ["failed"]
    assert str(taken) in events[0]["message"]


def test_a_wrong_fleet_file_is_wrong_use(tmp_path: Path) -> None:
    """The exit code tells it from an engine's failure."""
    code, events = _serve(tmp_path, "name: f\nmodels: 3\n", 1)
    assert code == 2
    assert events[0]["event"] == "failed"


@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["ray", "plain"])
def test_a_rehearsal_refuses_what_vllm_would(tmp_path: Path, options: list[str]) -> None:
    """A simulated engine's arguments are vLLM's, too."""
    model = MODEL % "max_num_sesq: 1"
    code, events = _serve(tmp_path, model.replace("{ source:", "{ engine: simulated, source:"), 1, *options)
    assert code == 3
    assert "max_num_seqs" in events[0]["cause"]
