"""A whole fleet of simulated engines in one process, as ``python -m serving --plain`` starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from cluster.errors import StartError
from cluster.ports import free_port
from cluster.spec import Fleet
from serving import plain


def test_a_fleet_is_ready_and_ends(tmp_path: Path) -> None:
    """Every model answers below its name; replicas are told apart in the metrics; SIGTERM ends it all."""
    port = free_port()
    command = [sys.executable, "-m", "serving", "--fleet", "fleets/simulated.yaml", "--port", str(port), "--plain"]
    environment = {**os.environ, "FREEHOLD_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        events = []
        for line in process.stdout or ():
            events.append(json.loads(line))
            if events[-1]["event"] == "ready":
                break
        for model in ("llama-3.1-8b", "llama-3.3-70b"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{model}/v1/models") as answer:
                assert json.load(answer)["data"][0]["id"] == model
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert [event["event"] for event in events] == ["model_ready", "model_ready", "ready"]


def test_a_real_model_needs_ray() -> None:
    """The error says which, and what to leave out."""
    fleet = Fleet.model_validate({"name": "f", "models": {"real": {"source": "builtin:tiny-small"}}})
    with pytest.raises(StartError, match="real are not; leave out --plain"):
        plain.serve(fleet, 1)
