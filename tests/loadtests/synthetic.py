"""Runs that nobody ran: samples with known latencies, for whatever judges them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cluster.spec import Accelerator, Engine, Fleet, Model, Slo, Tiers
from loadtests.facts import Ceiling, Kind, Outcome, Run, Sample
from loadtests.samples import SampleFile

CHAT = Sample(
    scenario="chat",
    kind=Kind.CHAT,
    tenant="a",
    tier="small",
    model="m",
    reason="policy",
    prompt_tokens=100,
    output_tokens=11,
    intended_s=0.0,
    sent_s=0.0,
    first_s=0.1,
    end_s=0.6,
    outcome=Outcome.COMPLETE,
    status=200,
    error="",
)
"""TTFT 100 ms, TPOT 50 ms, 600 ms for the whole answer."""
PROMISED = Slo(ttft_p95_s=1, tpot_p95_s=0.1, e2e_p95_s=5, error_rate=0.01, goodput=0.95)


def at(seconds: float, ttft_s: float = 0.1, tpot_s: float = 0.05, **more: object) -> Sample:
    """One answer, sent on time."""
    times = {
        "intended_s": seconds,
        "sent_s": seconds,
        "first_s": seconds + ttft_s,
        "end_s": seconds + ttft_s + 10 * tpot_s,
    }
    return CHAT._replace(**(times | more))  # type: ignore[arg-type]  # fields by name


def failed(seconds: float, error: str = "overloaded") -> Sample:
    """One that got no token."""
    return at(seconds, first_s=None, end_s=seconds + 0.1, outcome=Outcome.ERROR, status=503, error=error)


def steadily(count: int, seed: int = 1, slower: float = 1.0, over_s: float = 100) -> list[Sample]:
    """Answers over some seconds, log-normal around the usual latencies."""
    rng = np.random.default_rng(seed)
    times, ttft, tpot = np.sort(rng.random(count) * over_s), *np.exp(0.3 * rng.standard_normal((2, count)))
    triples = zip(times.tolist(), (0.1 * slower * ttft).tolist(), (0.05 * slower * tpot).tolist(), strict=True)
    return [at(*triple) for triple in triples]


def run_of(samples: Iterable[Sample], folder: Path, slo: Slo = PROMISED, **more: object) -> Run:
    """A run of 100 seconds that left them."""
    with SampleFile(folder / "samples.jsonl") as file:
        file.add(samples)
    facts: dict[str, Any] = {
        "fleet": "f",
        "fleet_file": folder / "fleet.yaml",
        "url": "http://127.0.0.1:1",
        "scenario": "chat-10",
        "users": 10,
        "rate": None,
        "trace": None,
        "burst": False,
        "seed": 1,
        "duration_s": 100.0,
        "elapsed_s": 101.0,
        "started": "2026-01-01T00:00:00+00:00",
        "versions": {"freehold": "0"},
        "slo": slo,
        "samples": file.path,
        "count": file.count,
        "workers": 1,
        "cores": 0.1,
        "ceiling": Ceiling(streams=1000, chunks_per_s=20_000, cores=0.5, complete_share=1),
    }
    return Run(**(facts | more))


FLEET = Fleet(
    name="f",
    models={
        "m": Model(
            engine=Engine.SIMULATED,
            source="meta-llama/Llama-3.1-8B-Instruct",
            accelerator=Accelerator(type="H100", count=1),
        )
    },
    tiers=Tiers(small=("m",)),
    slo=PROMISED,
)
