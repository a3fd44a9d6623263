"""``freehold simulate``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from cluster.cli import freehold

FLEET = """
name: f
models:
  m:
    source: meta-llama/Llama-3.1-8B-Instruct
    context_length: 8192
    accelerator: { type: L40S, count: 1, cpus: 4 }
    replicas: { min: 1, max: 3 }
tiers: { small: [m] }
slo: { ttft_p95_s: 2 }
traffic: { requests_per_second: 2 }
"""


def test_figures_as_table_json_and_page(tmp_path: Path) -> None:
    """The same requests in each."""
    file, html = tmp_path / "fleet.yaml", tmp_path / "page.html"
    file.write_text(FLEET)
    told = CliRunner().invoke(
        freehold, ["simulate", "--fleet", str(file), "--hours", "0.1", "--json", "--html", str(html)]
    )
    assert told.exit_code == 0, told.output
    facts = json.loads(told.stdout)
    assert facts["models"]["m"]["requests"] == facts["requests"] > 500
    assert 0 < facts["ttft_p95_s"] < 2
    assert f"{facts['requests']:,}" in html.read_text()
    table = CliRunner().invoke(freehold, ["simulate", "--fleet", str(file), "--hours", "0.1"])
    assert f"{facts['requests']:,}" in table.stdout


def test_a_fleet_without_traffic_is_told(tmp_path: Path) -> None:
    """One line, exit code 2."""
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET.replace("traffic: { requests_per_second: 2 }", ""))
    told = CliRunner().invoke(freehold, ["simulate", "--fleet", str(file)])
    assert told.exit_code == 2
    assert "traffic: there is none" in told.stderr
