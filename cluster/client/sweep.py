"""Latencies of a running fleet at one load after another, or out of files that ``vllm bench serve`` wrote."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from cluster.client.ask import Answer, Question, ask_streaming
from cluster.client.http import Endpoint
from cluster.errors import RefusedError, UsageError
from cluster.latency.calibration import Point

_WORDS = (
    "river",
    "stone",
    "paper",
    "light",
    "engine",
    "garden",
    "winter",
    "number",
    "silver",
    "letter",
    "market",
    "cloud",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked at each load."""

    model: str
    words: int = 200
    """In a prompt; drawn anew for each, so that no prefix cache helps."""
    max_tokens: int = 64
    """Of an answer in the middle; limits are drawn between half and three halves of it, so that callers who began
    together do not march in step."""
    each: int = 5
    """Requests of each caller that count."""
    fewest: int = 24
    """Requests at each load, however few callers."""
    passes: int = 3
    """Times that all loads are gone through, so that a busy moment of the machine falls on all of them."""
    seed: int = 1

    def rounds(self, callers: int) -> int:
        """Requests that each of so many callers sends in one pass."""
        return max(2, math.ceil(max(self.each, self.fewest / callers) / self.passes) + 1)


def measure(
    endpoint: Endpoint, plan: Plan, loads: Sequence[int], on_done: Callable[[], None] = lambda: None
) -> list[Point]:
    """Go through the loads several times; each gives the medians over its answers in all passes.

    Callers are those of one replica. Raises :class:`~cluster.errors.UsageError` when the number of replicas changes.
    """
    answers: dict[int, list[Answer]] = {callers: [] for callers in loads}
    replicas = _replicas(endpoint, plan.model)
    for number in range(plan.passes):
        for callers in loads:
            answers[callers] += _pass(endpoint, plan, callers, number, on_done)
            if (now := _replicas(endpoint, plan.model)) != replicas:
                msg = (
                    f"{plan.model} went from {replicas} to {now} replicas while {callers} callers asked it: ask fewer "
                    "(--callers), or set its replicas.min and replicas.max to one number meanwhile"
                )
                raise UsageError(msg)
    return [_medians(plan, callers, replicas, found) for callers, found in answers.items()]


def _replicas(endpoint: Endpoint, model: str) -> int:
    """How many share the load, by the gateway's own metrics; 1 where they do not say."""
    try:
        told = str(endpoint.get("/metrics").body)
    except RefusedError:
        return 1
    found = re.search(rf'^freehold_replicas\{{model="{re.escape(model)}"\}} ([\d.]+)$', told, re.MULTILINE)
    return max(1, round(float(found[1]))) if found else 1


def _pass(endpoint: Endpoint, plan: Plan, callers: int, number: int, on_done: Callable[[], None]) -> list[Answer]:
    """Keep so many requests under way until each caller had its share; without the first, which all send at once."""

    def call(caller: int) -> list[Answer]:
        draw = random.Random(f"{plan.seed} {number} {callers} {caller}")  # noqa: S311 - words, no secrets
        answers = []
        for _ in range(plan.rounds(callers)):
            text = " ".join(draw.choices(_WORDS, k=plan.words))
            limit = draw.randint(plan.max_tokens // 2, plan.max_tokens * 3 // 2)
            question = Question([{"role": "user", "content": text}], plan.model, limit)
            answers.append(ask_streaming(endpoint, question))
            on_done()
        return answers[1:]

    with ThreadPoolExecutor(callers) as pool:
        return [answer for some in pool.map(call, range(callers)) for answer in some]


def _medians(plan: Plan, callers: int, replicas: int, answers: Sequence[Answer]) -> Point:
    timed = [answer for answer in answers if answer.ttft_s is not None and answer.tpot_s is not None]
    if not timed:
        msg = f"{plan.model} answered nothing that can be timed: it needs answers of two tokens and more"
        raise UsageError(msg)
    return Point(
        prompt=sum(answer.prompt_tokens for answer in timed) / len(timed),
        output=sum(answer.completion_tokens for answer in timed) / len(timed),
        ttft_s=median(answer.ttft_s or 0.0 for answer in timed),
        tpot_s=median(answer.tpot_s or 0.0 for answer in timed),
        callers=callers / replicas,
    )


def from_bench(file: Path) -> Point:
    """One result of ``vllm bench serve --save-result``; raises UsageError that names the file and what it lacks."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        return _point(held)
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as exc:
        msg = f"{file}: no result of vllm bench serve --save-result: {exc!r}"
        raise UsageError(msg) from exc


def _point(held: Mapping[str, Any]) -> Point:
    completed = int(held["completed"])
    limit, rate = held.get("max_concurrency"), held.get("request_rate", "inf")
    callers = float(limit or (completed if rate == "inf" else 0))
    point = Point(
        prompt=float(held["total_input_tokens"]) / completed,
        output=float(held["total_output_tokens"]) / completed,
        ttft_s=float(held["mean_ttft_ms"]) / 1e3,
        tpot_s=float(held["mean_tpot_ms"]) / 1e3,
        callers=callers,
        rate=0.0 if callers else float(rate),
        at_once=min(1.0, callers / completed) if rate == "inf" else 0.0,
    )
    if min(point.prompt, point.output, point.ttft_s, point.tpot_s) <= 0:
        msg = "lengths and latencies must be above 0"
        raise ValueError(msg)
    return point
