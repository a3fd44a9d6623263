"""On Kubernetes: what KubeRay's ``serveConfigV2`` names as ``import_path``, one model in a Ray cluster of its own.

The chart hands over the model's section of the fleet file; the application is the one that runs on a single machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.spec import Fleet
from serving import apps


def application(args: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Ray is untyped
    """Called by Ray Serve with the chart's ``name``, ``model``, and ``promises`` (the fleet's slo and traffic)."""
    name = args["name"]
    fleet = Fleet.model_validate({"name": "fleet", "models": {name: args["model"]}, **args.get("promises", {})})
    return apps.application(fleet, name)
