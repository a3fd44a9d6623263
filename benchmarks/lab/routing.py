"""What a trained router recovers on labels that it has not seen, and what share it sends when the traffic changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.learn.artefact import Trained
from router.learn.head import see
from router.learn.labels import Answer, Label, graded, read_answers, read_labels, scores_of
from router.learn.metrics import routing_metrics, with_intervals
from router.learn.quantile import RollingQuantile
from router.learn.train import score, train

SMALL: Final = 1500
SHARE: Final = 0.2
BLOCK: Final = 100
"""Requests in a row of which the worst is reported."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Two sides of the same sources; no question is on both."""

    train: list[Label]
    dev: list[Label]
    answers: dict[str, Answer]

    @classmethod
    def read(cls, folder: Path) -> Labelled:
        """From a folder of parquet files."""
        train, dev = (graded(read_labels([folder / f"{name}.parquet"]), None, 0) for name in ("train", "dev"))
        return cls(train, dev, read_answers(folder / "weak_outputs.parquet"))


def small_draws(labelled: Labelled, draws: int, kept: Path) -> dict[str, float]:
    """Means over routers that learned from 1,500 labels of the MMLU pair each."""
    mine, dev = _of(labelled.train, _is_mmlu), _of(labelled.dev, _is_mmlu)
    found: dict[str, list[float]] = {}
    for seed in range(draws):
        drawn = graded(mine, SMALL, seed)
        trained = train(drawn, {}, seed, kept / f"draw{seed}")
        known = {label.id for label in drawn}
        rest = [label for label in mine if label.id not in known]
        for side, labels in (("", dev), ("_rest", rest)):
            for name, value in _figures(trained, labels, {}).items():
                found.setdefault(f"mmlu_1500{side}_{name}", []).append(value)
        found.setdefault("mmlu_1500_rest_by_length_apgr", []).append(_by_length(rest))
    return {name: float(np.mean(values)) for name, values in found.items()}


def large_pair(labelled: Labelled, kept: Path) -> tuple[Trained, dict[str, float]]:
    """A router that learned from everything, and how it does for each pair; length beside it."""
    trained = train(labelled.train, labelled.answers, 0, kept / "all")
    found = {"artefact_bytes": float(trained.card["bytes"])}
    sides: list[tuple[str, Callable[[Label], bool], dict[str, Answer]]] = [
        ("mmlu_all", _is_mmlu, {}),
        ("llama_prompt", _is_llama, {}),
        ("llama_answer", _is_llama, labelled.answers),
    ]
    for name, chosen, answers in sides:
        for figure, value in _figures(trained, _of(labelled.dev, chosen), answers).items():
            found[f"{name}_{figure}"] = value
    for name, chosen in (("mmlu", _is_mmlu), ("llama", _is_llama)):
        found[f"{name}_by_length_apgr"] = _by_length(_of(labelled.dev, chosen))
    return trained, found


def drift(trained: Trained, labels: Sequence[Label]) -> dict[str, float]:
    """Source after source, as when another team joins: the share asked of the large model, with and without rolling."""
    rng = np.random.default_rng(0)
    sources = sorted({_source(label) for label in labels})
    stream = [at for source in rng.permutation(sources) for at in rng.permutation(_at(labels, source))]
    head = trained.head("", answered=False)
    scores = head.scores([see(labels[at].prompt) for at in stream])
    quantile = RollingQuantile(SHARE, trained.card["reference_scores"])
    rolling = np.array([quantile.is_large(value) for value in scores])
    fixed = scores >= np.quantile(trained.card["reference_scores"], 1 - SHARE)
    return {
        "drift_large_share": float(rolling.mean()),
        "drift_worst_block_share": _worst(rolling),
        "drift_fixed_large_share": float(fixed.mean()),
        "drift_fixed_worst_block_share": _worst(fixed),
    }


def _worst(large: NDArray[np.bool_]) -> float:
    """Of any hundred in a row."""
    sums = np.concatenate(([0], np.cumsum(large)))
    return float((sums[BLOCK:] - sums[:-BLOCK]).max() / BLOCK)


def _figures(trained: Trained, labels: Sequence[Label], answers: dict[str, Answer]) -> dict[str, float]:
    found = with_intervals(score(trained, labels, answers), *scores_of(labels))
    shown = {name: found[name].value for name in ("apgr", "cpt50", "cpt80", "auc")}
    return {**shown, "apgr_standard_error": found["apgr"].error}


def _by_length(labels: Sequence[Label]) -> float:
    """APGR of the prompt's length, which tells how hard these labels are to rank for anybody."""
    return routing_metrics(np.array([float(len(label.prompt)) for label in labels]), *scores_of(labels))["apgr"]


def _of(labels: Sequence[Label], chosen: Callable[[Label], bool]) -> list[Label]:
    return [label for label in labels if chosen(label)]


def _at(labels: Sequence[Label], source: str) -> list[int]:
    return [at for at, label in enumerate(labels) if _source(label) == source]


def _source(label: Label) -> str:
    return label.topic.partition("/")[0]


def _is_mmlu(label: Label) -> bool:
    return _source(label) == "rl_mmlu" and label.topic != "rl_mmlu/contaminated"


def _is_llama(label: Label) -> bool:
    return label.pair.startswith("llama")
