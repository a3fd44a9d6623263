"""In which order models that answer alike are asked: here first, then other sites by price, load and weight. Pure.

Among sites of one price the least is expected of the one with the smallest *(predicted time to first token) x (requests
under way + 1) / weight*, which is the balancing by "Peak EWMA" of Finagle with a weight. Neighbour:
:mod:`router.decide.policy` asks.
"""

from __future__ import annotations

from cluster.spec import AT, Fleet
from router.decide.facts import Load

_LEAST_S = 0.05
"""Added to a time to first token, so that sites of which none is known share by weight, too."""


class Order:
    """Of one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        """``fleet`` as it was spread."""
        self._weights = {name: fleet.sites[model.site].weight for name, model in fleet.models.items() if model.site}
        self._prices = {
            name: model.price.prompt + model.price.completion if model.price else 0.0
            for name, model in fleet.models.items()
        }
        self._twins = {
            name: tuple(other for other in fleet.models if other.startswith(f"{name}{AT}")) for name in fleet.models
        }

    def twins(self, name: str) -> tuple[str, ...]:
        """The same model at other sites."""
        return self._twins.get(name, ())

    def rank(self, name: str, now: Load, *, busy: bool) -> tuple[bool, bool, bool, float, float]:
        """Smallest first."""
        weight = self._weights.get(name)
        if weight is None:
            return (not now.available, busy, False, 0.0, 0.0)
        wait = (now.ttft_s + _LEAST_S) * (now.in_flight + now.waiting + 1) / weight
        return (not now.available, busy, True, self._prices[name], wait)
