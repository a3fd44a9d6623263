"""What to expect of a plan, and what would break it: latencies, more load, longer requests, fewer replicas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cluster.demand import Requests
from cluster.plan.margin import Margin
from cluster.plan.options import promises
from cluster.plan.sizing import Sized
from cluster.spec import Planning, Slo
from cluster.steady import Slower, State, Work, capacity

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONGER: Final = 1.25


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds in the hour with the most load per replica."""

    name: str
    p50_s: float
    p95_s: float
    upper_p95_s: float
    """At the upper end of the prediction's interval, where a plan must still hold its promises."""


@dataclass(frozen=True, slots=True)
class Risk:
    """What a change does to a tier of a plan."""

    tier: str
    change: str
    breaks: str
    """The promise that breaks, a field of ``slo``; empty where all hold."""
    text: str


def hour_name(hour: int) -> str:
    """Such as ``Mon 14:00``."""
    return f"{DAYS[hour // 24]} {hour % 24:02d}:00"


def latencies(one: Sized) -> list[Latency]:
    """What users of a tier wait for, every replica up."""
    if one.option.work is None or one.option.timing is None:
        return []
    rate = np.array([float(((one.rates - one.spilled) / one.replicas).max())])
    expected = State.at(Work.of(one.option.timing, one.option.work.requests), rate)
    exact = Margin(step=1, ttft=1)
    p50, p95 = (promises(expected, exact, share) for share in (0.5, 0.95))
    upper = promises(State.at(one.option.work, rate), one.option.margin, 0.95)
    return [Latency(name.partition("_")[0], p50[name], p95[name], upper[name]) for name in upper]


def risks(tier: str, one: Sized, planning: Planning, slo: Slo) -> list[Risk]:
    """More traffic, a replica lost, longer prompts and answers, a cold cache."""
    option, asked = one.option, one.rates - one.spilled
    if option.capacity is None or option.work is None or option.timing is None:
        return []
    peak, when = float(asked.max()), hour_name(int(np.argmax(asked)))
    room = one.most * option.capacity.rate / peak - 1
    spare = (one.most - planning.spare_replicas) * option.capacity.rate / peak - 1
    broken = option.capacity.broken
    text = f"{room:.0%} more traffic {_breaks(broken)} at {when}"
    if planning.spare_replicas:
        text += f"; with {planning.spare_replicas} of {one.most} replicas down {max(0, spare):.0%} more does"
    found = [Risk(tier, "more traffic", broken, text)]
    lost = planning.spare_replicas + 1
    if (one.most - lost) * option.capacity.rate < peak:
        text = f"with {lost} of {one.most} replicas down the traffic {_breaks(broken)} at {when}"
        found.append(Risk(tier, f"{lost} replicas down", broken, text))
    requests = option.work.requests
    for change, other in _changed(requests).items():
        then = capacity(Work.of(Slower(option.timing, option.margin.step), other), option.margin.tightened(slo))
        need = int(np.ceil(peak / then.rate)) if then.rate else 0
        holds = 0 < need + planning.spare_replicas <= one.most
        text = f"{change}: holds" if holds else f"{change}: {_breaks(then.broken)} at {when}"
        if need and not holds:
            text += f"; needs {need + planning.spare_replicas} replicas instead of {one.most}"
        found.append(Risk(tier, change, "" if holds else then.broken, text))
    return found


def _breaks(promise: str) -> str:
    return "is more than the replicas can do" if promise == "load" else f"breaks {promise}"


def _changed(requests: Requests) -> dict[str, Requests]:
    longer = np.rint(requests.prompt_tokens * _LONGER).astype(np.int64)
    found = {
        "prompts 25 % longer": replace(requests, prompt_tokens=longer),
        "answers 25 % longer": replace(
            requests, output_tokens=np.rint(requests.output_tokens * _LONGER).astype(np.int64)
        ),
    }
    if requests.cached_tokens.any():
        found["a cold prefix cache"] = replace(requests, cached_tokens=np.zeros_like(requests.cached_tokens))
    return found
