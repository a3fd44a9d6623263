"""The figures of a simulated engine under the names, labels and buckets of vLLM 0.32, in simulated seconds.

Counting a token must cost next to nothing, so figures are plain numbers here, and become Prometheus' families only when
somebody asks. Figures of what is not simulated (images, KV transfer, sleep) are there and stay 0, as on an idle vLLM.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.simulated.batch import Batch, Sequence
from serving.simulated.blocks import BLOCK

_TTFT = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
    20,
    40,
    80,
    160,
    640,
    2560,
)
_ITL = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_LATENCY = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
_ITERATION = tuple(float(1 << power) for power in (0, *range(3, 15)))
_N = (1.0, 2.0, 5.0, 10.0, 20.0)
_PREEMPTIONS = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
_TIMES = {
    "time_to_first_token_seconds": _TTFT,
    "inter_token_latency_seconds": _ITL,
    "request_time_per_output_token_seconds": _ITL,
    "e2e_request_latency_seconds": _LATENCY,
    "request_queue_time_seconds": _LATENCY,
    "request_inference_time_seconds": _LATENCY,
    "request_prefill_time_seconds": _LATENCY,
    "request_decode_time_seconds": _LATENCY,
}
_LENGTHS = ("prompt_tokens", "generation_tokens", "max_num_generation_tokens", "params_max_tokens")
_LABELLED = {
    "num_requests_waiting_by_reason": ("reason", ("capacity", "deferred")),
    "engine_sleep_state": ("sleep_state", ("awake", "weights_offloaded", "discard_all")),
    "prompt_tokens_by_source": ("source", ("local_compute", "local_cache_hit", "external_kv_transfer")),
    "prompt_tokens_cached_by_source": ("source", ("device", "host", "p2p", "disk", "external_unspecified")),
    "request_success": ("finished_reason", ("stop", "length", "abort", "error", "repetition")),
}
_GAUGES = (
    *("num_requests_running", "num_requests_waiting", "num_requests_waiting_by_reason", "engine_sleep_state"),
    "kv_cache_usage_perc",
)
_COUNTERS = (
    *("prefix_cache_queries", "prefix_cache_hits", "external_prefix_cache_queries", "external_prefix_cache_hits"),
    *("mm_cache_queries", "mm_cache_hits", "num_preemptions", "prompt_tokens", "prompt_tokens_by_source"),
    *("prompt_tokens_cached", "prompt_tokens_cached_by_source", "generation_tokens", "request_success"),
)


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound."""

    bounds: tuple[float, ...]
    total: float = 0.0
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        """One more than bounds: what is above them all."""
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def cumulated(self) -> list[tuple[str, float]]:
        """As Prometheus wants it."""
        seen, result = 0, []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            result.append(("+Inf" if bound == float("inf") else str(float(bound)), float(seen)))
        return result


