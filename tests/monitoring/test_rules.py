"""The alerts as a file: understood by Prometheus, each caused by a test, each with a page that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.prometheus import RULES, program
from tests.monitoring.story import alerts

BURNS = Path(__file__).with_name("burns.yaml")
WRITTEN = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
RUNBOOK = Path("docs/monitoring.md")


def test_burning_budgets(tmp_path: Path) -> None:
    """Over simulated hours and days."""
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    (tmp_path / "burns.yaml").write_text(BURNS.read_text())
    command = [program("promtool"), "test", "rules", str(tmp_path / "burns.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_caused_by_a_test() -> None:
    """A new alert has to be caused somewhere."""
    assert set(WRITTEN) == alerts() | set(re.findall(r"alertname: (\w+)", BURNS.read_text()))


@pytest.mark.parametrize("alert", WRITTEN)
def test_every_alert_says_what_to_do(alert: str) -> None:
    """It links to its own heading."""
    assert f"### {alert}\n" in RUNBOOK.read_text()
    assert WRITTEN[alert]["annotations"]["runbook_url"] == f"{RUNBOOK}#{alert.lower()}"
    assert WRITTEN[alert]["labels"]["severity"] in {"page", "ticket"}
