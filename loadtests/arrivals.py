"""When an open loop asks: Poisson, in bursts, or as a trace says; each worker takes its share of one and the same run.

All workers draw all arrivals and keep every so-many-th, so that a run does not depend on how many workers it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cluster.demand import LogNormals, read_trace
from cluster.errors import UsageError
from loadtests.order import Order

_SHAPE: Final = 0.25
"""Of the gamma distribution of the gaps in bursts: its gaps vary twice as much as a Poisson process's (coefficient of
variation 1/√0.25 = 2). At 1 it is a Poisson process."""
_BATCH: Final = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come."""

    number: int
    at_s: float
    """Since the run's start."""
    prompt_tokens: int
    output_tokens: int
    shared_tokens: int


def arrivals(order: Order, worker: int) -> Iterator[Arrival]:
    """One worker's, in their order, until the duration is over."""
    for arrival in _replayed(order) if order.trace else _drawn(order):
        if arrival.at_s >= order.duration_s:
            return
        if arrival.number % order.workers == worker:
            yield arrival


def _drawn(order: Order) -> Iterator[Arrival]:
    if not order.rate:
        msg = "an open loop needs --rate or --trace"
        raise UsageError(msg)
    rng = np.random.default_rng(order.seed)
    mix = LogNormals(order.prompt, order.output, order.cached_share, order.context)
    shape = _SHAPE if order.burst else 1.0
    now, number = 0.0, 0
    while True:
        gaps = rng.gamma(shape, 1 / (order.rate * shape), _BATCH).tolist()
        drawn = mix.draw(_BATCH, rng)
        columns = (drawn.prompt_tokens, drawn.output_tokens, drawn.cached_tokens)
        for gap, *lengths in zip(gaps, *(column.tolist() for column in columns), strict=True):
            now += gap
            yield Arrival(number, now, *lengths)
            number += 1


def _replayed(order: Order) -> Iterator[Arrival]:
    """As it was; a request that no model could take is cut to what the context leaves."""
    assert order.trace is not None  # noqa: S101 - the caller asked
    trace = read_trace(order.trace)
    kept = trace.requests
    columns = (trace.arrival_s, kept.prompt_tokens, kept.output_tokens, kept.cached_tokens)
    for number, (at_s, prompt, output, cached) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        output = max(1, min(output, order.context // 2))  # noqa: PLW2901 - cut
        prompt = max(1, min(prompt, order.context - output - 64))  # noqa: PLW2901 - and a template's tokens
        yield Arrival(number, at_s, prompt, output, min(cached, prompt - 1))
