"""Events → Prometheus. The names are an interface; docs/reference/metrics.md explains each.

Labels are bounded: models, tiers and reasons come from the fleet file and from enumerations, never from a caller.
With several workers the client library's multi-process mode adds them up (``PROMETHEUS_MULTIPROC_DIR``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cluster.spec import Slo
from router.accounts.facts import Leaving
from router.backends.contract import Backend
from router.observe.accounts import Accounts
from router.observe.events import Compared, Event, Finished, TargetFailed, Tried
from router.observe.promises import Promises
from router.observe.replicas import Replicas

TTFT_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160)
TPOT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.4, 1)
E2E_BUCKETS = (0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960)
_QUEUED_S = 0.001
"""Below it a slot was free; only real waiting is observed."""
DECISION_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05)

_MILLION = 1_000_000
OTHERS = "other"

Workers = Literal["livesum", "livemin", "livemax"]
"""How the gauges of several workers become one."""


class Metrics:
    """The gateway's instruments; call it with events, ask it for the exposition text."""

    def __init__(self, tenants: int = 0, slo: Slo | None = None) -> None:
        """Register everything anew, so that several gateways can live in one process.

        So many ``tenants`` get counters of their own, those that come first; all others are ``other`` together. ``slo``
        is what requests are judged by.
        """
        self._registry = CollectorRegistry()
        self._promises = Promises(slo or Slo(), self._registry)
        self.accounts = Accounts(self._registry)
        self._looks = [self.accounts.look, self._promises.tell]
        by = ("endpoint", "model", "tier", "reason", "status")
        self._requests = self._counter("requests", "Requests answered.", by)
        self._outcomes = self._counter("outcomes", "Requests by how they ended.", ("endpoint", "model", "outcome"))
        each = ("model", "reason")
        self._prompt = self._counter("prompt_tokens", "Prompt tokens of answered requests.", each)
        self._cost = self._counter("cost_usd", "What paid targets charge.", each)
        self._baseline = self._counter("baseline_usd", "What spillover.baseline would have charged.", each)
        self._tenants_left = tenants
        self._of_tenant: dict[str, tuple[Counter, Counter]] = {}
        if tenants:
            self._tenant_tokens = self._counter("tenant_tokens", "Tokens in and out, by tenant.", ("tenant",))
            self._tenant_cost = self._counter("tenant_cost_usd", "What paid targets charge, by tenant.", ("tenant",))
        self._cached = self._counter("cached_prompt_tokens", "Prompt tokens that a prefix cache held.", ("model",))
        self._completion = self._counter("completion_tokens", "Tokens generated.", each)
        self._errors = self._counter("upstream_errors", "Attempts that failed, by target.", ("model", "cause"))
        self._left = self._counter("egress_bytes", "Bytes of requests that left the site.", ("model",))
        of = ("model", "reference", "outcome")
        self._compared = self._counter("quality_comparisons", "Answers that were sampled, by how they compared.", of)
        self._retries = self._counter("upstream_retries", "Attempts that followed a failed one.", ("model", "cause"))
        self._ttft = self._histogram("time_to_first_token_seconds", "Until a stream's first byte.", TTFT_BUCKETS)
        self._tpot = self._histogram("time_per_output_token_seconds", "Between a stream's tokens.", TPOT_BUCKETS)
        self._e2e = self._histogram("e2e_request_latency_seconds", "Whole request.", E2E_BUCKETS)
        self._trials = self._counter("cascade_trials", "Answers of small on trial, by verdict.", ("model", "verdict"))
        self._held = self._histogram("cascade_held_seconds", "From a first token to the verdict.", TTFT_BUCKETS)
        self._spent = self._histogram("cascade_escalation_seconds", "Spent before an escalation.", TTFT_BUCKETS)
        self._queued = self._histogram("queue_seconds", "Waiting for a slot.", TTFT_BUCKETS)
        self._decision = Histogram(
            "freehold_decision_seconds",
            "Understanding a request and deciding who answers.",
            buckets=DECISION_BUCKETS,
            registry=self._registry,
        )
        self._in_flight = self._gauge("in_flight", "Requests under way at a target.")
        self._waiting = self._gauge("queue_length", "Requests waiting for a slot at a target.")
        self._up = self._gauge("target_up", "1 while the target is not being left alone, in every worker.", "livemin")
        self._open = self._gauge("breaker_open", "1 from a row of failures until an answer, in any worker.", "livemax")
        self._outside = self._gauge("target_outside", "1 where the model is outside of the site.", "livemax")
        self._of_key: dict[tuple[str, ...], tuple[Counter, Counter]] = {}
        self._of_model: dict[tuple[str, str], tuple[Counter, Counter, Histogram, Histogram, Histogram]] = {}

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Leaving):
            self._left.labels(event.model).inc(event.bytes)
        elif isinstance(event, TargetFailed):
            self._errors.labels(event.model, event.cause).inc()
            if event.retried:
                self._retries.labels(event.model, event.cause).inc()
        elif isinstance(event, Tried):
            self._tried(event)
        elif isinstance(event, Compared):
            self._compared.labels(event.model, event.reference, event.outcome).inc()
        else:
            self._finished(event)

    def _finished(self, event: Finished) -> None:
        key = (event.endpoint, event.model, event.tier, event.reason, str(event.status), event.outcome)
        counters = self._of_key.get(key)
        if counters is None:
            outcome = self._outcomes.labels(event.endpoint, event.model, event.outcome)
            counters = self._of_key[key] = (self._requests.labels(*key[:5]), outcome)
        for counter in counters:
            counter.inc()
        self._promises(event)
        if event.model:
            self._decision.observe(event.decision_s)
        if event.first_byte:
            self._answered(event)

    def _tried(self, event: Tried) -> None:
        self._trials.labels(event.model, event.verdict).inc()
        self._held.labels(event.model).observe(event.held_s)
        if event.verdict == "escalated":
            self._spent.labels(event.model).observe(event.spent_s)

    def _answered(self, event: Finished) -> None:
        model, key = event.model, (event.model, event.reason)
        prompt, completion, e2e, ttft, tpot = self._of_model.get(key) or self._instruments(key)
        prompt.inc(event.prompt_tokens)
        completion.inc(event.completion_tokens)
        e2e.observe(event.last_byte - event.started)
        if event.queued_s > _QUEUED_S:
            self._queued.labels(model).observe(event.queued_s)
        if event.cached_tokens:
            self._cached.labels(model).inc(event.cached_tokens)
        if event.cost_micros or event.baseline_micros:
            self._cost.labels(*key).inc(event.cost_micros / _MILLION)
            self._baseline.labels(*key).inc(event.baseline_micros / _MILLION)
        if event.tenant and (self._of_tenant or self._tenants_left):
            tokens, cost = self._of_tenant.get(event.tenant) or self._tenant(event.tenant)
            tokens.inc(event.prompt_tokens + event.completion_tokens)
            cost.inc(event.cost_micros / _MILLION)
        if event.stream:
            ttft.observe(event.first_byte - event.started)
            if event.completion_tokens > 1:
                tpot.observe((event.last_byte - event.first_byte) / (event.completion_tokens - 1))

    def _instruments(self, key: tuple[str, str]) -> tuple[Counter, Counter, Histogram, Histogram, Histogram]:
        """The children of a model and a reason, looked up once."""
        model = key[0]
        found = self._of_model[key] = (
            self._prompt.labels(*key),
            self._completion.labels(*key),
            self._e2e.labels(model),
            self._ttft.labels(model),
            self._tpot.labels(model),
        )
        return found

    def _tenant(self, tenant: str) -> tuple[Counter, Counter]:
        """The counters of one of the first tenants, or those of all others."""
        name = tenant if self._tenants_left else OTHERS
        found = self._of_tenant.get(name) or (self._tenant_tokens.labels(name), self._tenant_cost.labels(name))
        if self._tenants_left or name not in self._of_tenant:
            self._of_tenant[name] = found
        self._tenants_left = max(0, self._tenants_left - 1)
        return found

    def count_replicas(self, home: Path, models: Iterable[str]) -> None:
        """Tell of replicas from now on, as far as somebody says below ``home``."""
        self._looks.append(Replicas(home, models, self._registry).look)

    def look(self, targets: Iterable[Backend]) -> None:
        """Set the gauges, and what is only told now and then; a worker that is not asked itself has to do so, too."""
        for target in targets:
            self._in_flight.labels(target.name).set(target.slots.in_flight)
            self._waiting.labels(target.name).set(target.slots.waiting)
            self._up.labels(target.name).set(target.breaker.available)
            self._open.labels(target.name).set(target.breaker.open)
            self._outside.labels(target.name).set(target.model.is_outside)
        for look in self._looks:
            look()

    def exposition(self, targets: Iterable[Backend]) -> bytes:
        """The text that Prometheus scrapes; the gauges are read now."""
        self.look(targets)
        if shared():
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"freehold_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"freehold_{name}", text, ("model",), buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, text: str, workers: Workers = "livesum") -> Gauge:
        return Gauge(f"freehold_{name}", text, ("model",), registry=self._registry, multiprocess_mode=workers)


def shared() -> bool:
    """Whether several workers add up."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


def forget_worker(pid: int | None) -> None:
    """Take a dead worker's gauges out of the sums."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