class Metrics:
    """All figures of one engine."""

    def __init__(self, model: str, number: int, context_length: int, batch: Batch) -> None:
        """Begin at 0; ``number`` is the value of the label ``engine``."""
        self._model, self._number, self._batch = model, str(number), batch
        self.behind_s = 0.0
        """Simulated seconds that were lost because this machine was too slow for the speed."""
        self.counted: defaultdict[tuple[str, str], float] = defaultdict(float)
        """By name and, where there is one, the value of the label beside the model's."""
        lengths = tuple(float(mantissa * 10**power) for power in range(8) for mantissa in (1, 2, 5))
        lengths = tuple(bound for bound in lengths if bound <= context_length)
        self.histograms = {name: Histogram(bounds) for name, bounds in _TIMES.items()}
        self.histograms |= {f"request_{name}": Histogram(lengths) for name in _LENGTHS}
        self.histograms["request_prefill_kv_computed_tokens"] = Histogram(lengths)
        self.histograms["iteration_tokens_total"] = Histogram(_ITERATION)
        self.histograms["request_params_n"] = Histogram(_N)
        self.histograms["request_num_preemptions"] = Histogram(_PREEMPTIONS)

    def stepped(self, tokens: int) -> None:
        """A step computed so many tokens."""
        self.histograms["iteration_tokens_total"].observe(tokens)

    def began(self, sequence: Sequence) -> None:
        """A sequence has its first token, or its embedding."""
        computed = sequence.prompt_tokens - sequence.cached
        for name, count in (
            (("prompt_tokens", ""), sequence.prompt_tokens),
            (("prompt_tokens_by_source", "local_compute"), computed),
            (("prompt_tokens_by_source", "local_cache_hit"), sequence.cached),
            (("prompt_tokens_cached", ""), sequence.cached),
            (("prompt_tokens_cached_by_source", "device"), sequence.cached),
            (("prefix_cache_queries", ""), sequence.prompt_tokens),
            (("prefix_cache_hits", ""), sequence.cached),
        ):
            self.counted[name] += count
        self.histograms["time_to_first_token_seconds"].observe(sequence.first - sequence.arrived)

    def ended(self, sequence: Sequence, reason: str) -> None:
        """A sequence is over; of an aborted one, vLLM knows only that."""
        self.counted["request_success", reason] += 1
        if reason == "abort":
            return
        decode = sequence.last - sequence.first
        for name, value in {
            "e2e_request_latency_seconds": sequence.last - sequence.arrived,
            "request_queue_time_seconds": sequence.admitted - sequence.arrived,
            "request_inference_time_seconds": sequence.last - sequence.admitted,
            "request_prefill_time_seconds": sequence.first - sequence.admitted,
            "request_decode_time_seconds": decode,
            "request_time_per_output_token_seconds": decode / max(1, sequence.produced - 1),
            "request_prompt_tokens": sequence.prompt_tokens,
            "request_generation_tokens": sequence.produced,
            "request_num_preemptions": sequence.preempted,
            "request_prefill_kv_computed_tokens": sequence.prompt_tokens - sequence.cached,
        }.items():
            self.histograms[name].observe(value)

    def collect(self) -> Iterator[Metric]:
        """Everything, now."""
        self._look()
        yield from self._families(GaugeMetricFamily, _GAUGES)
        yield from self._families(CounterMetricFamily, _COUNTERS)
        for name, histogram in self.histograms.items():
            family = HistogramMetricFamily(f"vllm:{name}", name, labels=("model_name", "engine"))
            family.add_metric((self._model, self._number), histogram.cumulated(), histogram.total)
            yield family
        info = GaugeMetricFamily(
            "vllm:cache_config_info", "KV cache", labels=("engine", "block_size", "num_gpu_blocks")
        )
        info.add_metric((self._number, str(BLOCK), str(self._batch.blocks.total)), 1)
        yield info
        text = "Simulated seconds lost because this machine is too slow for the speed that was asked for"
        behind = CounterMetricFamily("freehold_simulated_behind_seconds", text, labels=("model_name", "engine"))
        behind.add_metric((self._model, self._number), self.behind_s)
        yield behind

    def _look(self) -> None:
        batch, counted = self._batch, self.counted
        counted["num_requests_running", ""] = len(batch.running)
        counted["num_requests_waiting", ""] = len(batch.waiting)
        counted["num_requests_waiting_by_reason", "capacity"] = len(batch.waiting)
        counted["kv_cache_usage_perc", ""] = batch.blocks.used / batch.blocks.total
        counted["num_preemptions", ""] = batch.preemptions
        counted["engine_sleep_state", "awake"] = 1

    def _families(
        self, family: type[GaugeMetricFamily | CounterMetricFamily], names: Iterable[str]
    ) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for name in names:
            label, values = _LABELLED.get(name, ("", ("",)))
            found = family(f"vllm:{name}", name, labels=("model_name", "engine", *([label] if label else [])))
            for value in values:
                labels = (self._model, self._number, *([value] if label else []))
                found.add_metric(labels, self.counted[name, value])
            yield found


class _Page(Collector):
    """The figures of a model's replicas, each family once."""

    def __init__(self, replicas: Iterable[Metrics]) -> None:
        self._replicas = list(replicas)

    def collect(self) -> Iterator[Metric]:
        """Samples of all replicas, told apart by the label ``engine``."""
        for first, *others in zip(*(one.collect() for one in self._replicas), strict=True):
            first.samples += [sample for other in others for sample in other.samples]
            yield first


def page(replicas: Iterable[Metrics]) -> bytes:
    """What ``GET /metrics`` answers."""
    registry = CollectorRegistry()
    registry.register(_Page(replicas))
    return generate_latest(registry)
