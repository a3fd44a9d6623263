"""What was, or is to be, measured: one row of ``freehold predict --csv``, read and checked.

Columns: ``engine, engine_version, date, model, quant, kv_dtype, gpu, n_gpus, tp, pp, ep, isl, osl, length_dist,
load_kind, load_value, metric, stat``; ``notes`` is searched for vLLM's ``max-num-batched-tokens`` and ``max_num_seqs``.
Only ``model``, ``gpu``, ``load_kind`` and ``metric`` must be there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import quant
from cluster.errors import CatalogError
from cluster.latency.load import Lengths
from cluster.latency.overheads import early
from cluster.latency.plain import plain
from cluster.memory import Replica, budget

METRICS = ("tpot", "itl", "ttft", "e2e", "output_throughput", "batch_latency")
KINDS = ("closed", "open", "burst", "static_batch", "offline_max")
_SERVED = ("closed", "open", "burst")
DRAWN = ("fixed", "uniform", "dataset")
"""All the same length; evenly between four fifths of the longest and it; as in recorded conversations."""
STATS = {"mean": 0.0, "total": 0.0, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_ENGINES = ("sglang", "trtllm", "vllm")
_USUAL_TOKENS = 300.0
_WORTHWHILE = 32
_LARGEST = 1e9
_TRT_SEQS = 2048
"""TensorRT-LLM's own default for ``max_batch_size``."""
_TRT_SHARE = 0.9
"""And for ``free_gpu_memory_fraction``."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A replica under a load, and the figure that is wanted of it."""

    replica: Replica
    copies: float
    """Replicas that share the load evenly."""
    lengths: Lengths
    kind: str
    """One of ``KINDS``."""
    load: float
    """For all copies: callers (closed), requests a second (open), requests (burst, static batch); infinite offline."""
    metric: str
    stat: str
    drawn: str = ""
    """How lengths vary: one of ``DRAWN``, or not known."""
    year: float = 0.0
    """When it was measured; 0 unknown."""
    version: float = 0.0
    """Of the engine, as a number that grows with it; 0 unknown."""
    guessed: int = 0
    """How many of prompt length and tensor parallelism were not given and had to be assumed."""

    @property
    def served(self) -> bool:
        """Whether callers asked a server, not the engine itself."""
        return self.kind in _SERVED


