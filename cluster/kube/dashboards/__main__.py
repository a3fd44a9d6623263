"""``python -m cluster.kube.dashboards``: write the chart's dashboards anew, from the checkout's root."""

from __future__ import annotations

from cluster.kube.dashboards.drawn import DASHBOARDS, FOLDER, drawn

FOLDER.mkdir(exist_ok=True)
for dashboard in DASHBOARDS:
    (FOLDER / f"{dashboard.name}.json").write_text(drawn(dashboard))
