"""Two results side by side: what differs, how sure that is, and whether the second one is worse.

The interval of a difference comes from resampling each run's stretches of time. All intervals together hold in 95 of
100 comparisons (Bonferroni), so that a dozen figures do not find a difference by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from cluster.spec.base import Noun
from loadtests.intervals import Floats, Interval
from loadtests.result import Result
from loadtests.stretches import RESOLUTION, Resampled, interval

Draws = Callable[[Resampled], Floats]

_SEEDS: Final = (1, 2)
_LEVEL: Final = 0.95


class Verdict(StrEnum):
    """Of one figure."""

    SAME = "no difference seen"
    BETTER = "better"
    WORSE = "worse"
    UNKNOWN = "not measured in both"


class Difference(Noun):
    """One figure of both, in its own unit: seconds, a share, or so many per second."""

    figure: str
    a: float | None
    b: float | None
    difference: float | None
    """B less A."""
    percent: float | None
    """Of A."""
    low: float | None
    """Of the difference's interval."""
    high: float | None
    verdict: Verdict


class Comparison(Noun):
    """Everything that was compared."""

    a: str
    b: str
    unlike: tuple[str, ...]
    """What was not the same in both runs, so that a difference may come from it."""
    differences: tuple[Difference, ...]

    @property
    def worse(self) -> tuple[str, ...]:
        """Figures in which B is worse than A."""
        return tuple(one.figure for one in self.differences if one.verdict is Verdict.WORSE)


def _percentile(latency: str, share: int) -> Draws:
    def draws(run: Resampled) -> Floats:
        return run.percentile(latency, share / 100)

    return draws


def _ratio(above: str, below: str) -> Draws:
    def draws(run: Resampled) -> Floats:
        return run.ratio(lambda part: float(getattr(part, above)), lambda part: float(getattr(part, below)))

    return draws


_FIGURES: Final[dict[str, Draws]] = {
    **{f"{name}_p{at}_s": _percentile(name, at) for name in ("ttft", "tpot", "e2e") for at in (50, 95, 99)},
    "error_rate": _ratio("failed", "requests"),
    "goodput": _ratio("good", "requests"),
    "requests_per_s": _ratio("ended", "seconds"),
    "output_tokens_per_s": _ratio("output_tokens", "seconds"),
}
_MORE_IS_BETTER: Final = ("goodput", "requests_per_s", "output_tokens_per_s")


def compare(a: Result, b: Result, names: tuple[str, str]) -> Comparison:
    """B against A; ``names`` are what they are called."""
    drawn = [Resampled(result.stretches, seed) for result, seed in zip((a, b), _SEEDS, strict=True)]
    return Comparison(
        a=names[0],
        b=names[1],
        unlike=tuple(_unlike(a, b)),
        differences=tuple(_difference(name, a, b, *map(draws, drawn)) for name, draws in _FIGURES.items()),
    )


def _difference(name: str, a: Result, b: Result, of_a: Floats, of_b: Floats) -> Difference:
    was, now = a.metrics.get(name), b.metrics.get(name)
    within = interval(of_b - of_a, 1 - (1 - _LEVEL) / len(_FIGURES))
    if was is None or now is None or within is None:
        return Difference(
            figure=name, a=was, b=now, difference=None, percent=None, low=None, high=None, verdict=Verdict.UNKNOWN
        )
    if name.endswith("_s") and not name.endswith("_per_s"):
        within = Interval(within.low - RESOLUTION * (was + now), within.high + RESOLUTION * (was + now))
    up = Verdict.BETTER if name in _MORE_IS_BETTER else Verdict.WORSE
    down = Verdict.WORSE if name in _MORE_IS_BETTER else Verdict.BETTER
    return Difference(
        figure=name,
        a=was,
        b=now,
        difference=now - was,
        percent=100 * (now - was) / was if was else None,
        low=within.low,
        high=within.high,
        verdict=Verdict.SAME if within.holds(0) else up if within.low > 0 else down,
    )


def _unlike(a: Result, b: Result) -> Iterator[str]:
    for what in ("scenario", "users", "rate", "trace", "burst", "duration_s"):
        was, now = getattr(a.asked, what), getattr(b.asked, what)
        if was != now:
            yield f"{what}: {was} and {now}"
    for what in ("fleet", "slo", "hardware", "machine", "versions"):
        if getattr(a, what) != getattr(b, what):
            yield what
    if a.counted.window != b.counted.window:
        yield f"window: {a.counted.window} and {b.counted.window}"
    for name, result in (("A", a), ("B", b)):
        yield from (f"{name}: {doubt}" for doubt in result.generator.doubts)
