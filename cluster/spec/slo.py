"""Which latencies the fleet promises. No field yet: nothing checks them."""

from __future__ import annotations

from cluster.spec.base import Noun


class Slo(Noun):
    """Its place in the fleet file is kept; any field in it is refused as unknown."""
