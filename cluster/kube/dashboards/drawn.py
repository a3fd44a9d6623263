"""Dashboards as Grafana's JSON: three panels a row, a choice of the data source and of models on top."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue

from cluster.kube.dashboards.pages import PAGES as DASHBOARDS
from cluster.kube.dashboards.panel import Dashboard, Panel

FOLDER = Path("helm/freehold/files/dashboards")
SCHEMA = 39
"""Grafana 11's; newer ones migrate it as they open it."""
_SOURCE: JsonValue = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _ROW = 8, 8, 3

__all__ = ["DASHBOARDS", "FOLDER", "Dashboard", "Panel", "drawn"]


def drawn(dashboard: Dashboard) -> str:
    """The file that Grafana reads."""
    written: dict[str, JsonValue] = {
        "uid": f"freehold-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["freehold"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "title": "Freehold", "tags": ["freehold"], "asDropdown": True}],
        "templating": {"list": _choices(dashboard)},
        "panels": [_panel(index, panel) for index, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(written, indent=1, ensure_ascii=False) + "\n"


def _choices(dashboard: Dashboard) -> list[JsonValue]:
    source: JsonValue = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    model: JsonValue = {
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(freehold_in_flight, model)", "refId": "model"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
    return [source, model] if dashboard.by_model else [source]


def _panel(index: int, panel: Panel) -> JsonValue:
    row, column = divmod(index, _ROW)
    return {
        "id": index + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, **_bounds(panel)}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _bounds(panel: Panel) -> dict[str, JsonValue]:
    """A share is drawn against the whole."""
    return {"min": 0, "max": 1} if panel.unit == "percentunit" else {}
