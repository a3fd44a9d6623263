"""When a request leaves the site: not able, down, too slow or too hard here, as the fleet file says. Pure.

It only ever adds what policy, permission and the request's own ``egress`` have let through, and never sends a request
away whose caller named a model. Neighbour: :mod:`router.decide.policy` decides among local models first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from cluster.spec import AUTO, SPILLOVER, Fleet, Trigger
from router.decide.facts import Ask, Decision, Load, Reason

Difficulty = Callable[[Ask], float | None]
"""How hard a request looks, from 0 to 1; None where nothing has been learnt."""
LoadOf = Callable[[str], Load]


def unknown(ask: Ask) -> None:
    """The difficulty while no router has been trained."""
    del ask


@runtime_checkable
class Gains(Protocol):
    """A scorer that has learnt something."""

    def expected_gain(self, ask: Ask) -> float:
        """What a stronger model would add to the answer's quality."""
        ...


class Ranked:
    """Difficulty as a rank: the share of the latest requests to ``auto`` that promised less gain than this one."""

    WINDOW = 1000
    ENOUGH = 100
    """Requests that have to be known before a rank means anything."""

    def __init__(self, scorer: Gains) -> None:
        """Nothing has been seen."""
        self._gain = scorer.expected_gain
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def __call__(self, ask: Ask) -> float | None:
        """Rank a request, and remember it; None for what has no text, and while too few are known."""
        if not ask.said:
            return None
        known = ask.verdict.score if ask.verdict is not None else None
        gain = self._gain(ask) if known is None else known
        known = len(self._sorted)
        rank = bisect_left(self._sorted, gain) / known if known >= self.ENOUGH else None
        if known == self.WINDOW:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(gain)
        insort(self._sorted, gain)
        return rank


def difficulty_by(scorer: object) -> Difficulty:
    """How a scorer tells difficulty; one that has learnt nothing tells none."""
    return Ranked(scorer) if isinstance(scorer, Gains) else unknown


class Spill:
    """The chain and its triggers."""

    def __init__(self, fleet: Fleet, difficulty: Difficulty = unknown) -> None:
        """Off where the fleet file has no chain."""
        spec = fleet.spillover
        self.chain = spec.chain
        self._when, self._above = frozenset(spec.when), spec.spill_above
        self._outside = frozenset(name for name, model in fleet.models.items() if model.is_outside)
        self._difficulty = difficulty
        self._slow_s = spec.ttft_seconds or fleet.slo.ttft_p95_s if Trigger.SLOW in spec.when else None

    def rank_by(self, difficulty: Difficulty) -> None:
        """From now on, difficulty is told by this."""
        self._difficulty = difficulty

    def instead(self, able: Sequence[str], load: LoadOf) -> Decision | None:
        """The decision where no local model is able; None where the chain is not for that, or not able either."""
        if Trigger.UNABLE not in self._when or not able:
            return None
        names = self._well(able, load) or list(able)
        return Decision(names[0], SPILLOVER, Reason.SPILL_UNABLE, tuple(names[1:]))

    def beside(self, decision: Decision, ask: Ask, able: Sequence[str], load: LoadOf) -> Decision:
        """The same decision with the chain before it, behind it, or nowhere."""
        names = [name for name in self._well(able, load) if name not in (decision.model, *decision.alternatives)]
        if not names:
            return decision
        local = (decision.model, *decision.alternatives)
        reason = self._reason(ask, [name for name in local if name not in self._outside], load)
        if reason is not None:
            return Decision(names[0], SPILLOVER, reason, (*names[1:], *local))
        if Trigger.DOWN in self._when:
            return decision._replace(alternatives=(*decision.alternatives, *names))
        return decision

    def is_slow(self, now: Load) -> bool:
        """Whether a local model keeps a request waiting for longer than is put up with."""
        return bool(self.chain) and self._slow_s is not None and now.ttft_s > self._slow_s

    def for_slow(self, decision: Decision, able: Sequence[str], load: LoadOf) -> Decision | None:
        """The chain before what was decided; None where none of it is well."""
        local = (decision.model, *decision.alternatives)
        names = [name for name in self._well(able, load) if name not in local]
        return Decision(names[0], SPILLOVER, Reason.SPILL_SLOW, (*names[1:], *local)) if names else None

    def _reason(self, ask: Ask, local: Sequence[str], load: LoadOf) -> Reason | None:
        """Why the chain goes first, if it does."""
        loads = [load(name) for name in local]
        if Trigger.DOWN in self._when and not any(one.available for one in loads):
            return Reason.SPILL_DOWN
        if self._above is None or Trigger.HARD not in self._when or ask.model != AUTO:
            return None
        if ask.verdict is not None and ask.verdict.reason is Reason.PINNED:
            return None
        difficulty = self._difficulty(ask)
        return Reason.SPILL_HARD if difficulty is not None and difficulty > self._above else None

    @staticmethod
    def _well(names: Sequence[str], load: LoadOf) -> list[str]:
        return [name for name in names if load(name).available]
