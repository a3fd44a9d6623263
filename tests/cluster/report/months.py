"""Months for tests: facts as the gateway tells them, with what a test is about changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.report.facts import Month
from cluster.spec import Fleet

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR_MS = 3_600_000


def used(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """A row of usage: a hundred answers of ``small``."""
    usual = {
        "day": "2026-11-02",
        "model": "eight",
        "tier": "small",
        "reason": "short-prompt",
        "outcome": "complete",
        "requests": 100,
        "prompt_tokens": 8000,
        "completion_tokens": 2000,
        "gpu_ms": 1000,
        "cost_micros": 0,
        "baseline_micros": 54_000,
    }
    return usual | changes


def hours(count: int, requests: int = 3600, tier: str = "small") -> list[dict[str, Any]]:
    """The load of so many hours from the month's beginning on: prompts of 400 tokens, answers of 100, all alike."""
    return [
        {
            "begins": int((BEGIN + timedelta(hours=number)).timestamp()),
            "tier": tier,
            "requests": requests,
            "prompt_tokens": 400 * requests,
            "completion_tokens": 100 * requests,
            "cached_tokens": 0,
            "prompt_ln": 5.991465 * requests,
            "prompt_ln2": 35.89765 * requests,
            "completion_ln": 4.60517 * requests,
            "completion_ln2": 21.207592 * requests,
        }
        for number in range(count)
    ]


def ran(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Ten hours of one replica of at most four, on two H100."""
    usual = {"model": "big", "gpu": "H100", "gpus": 2, "most": 4, "ms": 10 * HOUR_MS}
    return usual | {"replica_ms": 10 * HOUR_MS, "most_ms": 40 * HOUR_MS} | changes


def month(**changes: Any) -> Month:  # noqa: ANN401 - any field
    """November 2026, over, with the rows of ``used`` and no others."""
    usual: dict[str, Any] = {
        "month": "2026-11",
        "since": BEGIN,
        "until": datetime(2026, 12, 1, tzinfo=UTC),
        "whole": True,
        "outside": ["claude"],
        "left_requests": 0,
        "recorded_since": None,
        "first_month": "2026-10",
        "last_month": "2026-11",
        "usage": [used()],
        **dict.fromkeys(("tenants", "egress", "promises", "traffic", "replicas", "quality"), ()),
    }
    return Month.model_validate(usual | changes)


def fleet(**parts: Any) -> Fleet:  # noqa: ANN401 - of a fleet file
    """An 8B and a 70B model on H100."""
    plain = {
        "name": "reported",
        "models": {
            "eight": {
                "source": "meta-llama/Llama-3.1-8B-Instruct",
                "context_length": 16384,
                "accelerator": {"type": "H100", "count": 1},
            },
            "seventy": {
                "source": "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic",
                "context_length": 16384,
                "accelerator": {"type": "H100", "count": 2},
                "engine_args": {"tensor_parallel_size": 2},
            },
        },
        "tiers": {"small": ["eight"], "large": ["seventy"]},
        "slo": {"ttft_p95_s": 2, "tpot_p95_s": 0.05},
        "planning": {"gpus": ["H100"]},
    }
    return Fleet.model_validate(plain | parts)
