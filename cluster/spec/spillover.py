"""Which Claude models may answer, at what price, within which budget. No field yet: nothing leaves the site."""

from __future__ import annotations

from cluster.spec.base import Noun


class Spillover(Noun):
    """Its place in the fleet file is kept; any field in it is refused as unknown."""
