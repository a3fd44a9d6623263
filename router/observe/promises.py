"""Requests that the fleet file's promises (``slo``) were judged by, and those that broke one.

How fast an error budget burns is then *broken / judged / allowed*, without a threshold in any query. Refusals, and
clients that left, are nobody's failure and are not judged. Neighbour: :mod:`router.observe.metrics`.
"""

from __future__ import annotations

from collections import defaultdict

from prometheus_client import CollectorRegistry, Counter, Gauge

from cluster.spec import Slo
from router.observe.events import Finished

_P95 = 0.05
_UNJUDGED = {"refused", "gone"}
_BY = ("model", "promise")


class Promises:
    """Judges each request once, at its end; a figure that is not promised makes no series."""

    def __init__(self, slo: Slo, registry: CollectorRegistry) -> None:
        """Register what is promised."""
        told = {"ttft": slo.ttft_p95_s, "tpot": slo.tpot_p95_s, "e2e": slo.e2e_p95_s}
        self._limits = {promise: limit for promise, limit in told.items() if limit}
        self._allowed = dict.fromkeys(self._limits, _P95)
        if slo.goodput is not None:
            self._allowed["goodput"] = slo.late_share
        if slo.error_rate < 1:
            self._allowed["errors"] = slo.error_rate
        self._judged = Counter("freehold_slo_judged", "Requests judged by a promise.", _BY, registry=registry)
        self._broken = Counter("freehold_slo_broken", "Requests that broke it.", _BY, registry=registry)
        self._tallies: dict[str, dict[str, list[int]]] = {}
        """Model → promise → judged and broken since the counters were told; their own steps cost ten times as much."""
        allowed = _gauge("allowed_ratio", "Share of requests that may break a promise.", registry)
        seconds = _gauge("limit_seconds", "What is promised.", registry)
        for promise, share in self._allowed.items():
            allowed.labels(promise).set(share)
        for promise, limit in self._limits.items():
            seconds.labels(promise).set(limit)

    def __call__(self, event: Finished) -> None:
        """Judge a request."""
        if event.outcome in _UNJUDGED:
            return
        tally = self._tallies.get(event.model)
        if tally is None:
            tally = self._tallies[event.model] = defaultdict(lambda: [0, 0])
        complete = event.outcome == "complete"
        if "errors" in self._allowed:
            _count(tally["errors"], broken=not complete)
        if complete and event.first_byte and self._limits:
            self._judge(event, tally)

    def _judge(self, event: Finished, tally: dict[str, list[int]]) -> None:
        """By its latencies; only a stream shows its first token."""
        measured = {"e2e": event.last_byte - event.started}
        if event.stream:
            measured["ttft"] = event.first_byte - event.started
            if event.completion_tokens > 1:
                measured["tpot"] = (event.last_byte - event.first_byte) / (event.completion_tokens - 1)
        late = {name: measured[name] > limit for name, limit in self._limits.items() if name in measured}
        for name, broken in late.items():
            _count(tally[name], broken=broken)
        if late and "goodput" in self._allowed:
            _count(tally["goodput"], broken=any(late.values()))

    def tell(self) -> None:
        """Bring the counters up to date; both of a pair, so that the rate of what never broke is 0 and not nothing."""
        for model, tally in self._tallies.items():
            for promise, counts in tally.items():
                self._judged.labels(model, promise).inc(counts[0])
                self._broken.labels(model, promise).inc(counts[1])
                counts[:] = 0, 0


def _count(counts: list[int], *, broken: bool) -> None:
    counts[0] += 1
    counts[1] += broken


def _gauge(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"freehold_slo_{name}", text, ("promise",), registry=registry, multiprocess_mode="livemax")
