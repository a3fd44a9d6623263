"""``freehold loadtest`` against the fleet that is up: command, gateway and engine are the real ones."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.cli.conftest import Here


def test_the_fleet_that_is_up_is_loaded(here: Here, tmp_path: Path) -> None:
    """Its address comes by itself; which tier and model answered, and why, is in the result."""
    started = here.up("--detach")
    assert started.returncode == 0, started.stderr
    options = ("--rate", "50", "--duration", "2s", "--no-ceiling", "--slo", "ttft_p95_s=60", "--slo", "error_rate=0.5")
    told = here.run("loadtest", "--fleet", str(here.fleet), *options, "--json", str(tmp_path / "r.json"))
    assert told.returncode == 0, told.stdout + told.stderr
    result = json.loads((tmp_path / "r.json").read_bytes())
    assert result["models"].keys() == {"m"}
    assert result["tiers"]["small"]["requests"] > 50
    assert result["errors"] == {}


def test_without_a_fleet_it_says_so(here: Here) -> None:
    """As every command that talks to one; its own help needs none."""
    told = here.run("loadtest", "--fleet", str(here.fleet), "--users", "1")
    assert told.returncode == 3
    assert "FREEHOLD_URL" in told.stderr
    assert "--users" in here.run("loadtest", "--help").stdout
