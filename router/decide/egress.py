"""Whether a request may leave the site: one rule for routing, fallback and cache. Pure.

A tenant's plan says ``egress`` and ``regions``; the header ``x-freehold-egress: never`` may tighten that for one
request, and nothing in a request loosens it. Neighbours: :mod:`router.books` applies the plan, :mod:`router.choice`
asks here for the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cluster.spec import Fleet
from router.wire.errors import Refusal

HEADER = b"x-freehold-egress"
_NEVER = b"never"


class Egress:
    """Which of a fleet's models are elsewhere."""

    def __init__(self, fleet: Fleet) -> None:
        """By the fleet file: ``outside`` are somebody else's; your own at other sites are elsewhere, too."""
        self.outside = frozenset(name for name, model in fleet.models.items() if model.is_outside)
        self.elsewhere = frozenset(name for name, model in fleet.models.items() if model.leaves_site)
        self._inside = frozenset(fleet.models) - self.elsewhere

    def allowed(
        self, allowed: Collection[str] | None, headers: Iterable[tuple[bytes, bytes]], model: str
    ) -> Collection[str] | None:
        """The models that may answer, of those ``allowed`` by plan and key; None for all.

        Raises:
            Refusal: 400 for a header that says anything but ``never``, 403 for a ``model`` that it rules out.

        """
        wishes = [value for name, value in headers if name == HEADER]
        if not wishes:
            return allowed
        if any(wish.strip().lower() != _NEVER for wish in wishes):
            msg = "x-freehold-egress: may only say never; what a plan forbids, no request allows."
            raise Refusal(400, msg, param="x-freehold-egress", code="invalid_value")
        if model in self.elsewhere:
            msg = f"{model} is outside of the site, and x-freehold-egress: never keeps this request inside."
            raise Refusal(403, msg, param="model", code="egress_forbidden")
        return self._inside if allowed is None else self._inside.intersection(allowed)
