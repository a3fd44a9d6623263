"""Recorded prompts sent again, and what came of them by tier and by the router's reason."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cluster.client.ask import Answer, Question, ask, ask_streaming
from cluster.client.http import Endpoint
from cluster.errors import FreeholdError, RefusedError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one prompt: an answer or an error."""

    tier: str
    reason: str
    answer: Answer | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of the prompts that went the same way; seconds, None where nothing was measured."""

    tier: str
    reason: str
    count: int
    errors: int
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    tpot_p50_s: float | None
    tpot_p95_s: float | None
    total_p50_s: float | None
    prompt_tokens: int
    completion_tokens: int


def replay(
    endpoint: Endpoint, questions: Sequence[Question], *, stream: bool, concurrency: int, on_done: Callable[[], None]
) -> list[Outcome]:
    """Send every question, ``concurrency`` at a time, in order; ``on_done`` is called after each."""

    def one(question: Question) -> Outcome:
        outcome = _outcome(endpoint, question, stream=stream)
        on_done()
        return outcome

    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(one, questions))


def _outcome(endpoint: Endpoint, question: Question, *, stream: bool) -> Outcome:
    try:
        answer = (ask_streaming if stream else ask)(endpoint, question)
    except RefusedError as exc:
        tier = exc.headers.get("x-freehold-tier", "")
        return Outcome(tier, exc.headers.get("x-freehold-reason", ""), error=str(exc))
    except FreeholdError as exc:
        return Outcome("", "", error=str(exc))
    return Outcome(answer.tier, answer.reason, answer)


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """One row for every way that prompts went, and the sum of all at the end."""
    ways: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    everything = list(outcomes)
    for outcome in everything:
        ways[outcome.tier, outcome.reason].append(outcome)
    return [*(_row(tier, reason, ways[tier, reason]) for tier, reason in sorted(ways)), _row("all", "", everything)]


def _row(tier: str, reason: str, outcomes: list[Outcome]) -> Row:
    answers = [outcome.answer for outcome in outcomes if outcome.answer]
    ttft = [answer.ttft_s for answer in answers if answer.ttft_s is not None]
    tpot = [answer.tpot_s for answer in answers if answer.tpot_s is not None]
    return Row(
        tier=tier,
        reason=reason,
        count=len(outcomes),
        errors=len(outcomes) - len(answers),
        ttft_p50_s=percentile(ttft, 0.5),
        ttft_p95_s=percentile(ttft, 0.95),
        tpot_p50_s=percentile(tpot, 0.5),
        tpot_p95_s=percentile(tpot, 0.95),
        total_p50_s=percentile([answer.total_s for answer in answers], 0.5),
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        completion_tokens=sum(answer.completion_tokens for answer in answers),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of all values do not exceed; None of none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None
