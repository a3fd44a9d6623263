"""Grafana's dashboards: files that are what the panels say, in the shape that Grafana reads, of metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.kube.dashboards import DASHBOARDS, FOLDER, Dashboard, drawn

EXPLAINED = set(re.findall(r"^\| `(\w+)`", Path("docs/reference/metrics.md").read_text(), re.MULTILINE))
RULES = yaml.safe_load(Path("helm/freehold/files/rules.yaml").read_text())
RECORDED = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
EVERY = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)


@EVERY
def test_is_up_to_date(dashboard: Dashboard) -> None:
    """What is committed is what the panels say."""
    written = (FOLDER / f"{dashboard.name}.json").read_text()
    assert written == drawn(dashboard), "write it anew with `python -m cluster.kube.dashboards`"


def test_no_other_file_is_mounted() -> None:
    """What is there is a dashboard."""
    assert {file.stem for file in FOLDER.iterdir()} == {dashboard.name for dashboard in DASHBOARDS}


@EVERY
def test_grafana_can_read_it(dashboard: Dashboard) -> None:
    """A fixed uid, panels that do not overlap, and the data source as a choice."""
    read: dict[str, Any] = json.loads(drawn(dashboard))
    assert read["uid"] == f"freehold-{dashboard.name}"
    assert len(read["uid"]) <= 40
    assert read["title"]
    assert read["schemaVersion"] >= 39
    assert read["templating"]["list"][0]["type"] == "datasource"
    panels = read["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len(dashboard.panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in panels) <= 24
    for panel in panels:
        assert panel["targets"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EVERY
def test_its_metrics_exist(dashboard: Dashboard) -> None:
    """Gateway's and agent's metrics are in the reference, engines' are vLLM's, all else is recorded by the rules."""
    queries = " ".join(query for panel in dashboard.panels for query in panel.queries.values())
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bfreehold_\w+", queries)}
    assert ours <= EXPLAINED
    assert set(re.findall(r"\bfreehold:[\w:]+", queries)) <= RECORDED