def read(row: Mapping[str, str]) -> Configuration:
    """Read a row; raises :class:`~cluster.errors.CatalogError` that names the column."""
    model, kind, stored = architecture(_text(row, "model")), gpu(_text(row, "gpu")), row.get("quant") or "bf16"
    lengths = Lengths(*(max(1.0, _number(row, column) or _USUAL_TOKENS) for column in ("isl", "osl")))
    engine = next((name for name in _ENGINES if name in row.get("engine", "").lower()), "vllm")
    settings = _settings(row.get("notes", ""))
    split, year = _split(row), _year(row.get("date", ""))
    base = plain(
        model,
        kind,
        quant(stored),
        tp=max(1, split.tp),
        pp=int(_number(row, "pp")) or 1,
        context=int(lengths.prompt + lengths.output),
        kv_bytes=1.0 if row.get("kv_dtype", "").startswith("fp8") else 2.0,
        max_seqs=settings.get("seqs", _TRT_SEQS if engine == "trtllm" else 0),
        max_batched_tokens=settings.get("batched-tokens", 0),
        engine=engine,
        engine_version=row.get("engine_version", ""),
    )
    if engine == "trtllm" and not early(year):
        base = replace(base, utilization=_TRT_SHARE, of_free=True)
    base = replace(base, ep=split.ep) if split.tp else _sized(base)
    gpus = max(split.gpus, float(base.gpus))
    load_kind = _load_kind(row)
    return Configuration(
        replica=base,
        copies=max(1.0, gpus // base.gpus),
        lengths=lengths,
        kind=load_kind,
        load=math.inf if load_kind == "offline_max" else _load(row),
        metric=_one_of(row, "metric", METRICS),
        stat=_one_of(row, "stat", tuple(STATS)) if row.get("stat") else "mean",
        drawn=_drawn(row.get("length_dist", "")),
        year=year,
        version=_version(row.get("engine_version", "")),
        guessed=(not _number(row, "isl")) + (not split.tp),
    )


@dataclass(frozen=True, slots=True)
class _Split:
    """Over which GPUs a model is split; ``tp`` 0 where it is not said."""

    tp: int
    ep: int
    gpus: float


def _split(row: Mapping[str, str]) -> _Split:
    """Tell apart what may be counted twice: collections of InferenceX runs list the product of two ways to split.

    On one machine of 8, experts over 8 and attention over 8 appear as ``tp`` (or ``dp``) 64 and ``ep`` 8; attention
    that is replicated 4 times on 4 GPUs as ``tp`` 4, ``dp`` 4 and ``ep`` 16.
    """
    tp, dp, ep = (int(_number(row, column)) for column in ("tp", "dp", "ep"))
    gpus, both = _number(row, "n_gpus"), tp * max(1, dp)
    if tp == dp > 1 and ep == both:
        return _Split(1, tp, gpus / tp)
    if 1 < ep < both:
        return _Split(max(1, tp // ep), ep, gpus / ep)
    return _Split(tp, max(1, ep), gpus)


def _sized(replica: Replica) -> Replica:
    """The fewest GPUs that hold a worthwhile batch, as whoever tunes for throughput would choose."""
    for tp in (1, 2, 4):
        tried = replace(replica, tp=tp)
        if budget(tried).sequences >= _WORTHWHILE:
            return tried
    return replace(replica, tp=8)


def _text(row: Mapping[str, str], column: str) -> str:
    if not row.get(column):
        msg = f"{column}: empty; no prediction without it"
        raise CatalogError(msg)
    return row[column]


def _number(row: Mapping[str, str], column: str) -> float:
    """A figure that is not negative; 0 where the column is empty or not there."""
    text = row.get(column) or "0"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LARGEST:
        msg = f"{column}: {text[:40]!r} is no number from 0 to {_LARGEST:g}"
        raise CatalogError(msg)
    return value


def _one_of(row: Mapping[str, str], column: str, known: tuple[str, ...]) -> str:
    value = _text(row, column)
    if value not in known:
        msg = f"{column}: no data for {value[:40]!r}; there is for {', '.join(known)}"
        raise CatalogError(msg)
    return value


def _load_kind(row: Mapping[str, str]) -> str:
    return "open" if row.get("load_kind", "").startswith("open") else _one_of(row, "load_kind", KINDS)


def _load(row: Mapping[str, str]) -> float:
    value = _number(row, "load_value")
    if not value:
        msg = "load_value: empty; no prediction without the load"
        raise CatalogError(msg)
    return value


def _drawn(said: str) -> str:
    if "fixed (" in said or said == "fixed":
        return "fixed"
    if said.startswith("uniform"):
        return "uniform"
    return "dataset" if re.search("ShareGPT|dataset|chat", said) else ""


def _settings(notes: str) -> dict[str, int]:
    found = re.findall(r"max[-_]num[-_](batched[-_]tokens|seqs|tokens)[ =]+(\d+)", notes)
    return {("seqs" if name == "seqs" else "batched-tokens"): int(value) for name, value in found}


def _year(date: str) -> float:
    found = re.match(r"(\d{4})(?:-(\d{2}))?", date)
    return int(found[1]) + (int(found[2] or 7) - 0.5) / 12 if found else 0.0


def _version(text: str) -> float:
    """0.19.0 → 19, 0.5.9 → 5.09, 1.2.0rc6 → 102: minor versions count, major ones are a hundred of them."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return int(found[1]) * 100.0 + int(found[2]) + int(found[3] or 0) / 100 if found else 0.0
