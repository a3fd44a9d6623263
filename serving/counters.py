"""vLLM's own figures of one replica → what the autoscaler counts: arrivals, tokens, late answers, pressure.

Numbers that only grow, apart from the last three, so that whoever reads them now and then misses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import REGISTRY, Metric

from cluster.spec import Slo

ENDED = "vllm:request_success_total"
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that are promised, by the histogram that knows; histograms are judged apart, the worst one counts."""

    seconds: dict[str, float]

    @classmethod
    def of(cls, slo: Slo) -> Limits:
        """Of a fleet."""
        told = {
            "vllm:time_to_first_token_seconds": slo.ttft_p95_s,
            "vllm:request_time_per_output_token_seconds": slo.tpot_p95_s,
            "vllm:e2e_request_latency_seconds": slo.e2e_p95_s,
        }
        return cls({name: limit for name, limit in told.items() if limit})


def counters(families: Iterable[Metric], limits: Limits) -> dict[str, float]:
    """What one replica knows of an :class:`~cluster.autoscale.Observed`; ``arrived`` to ``late`` since its start."""
    sums: defaultdict[str, float] = defaultdict(float)
    buckets: defaultdict[str, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for sample in (sample for family in families for sample in family.samples):
        name = sample.name.removesuffix("_bucket")
        if name in limits.seconds and name != sample.name:
            buckets[name][float(sample.labels["le"])] += sample.value
        elif sample.name.startswith("vllm:"):
            sums[sample.name] += sample.value
    return {
        "arrived": sums[ENDED] + sums[RUNNING] + sums[WAITING],
        "prompt_tokens": sums["vllm:prompt_tokens_total"] - sums["vllm:prefix_cache_hits_total"],
        "ended": sums[ENDED],
        "output_tokens": sums["vllm:generation_tokens_total"],
        "late": max((above(found, limits.seconds[name]) for name, found in buckets.items()), default=0.0),
        "in_flight": sums[RUNNING] + sums[WAITING],
        "waiting": sums[WAITING],
        "kv_share": sums["vllm:kv_cache_usage_perc"],
    }


def vllm_figures() -> Iterable[Metric]:
    """Those of the vLLM in this process."""
    return REGISTRY.collect()


def above(buckets: dict[float, float], limit: float) -> float:
    """How many of a histogram's values are above a limit, in a line between the bounds around it."""
    low, below = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if limit <= bound:
            part = (limit - low) / (bound - low) if bound != float("inf") else 0.0
            below += part * (count - below)
            break
        low, below = bound, count
    return max(buckets.values()) - below
