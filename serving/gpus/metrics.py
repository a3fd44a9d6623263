"""A look at the GPUs as Prometheus' text; the names are an interface, explained in docs/reference/metrics.md.

What a GPU cannot tell has no sample, so that nothing unknown looks like 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cluster.gpus.facts import REASONS, Gpu
from serving.gpus.agent import Agent, Report

Samples = Mapping[tuple[str, ...], float | None]
CAUSES = ("ecc", "lost", "remap", "xid")


class Family(NamedTuple):
    """One metric."""

    name: str
    text: str
    labels: tuple[str, ...]
    samples: Callable[[Report, Gpu], Samples]
    """Values of the labels → the figure, of one GPU."""
    counts: bool = False


def _of_models(report: Report, gpu: Gpu) -> Samples:
    found: Counter[tuple[str, ...]] = Counter()
    for one in gpu.processes:
        found[report.models.get(one.pid) or "other",] += one.memory_bytes or 0
    return found


def _condemned(report: Report, gpu: Gpu) -> Samples:
    kinds = {cause.kind for cause in report.verdicts[gpu.index]}
    return {(cause,): cause in kinds for cause in CAUSES}


def _of(found: Mapping[tuple[int, int], float], gpu: Gpu) -> Samples:
    """Of Xid errors, those of one GPU."""
    return {(str(xid),): value for (index, xid), value in found.items() if index == gpu.index}


def _plain(name: str, field: str, text: str) -> Family:
    return Family(name, text, (), lambda _, gpu: {(): getattr(gpu, field)})


FAMILIES = (
    Family("info", "1; what it is.", ("uuid", "name", "driver"), lambda r, g: {(g.uuid, g.name, r.machine.driver): 1}),
    Family("up", "0 where the driver has lost it.", (), lambda _, gpu: {(): not gpu.lost}),
    Family("condemned", "1 where it must not be used, by cause.", ("cause",), _condemned),
    _plain("utilization_ratio", "utilization", "Share of the last sample in which a kernel ran."),
    _plain("memory_used_bytes", "memory_used_bytes", "Memory in use."),
    _plain("memory_total_bytes", "memory_total_bytes", "Memory that there is."),
    Family("process_memory_bytes", "Memory of processes, by model.", ("model",), _of_models),
    Family(
        "mig_memory_used_bytes",
        "Memory in use.",
        ("mig",),
        lambda _, g: {(m.uuid,): m.memory_used_bytes for m in g.migs},
    ),
    Family(
        "mig_memory_total_bytes", "All of it.", ("mig",), lambda _, g: {(m.uuid,): m.memory_total_bytes for m in g.migs}
    ),
    _plain("power_watts", "power_w", "Power drawn."),
    _plain("power_limit_watts", "power_limit_w", "Power that may be drawn."),
    _plain("temperature_celsius", "temperature_c", "Of the die."),
    Family("clock_hertz", "Clocks.", ("clock",), lambda _, g: {("sm",): g.sm_clock_hz, ("memory",): g.memory_clock_hz}),
    Family(
        "throttled",
        "1 while its clock is held down, by reason.",
        ("reason",),
        lambda _, gpu: {} if gpu.throttled is None else {(reason,): reason in gpu.throttled for reason in REASONS},
    ),
    _plain("pcie_generation", "pcie_generation", "Of the link, as negotiated now."),
    _plain("pcie_width", "pcie_width", "Lanes, as negotiated now."),
    Family(
        "pcie_bytes_per_second",
        "Over PCIe, in the last 20 ms.",
        ("direction",),
        lambda _, gpu: {("in",): gpu.pcie_in_bytes_per_s, ("out",): gpu.pcie_out_bytes_per_s},
    ),
    Family("pcie_replays", "Sent again over PCIe.", (), lambda _, gpu: {(): gpu.pcie_replays}, counts=True),
    _plain("nvlinks_active", "nvlinks", "NVLinks that are up."),
    Family(
        "ecc_errors",
        "Memory errors since the driver was loaded.",
        ("kind",),
        lambda _, gpu: {("corrected",): gpu.ecc_corrected, ("uncorrected",): gpu.ecc_uncorrected},
        counts=True,
    ),
    _plain("row_remap_pending", "remap_pending", "1 while a broken memory row waits for a reset to be replaced."),
    Family("xid_errors", "Xid errors since the agent began.", ("xid",), lambda r, gpu: _of(r.xids, gpu), counts=True),
    Family("xid_last_seconds", "When it came last, in Unix time.", ("xid",), lambda r, gpu: _of(r.seen, gpu)),
)


class _Page(Collector):
    """One look."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Every family, of every GPU."""
        for family in FAMILIES:
            kind = CounterMetricFamily if family.counts else GaugeMetricFamily
            found = kind(f"freehold_gpu_{family.name}", family.text, labels=("gpu", *family.labels))
            for gpu in self._report.machine.gpus:
                for values, figure in family.samples(self._report, gpu).items():
                    if figure is not None:
                        found.add_metric((str(gpu.index), *values), float(figure))
            yield found


def page(agent: Agent) -> bytes:
    """What ``GET /metrics`` answers; while the driver is silent, only that it is."""
    registry = CollectorRegistry()
    if not agent.silent:
        registry.register(_Page(agent.report))
    answers = Gauge("freehold_gpu_driver_up", "0 while the driver does not answer.", registry=registry)
    answers.set(not agent.silent)
    return generate_latest(registry)
