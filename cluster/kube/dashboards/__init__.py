"""Grafana's dashboards from lists of panels: ``python -m cluster.kube.dashboards`` writes the chart's files anew.

A panel is a title, a unit and what is asked of Prometheus; a test asks it of a real one. Names and labels are explained
in docs/reference/metrics.md, the alerts beside them are ``helm/freehold/files/rules.yaml``.
"""

from cluster.kube.dashboards.drawn import DASHBOARDS, FOLDER, Dashboard, Panel, drawn

__all__ = ["DASHBOARDS", "FOLDER", "Dashboard", "Panel", "drawn"]
