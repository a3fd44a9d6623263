"""Requests that the fleet file's promises (``slo``) were judged by, and those that broke one.

How fast an error budget burns is then *broken / judged / allowed*, without a threshold in any query. Refusals, and
clients that left, are nobody's failure and are not judged. Neighbour: :mod:`router.observe.metrics`.
"""

from __future__ import annotations

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
        self._of: dict[tuple[str, str], tuple[Counter, Counter]] = {}
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
        complete = event.outcome == "complete"
        if "errors" in self._allowed:
            self._count(event.model, "errors", broken=not complete)
        if complete and event.first_byte:
            late = {promise: value > self._limits[promise] for promise, value in self._measured(event)}
            for promise, broken in late.items():
                self._count(event.model, promise, broken=broken)
            if "goodput" in self._allowed and late:
                self._count(event.model, "goodput", broken=any(late.values()))

    def _measured(self, event: Finished) -> list[tuple[str, float]]:
        """Seconds of what is promised; only a stream shows its first token."""
        found = [("e2e", event.last_byte - event.started)]
        if event.stream:
            found.append(("ttft", event.first_byte - event.started))
            if event.completion_tokens > 1:
                found.append(("tpot", (event.last_byte - event.first_byte) / (event.completion_tokens - 1)))
        return [(promise, value) for promise, value in found if promise in self._limits]

    def _count(self, model: str, promise: str, *, broken: bool) -> None:
        key = model, promise
        counters = self._of.get(key)
        if counters is None:  # both from the start, so that a rate of what has never broken is 0 and not nothing
            counters = self._of[key] = self._judged.labels(*key), self._broken.labels(*key)
        counters[0].inc()
        if broken:
            counters[1].inc()


def _gauge(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"freehold_slo_{name}", text, ("promise",), registry=registry, multiprocess_mode="livemax")
