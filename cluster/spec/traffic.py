"""Which load to expect. No field yet: nothing plans with it."""

from __future__ import annotations

from cluster.spec.base import Noun


class Traffic(Noun):
    """Its place in the fleet file is kept; any field in it is refused as unknown."""
