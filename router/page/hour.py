"""The gateway's events → what happened in the last hour, a minute apart; a listener like metrics and the log.

Memory is bounded by the fleet file: models times reasons for each of sixty minutes, and a few dozen problems. What a
caller wrote is not kept: names of models, reasons and codes of errors come from the fleet file and from enumerations.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cluster.spec import Fleet
from router.accounts.budget import cost_of
from router.observe.events import Event, Finished, TargetFailed
from router.page.sketch import Sketch, add

MINUTES = 60
"""That are kept, the one under way besides."""
PROBLEMS = 40
_MINUTE_S = 60
_OURS = frozenset({402, 429})
"""Refusals that tell of the fleet, not of a mistake of the caller's; every 5xx does too."""
_SERVER_ERROR = 500


@dataclass(slots=True)
class Tally:
    """Requests to one model for one reason."""

    requests: int = 0
    answered: int = 0
    failed: int = 0
    """Failed, or cut in the middle."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0
    baseline_micros: int = 0

    def add(self, other: Tally) -> None:
        """Add another one up."""
        self.requests += other.requests
        self.answered += other.answered
        self.failed += other.failed
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cost_micros += other.cost_micros
        self.baseline_micros += other.baseline_micros


@dataclass(slots=True)
class Minute:
    """What ended within one minute."""

    tallies: dict[str, dict[str, Tally]] = field(default_factory=dict)
    """By model and reason; the model is empty where nobody was chosen."""
    ttft: dict[str, Sketch] = field(default_factory=dict)
    """By model: times to first token of streams."""
    tpot: dict[str, Sketch] = field(default_factory=dict)
    """By model: times per output token of streams."""


@dataclass(slots=True)
class Problem:
    """One thing that went wrong, or several alike in a row."""

    at: float
    """Unix time of the latest."""
    model: str
    what: str
    """A code, such as ``queue_full`` or ``connect``."""
    status: int
    """What the caller saw; 0 where another attempt followed."""
    tenant: str
    request_id: str
    """Of the latest; the log has the rest."""
    count: int = 1


class Hour:
    """Listens."""

    def __init__(self, fleet: Fleet, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self._baseline, self._clock = fleet.spillover.baseline, clock
        self.minutes: dict[int, Minute] = {}
        """By the minutes that have passed since 1970."""
        self.problems: deque[Problem] = deque(maxlen=PROBLEMS)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, TargetFailed) and event.retried:
            self._problem(Problem(self._clock(), event.model, event.cause, 0, "", event.request_id))

    def last(self, minutes: int) -> dict[int, Minute]:
        """So many minutes, and the one under way."""
        first = int(self._clock()) // _MINUTE_S - minutes
        return {at: minute for at, minute in self.minutes.items() if at >= first}

    def _finished(self, event: Finished) -> None:
        minute = self._minute()
        reasons = minute.tallies.get(event.model)
        if reasons is None:
            reasons = minute.tallies[event.model] = {}
        tally = reasons.get(event.reason)
        if tally is None:
            tally = reasons[event.reason] = Tally()
        tally.requests += 1
        if event.outcome == "complete":
            tally.answered += 1
        elif event.outcome in {"failed", "cut"} or event.status in _OURS or event.status >= _SERVER_ERROR:
            tally.failed += event.outcome in {"failed", "cut"}
            what = event.error or event.outcome
            self._problem(Problem(self._clock(), event.model, what, event.status, event.tenant, event.request_id))
        if event.first_byte:
            self._answered(event, minute, tally)

    def _answered(self, event: Finished, minute: Minute, tally: Tally) -> None:
        tally.prompt_tokens += event.prompt_tokens
        tally.completion_tokens += event.completion_tokens
        tally.cost_micros += event.cost_micros
        tally.baseline_micros += event.baseline_micros or cost_of(
            self._baseline, event.prompt_tokens, event.completion_tokens, event.cached_tokens
        )
        if event.stream:
            add(minute.ttft.setdefault(event.model, {}), event.first_byte - event.started)
            if event.completion_tokens > 1:
                each = (event.last_byte - event.first_byte) / (event.completion_tokens - 1)
                add(minute.tpot.setdefault(event.model, {}), each)

    def _minute(self) -> Minute:
        now = int(self._clock()) // _MINUTE_S
        found = self.minutes.get(now)
        if found is None:
            found = self.minutes[now] = Minute()
            for old in [at for at in self.minutes if at < now - MINUTES]:
                del self.minutes[old]
        return found

    def _problem(self, problem: Problem) -> None:
        """Keep it; one like the latest only makes that one count more, so that a storm does not hide the rest."""
        last = self.problems[-1] if self.problems else None
        if last and (last.model, last.what, last.status, last.tenant) == (
            problem.model,
            problem.what,
            problem.status,
            problem.tenant,
        ):
            problem.count += last.count
            self.problems.pop()
        self.problems.append(problem)
