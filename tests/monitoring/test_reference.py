"""docs/reference/metrics.md explains what is exported: all of it, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from router.accounts.facts import Backlog
from router.observe.metrics import Metrics
from serving.gpus.metrics import FAMILIES

GATEWAY, AGENT = Path("docs/reference/metrics.md").read_text().split("# Metrics of the GPU agent")


def explained(text: str) -> set[str]:
    """The names in the first column of a table."""
    return set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))


def test_the_gateways(tmp_path: Path) -> None:
    """With accounts, budgets, tenants and replicas."""
    metrics = Metrics(tenants=1)
    metrics.accounts.money(dict)
    metrics.accounts.ledger(lambda: Backlog(0, 0))
    metrics.count_replicas(tmp_path, ())
    families = text_string_to_metric_families(metrics.exposition([]).decode())
    exported = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert explained(GATEWAY) == {name for name in exported if not name.endswith("_created")}  # when a counter began


def test_the_agents() -> None:
    """Whatever a GPU can tell."""
    exported = {f"freehold_gpu_{one.name}{'_total' if one.counts else ''}" for one in FAMILIES}
    assert explained(AGENT) == exported | {"freehold_gpu_driver_up"}
