"""Who may call, with which plan. No field yet: everyone who reaches the port may call."""

from __future__ import annotations

from cluster.spec.base import Noun


class Tenants(Noun):
    """Its place in the fleet file is kept; any field in it is refused as unknown."""
