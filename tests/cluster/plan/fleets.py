"""Fleets to plan for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.plan.report import Report, report
from cluster.spec import Fleet

SMALL = {"source": "meta-llama/Llama-3.1-8B-Instruct", "accelerator": {"type": "H100", "count": 1}}
LARGE = {"source": "meta-llama/Llama-3.3-70B-Instruct", "accelerator": {"type": "H100", "count": 4}}
CLAUDE = {"engine": "claude", "price": {"prompt": 3, "completion": 15}}
SLO = {"ttft_p95_s": 2, "tpot_p95_s": 0.06}


def fleet(**parts: Any) -> Fleet:  # noqa: ANN401 - parts of a fleet file
    """Llama 8B and 70B, eight requests a second, on H100 and L40S; ``parts`` replace parts of it."""
    whole: dict[str, Any] = {
        "name": "f",
        "models": {"s": SMALL, "l": LARGE},
        "tiers": {"small": ["s"], "large": ["l"]},
        "traffic": {"requests_per_second": 8, "shape": "office"},
        "slo": SLO,
        "planning": {"gpus": ["H100", "L40S"]},
    }
    return Fleet.model_validate(whole | parts)


def planned(**parts: Any) -> Report:  # noqa: ANN401 - parts of a fleet file
    """The report of such a fleet."""
    return report(fleet(**parts), Path())
