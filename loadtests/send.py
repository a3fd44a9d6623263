"""A request sent, and its sample; what is under way when a run ends has a sample, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from cluster.errors import UnreachableError
from loadtests.answer import Answer, read_answer
from loadtests.asks import Ask
from loadtests.facts import Outcome, Sample
from loadtests.wire import Connection, Origin


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who asks."""

    name: str
    headers: dict[str, str]
    """What proves it; not for the eye."""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Tenant({self.name!r})"


@dataclass(frozen=True, slots=True)
class _Begun:
    ask: Ask
    tenant: Tenant
    intended_s: float
    sent_s: float


class Sender:
    """Sends the requests of one worker and hands out a sample for each."""

    def __init__(
        self, scenario: str, origin: Origin, now: Callable[[], float], record: Callable[[Sample], None]
    ) -> None:
        """``now`` counts seconds since the run's start."""
        self._scenario, self._origin, self._now, self._record = scenario, origin, now, record
        self._numbers = count()
        self._begun: dict[int, _Begun] = {}

    @property
    def under_way(self) -> int:
        """Requests that have no end yet."""
        return len(self._begun)

    def send(
        self, connection: Connection, ask: Ask, tenant: Tenant, intended_s: float, *, keep: bool = False
    ) -> Answer:
        """Send and read to the end; ``keep`` also keeps what was said."""
        number = next(self._numbers)
        request = self._origin.request(ask.path, ask.body, tenant.headers)
        begun = self._begun[number] = _Begun(ask, tenant, intended_s, self._now())
        try:
            connection.send(request)
            answer = read_answer(connection, self._now, ask.cancel_after, keep=keep)
        except UnreachableError as exc:
            answer = Answer(Outcome.ERROR, 0, {}, None, self._now(), error=str(exc))
        if self._begun.pop(number, None):
            self._record(self._sample(begun, answer))
        return answer

    def abandon(self) -> Iterator[Sample]:
        """What is still under way, as cut by now."""
        while self._begun:
            _, begun = self._begun.popitem()
            yield self._sample(begun, Answer(Outcome.CUT, 0, {}, None, self._now(), error="unfinished"))

    def _sample(self, begun: _Begun, answer: Answer) -> Sample:
        return Sample(
            scenario=self._scenario,
            kind=begun.ask.kind,
            tenant=begun.tenant.name,
            tier=answer.headers.get("x-freehold-tier", ""),
            model=answer.headers.get("x-freehold-model", ""),
            reason=answer.headers.get("x-freehold-reason", ""),
            prompt_tokens=answer.prompt_tokens or begun.ask.prompt_tokens,
            output_tokens=answer.output_tokens,
            intended_s=begun.intended_s,
            sent_s=begun.sent_s,
            first_s=answer.first_s,
            end_s=answer.end_s,
            outcome=answer.outcome,
            status=answer.status,
            error=answer.error,
        )
