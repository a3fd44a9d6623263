"""What the learned residual sees of a configuration: its physics, its sizes, its engine. Mostly logarithms.

The fitted file names those that it asks for: whoever changes one fits again (``benchmarks/lab/capacity_fit.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cluster.latency.calibration import Factors, applied
from cluster.latency.configuration import DRAWN, KINDS, METRICS, STATS, Configuration
from cluster.latency.load import Lengths, Pace, burst, closed, opened, room
from cluster.latency.overheads import Overheads, overheads
from cluster.latency.roofline import Roofline, roofline
from cluster.memory import budget, kv_bytes_per_token

_TIGHT = 8
"""Sequences that are granted to a model whose weights leave no room in the budget but was measured all the same."""
_QUEUE_SHARE = 0.02
"""Of the waiting that sequences beyond the room would cost: published runs seldom go beyond it."""
_ENGINES = ("vllm", "sglang", "trtllm")
_QUANTS = ("bf16", "fp8", "fp8_block", "int4", "mxfp4", "fp4")


@dataclass(frozen=True, slots=True)
class Physics:
    """What the roofline says of a configuration."""

    timing: Roofline
    pace: Pace
    value: float
    """Of the metric: seconds, or output tokens a second of all copies together."""
    fits: bool


def physics(asked: Configuration, using: Overheads | None = None, factors: Factors | None = None) -> Physics:
    """The prediction before anything is learned; ``factors`` of a calibration on the parts of a step."""
    space = budget(asked.replica)
    using = using or overheads(asked.replica.engine, asked.year, served=asked.served)
    timing = applied(roofline(asked.replica, using, space), factors or {})
    if not space.fits:
        timing = _cramped(timing, asked.lengths)
    pace = _pace(asked, timing, using.run)
    value = {
        "ttft": _first_token(asked, pace, using),
        "e2e": pace.ttft_s + pace.tpot_s * max(0.0, asked.lengths.output - 1),
        "output_throughput": pace.throughput * asked.copies,
        "batch_latency": pace.total_s,
    }.get(asked.metric, pace.tpot_s)
    return Physics(timing, pace, max(value, 1e-9), space.fits)


def features(asked: Configuration, seen: Physics) -> dict[str, float]:
    """The features by name, in a fixed order."""
    return {**_of_load(asked, seen), **_of_steps(asked, seen), **_of_hardware(asked), **_of_software(asked)}


def _pace(asked: Configuration, timing: Roofline, run: float) -> Pace:
    load = asked.load / asked.copies
    match asked.kind:
        case "open":
            return opened(timing, asked.lengths, load)
        case "burst" | "static_batch":
            return burst(timing, asked.lengths, load)
        case "offline_max":
            return closed(timing, asked.lengths, room(timing, asked.lengths))
        case _:
            return closed(timing, asked.lengths, load / (1 + load / run))


def _first_token(asked: Configuration, pace: Pace, using: Overheads) -> float:
    """As load generators see it: with few requests per caller, that all began at once shows in the mean."""
    if asked.kind != "closed":
        return pace.ttft_s
    start = using.start_s + using.start_share * pace.rush_s + using.start_steps * pace.tpot_s
    return start + pace.alone_s + _QUEUE_SHARE * pace.wait_s


def _cramped(timing: Roofline, lengths: Lengths) -> Roofline:
    return replace(timing, kv_tokens=int(_TIGHT * (lengths.prompt + lengths.output)))


def _of_load(asked: Configuration, seen: Physics) -> dict[str, float]:
    pace, lengths = seen.pace, asked.lengths
    callers = asked.load / asked.copies if math.isfinite(asked.load) else pace.running
    prompts = math.ceil(pace.running * lengths.prompt / seen.timing.max_batched_tokens)
    return {
        "load": math.log(max(1e-3, callers)),
        "running": math.log(max(0.1, pace.running)),
        "crowd": math.log(max(0.1, callers / room(seen.timing, lengths))) if asked.kind != "open" else 0.0,
        "prompt": math.log(lengths.prompt),
        "output": math.log(lengths.output),
        "ratio": math.log(lengths.prompt / lengths.output),
        "prompts": math.log(prompts),
        "busy": pace.busy,
        "wait": math.log(max(1e-4, pace.wait_s)),
        "tpot": math.log(pace.tpot_s),
        "ttft": math.log(pace.ttft_s),
        "alone": math.log(max(1e-5, pace.alone_s)),
        "rush": math.log(max(1e-4, pace.rush_s)),
        "prefill": math.log(max(1e-5, pace.prefill_s)),
        **{kind: float(asked.kind == kind) for kind in KINDS},
        "throughput": math.log(pace.throughput),
        **{drawn: float(asked.drawn == drawn) for drawn in DRAWN},
        "guessed": float(asked.guessed),
        "quantile": STATS[asked.stat],
        **{f"is {metric}": float(asked.metric == metric) for metric in METRICS},
    }


def _of_steps(asked: Configuration, seen: Physics) -> dict[str, float]:
    timing, pace = seen.timing, seen.pace
    step = pace.decode_s
    tokens = pace.running * asked.lengths.prompt / asked.lengths.output
    context = pace.running * (asked.lengths.prompt + asked.lengths.output / 2)
    return {
        "decode": math.log(step),
        "fixed share": timing.fixed_s / step,
        "read share": (timing.dense_read_s + timing.expert_read_s) / step,
        "kv share": timing.kv_read_s * context / step,
        "compute share": timing.token_s * pace.running / step,
        "prompt tokens": math.log(max(0.1, tokens)),
        "expert read": math.log(timing.expert_read_s + 1e-5),
        "dense read": math.log(timing.dense_read_s + 1e-5),
        "token": math.log(timing.token_s),
        "fits": float(seen.fits),
    }


def _of_hardware(asked: Configuration) -> dict[str, float]:
    gpu, model, replica = asked.replica.gpu, asked.replica.model, asked.replica
    return {
        "bandwidth": math.log(gpu.bandwidth),
        "flops": math.log(gpu.flops["bf16"]),
        "fp4 rate": math.log(gpu.flops["fp4"] / gpu.flops["bf16"]),
        "memory": math.log(gpu.memory_bytes),
        "link": math.log(gpu.link),
        "tp": math.log2(replica.tp),
        "ep": math.log2(replica.ep),
        "ranks": math.log2(replica.ranks),
        "copies": math.log2(asked.copies),
        "layers": float(model.layers),
        "hidden": math.log(model.hidden),
        "params": math.log(model.params),
        "active": math.log(model.active_params),
        "experts": float(model.experts),
        "mla": float(model.mla_rank > 0),
        "window": float(model.full_attention_every),
        "kv": math.log(kv_bytes_per_token(replica)),
    }


def _of_software(asked: Configuration) -> dict[str, float]:
    replica = asked.replica
    return {
        **{engine: float(replica.engine == engine) for engine in _ENGINES},
        "version": asked.version,
        "year": asked.year,
        "bits": replica.quant.weight_bytes,
        "kv bytes": replica.kv_bytes,
        **{quant: float(replica.quant.name == quant) for quant in _QUANTS},
        "chunk": math.log2(replica.max_batched_tokens),
    }
