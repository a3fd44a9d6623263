"""What becomes of a request whose tier is saturated: ``degrade``, ``spill``, ``queue``, ``reject``, in its order. Pure.

Neighbours: :mod:`router.decide.policy` decides first, as if nobody else were there; :mod:`router.backends.forecast`
predicts the time to first token that is held against the SLO here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cluster.spec import AUTO, SPILLOVER, Fleet, WhenBusy
from router.decide.facts import Ask, Decision, Load, Reason
from router.decide.spill import LoadOf, Spill
from router.wire.errors import Refusal

_TOO_MANY = 429
_LONGEST_S = 60


class Saturation:
    """Of one fleet."""

    def __init__(self, fleet: Fleet, spill: Spill, tier_of: Mapping[str, str]) -> None:
        """Limits are ``routing.busy_in_flight``, ``slo.ttft_p95_s`` and, for spilling, ``spillover.ttft_seconds``."""
        self._spill, self._tier_of = spill, tier_of
        self._order = fleet.routing.when_busy
        self._slo_s = fleet.slo.ttft_p95_s
        most = fleet.routing.busy_in_flight
        self._most = {name: most * max(1, model.replicas.min) for name, model in fleet.models.items()}

    def is_busy(self, name: str, now: Load) -> bool:
        """Whether a model is saturated: too many requests at it, or a first token that would come too late."""
        late = self._slo_s is not None and now.ttft_s > self._slo_s
        return late or now.busy or now.in_flight + now.waiting >= self._most[name]

    def relieved(self, decision: Decision, ask: Ask, chain: Sequence[str], load: LoadOf) -> Decision:
        """What the tenant's order makes of a decision; a conversation under way only queues, or is refused.

        Raises:
            Refusal: 429, the order says to refuse.

        """
        now = load(decision.model)
        busy, slow = self.is_busy(decision.model, now), self._spill.is_slow(now)
        if not (busy or slow) or not now.available:
            return decision
        order = self._order if ask.when_busy is None else ask.when_busy
        for step in order:
            found = None
            if step is WhenBusy.QUEUE:
                break
            if step is WhenBusy.REJECT:
                raise _saturated(decision, now)
            if decision.reason is Reason.PINNED:
                continue
            if step is WhenBusy.DEGRADE and busy and ask.model == AUTO:
                found = self._degraded(decision, load)
            elif step is WhenBusy.SPILL and slow and self._no_way_around(decision, order, load):
                found = self._spill.for_slow(decision, chain, load)
            if found is not None:
                return found
        return decision

    def _degraded(self, decision: Decision, load: LoadOf) -> Decision | None:
        """The other tier first, where it is well and not saturated itself."""
        others = [name for name in decision.alternatives if self._tier_of[name] != decision.tier]
        if not others or not load(others[0]).available or self.is_busy(others[0], load(others[0])):
            return None
        rest = (*others[1:], *self._of_its_tier(decision))
        return Decision(others[0], self._tier_of[others[0]], Reason.BUSY, rest)

    def _no_way_around(self, decision: Decision, order: Sequence[WhenBusy], load: LoadOf) -> bool:
        """Whether all are slow to whom the request could go instead, by an order that tries them first."""
        first = WhenBusy.DEGRADE in order and order.index(WhenBusy.DEGRADE) < order.index(WhenBusy.SPILL)
        names = (decision.model, *decision.alternatives) if first else self._of_its_tier(decision)
        return all(self._spill.is_slow(load(name)) for name in names if self._tier_of[name] != SPILLOVER)

    def _of_its_tier(self, decision: Decision) -> list[str]:
        names = (decision.model, *decision.alternatives)
        return [name for name in names if self._tier_of[name] == decision.tier]


def _saturated(decision: Decision, now: Load) -> Refusal:
    msg = f"{decision.model} is saturated, and your plan would rather be refused than wait."
    return Refusal(_TOO_MANY, msg, code="saturated", retry_after=min(_LONGEST_S, max(1, math.ceil(now.ttft_s))))
