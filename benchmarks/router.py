"""The trained router on labels that it has not seen: what it recovers, how it drifts, and how long a decision takes.

``python benchmarks/router.py [--quick] [--json FILE] [--labels FOLDER]``. The folder holds
``train``, ``dev`` and ``weak_outputs`` as parquet (docs/router.md says what is in them); all is learned from ``train``
and measured on ``dev``.
``*_rest`` is measured on the labels of ``train`` that a draw left out: four times as many, so half the error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np

from benchmarks.lab.decisions import decision_times
from benchmarks.lab.processes import ROOT, BenchmarkError
from benchmarks.lab.report import Target, machine, publish, versions
from benchmarks.lab.routing import Labelled, drift, large_pair, small_draws

TARGETS: Final = (
    Target("mmlu_1500_apgr", ">=", 0.66),
    Target("mmlu_1500_cpt50", "<=", 0.29),
    Target("mmlu_all_apgr", ">=", 0.72),
    Target("llama_prompt_apgr", ">=", 0.575),
    Target("llama_answer_apgr", ">=", 0.60),
    Target("drift_large_share", ">=", 0.18),
    Target("drift_large_share", "<=", 0.22),
    Target("drift_worst_block_share", "<=", 0.35),
    Target("decision_2k_tokens_p50_ms", "<=", 0.3),
    Target("decision_2k_tokens_p99_ms", "<=", 2),
    Target("decision_100k_tokens_p99_ms", "<=", 10),
    Target("hostile_worst_ms", "<=", 50),
    Target("begging_extra_large_share", "<=", 0.01),
    Target("begging_extra_spill_share", "<=", 0.01),
)


def main() -> int:
    """Measure; 1 when a target is missed, 3 when the labels are missing."""
    parser = argparse.ArgumentParser(description="What a trained router recovers, and what a decision costs.")
    parser.add_argument("--quick", action="store_true", help="one draw of 1,500 labels instead of four")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--labels", type=Path, metavar="FOLDER", default=_folder(), help="default: FREEHOLD_LABELS")
    asked = parser.parse_args()
    try:
        figures = measure(asked.labels, 1 if asked.quick else 4)
    except BenchmarkError as error:
        print(f"benchmarks/router.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["numpy", "pyarrow"]), asked.json)


def measure(folder: Path, draws: int) -> dict[str, float]:
    """All figures; raises :class:`BenchmarkError` where there are no labels."""
    if not (folder / "train.parquet").is_file():
        msg = f"no train.parquet in {folder}; name the folder of labels with --labels or FREEHOLD_LABELS"
        raise BenchmarkError(msg)
    labelled = Labelled.read(folder)
    with tempfile.TemporaryDirectory(prefix="freehold-router-") as kept:
        figures = small_draws(labelled, draws, Path(kept))
        trained, found = large_pair(labelled, Path(kept))
    prompts = [label.prompt for label in np.random.default_rng(0).permutation(np.array(labelled.dev, object))]
    return figures | found | drift(trained, labelled.dev) | decision_times(trained, prompts)


def _folder() -> Path:
    named = os.environ.get("FREEHOLD_LABELS")
    return Path(named) if named else ROOT.parent / "shared" / "data" / "router"


if __name__ == "__main__":
    sys.exit(main())
