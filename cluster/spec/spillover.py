"""What leaves the site, and what staying is measured against."""

from __future__ import annotations

from cluster.spec.base import Noun
from cluster.spec.models import Price


class Spillover(Noun):
    """Hosted models that stand in for the fleet. Which of them may answer has its place kept here."""

    baseline: Price | None = None
    """The price list that every answer is also counted by, to tell what it would have cost there, such as Claude's."""
