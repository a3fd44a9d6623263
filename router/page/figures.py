"""A gateway's last hour → what the page shows of it: who answered, how fast, how much stayed, what it saved. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from cluster.spec import SPILLOVER, Engine, Fleet
from router.page.hour import MINUTES, Minute, Tally
from router.page.sketch import Sketch, quantile, together

Figures = dict[str, Any]
"""As it goes out in JSON."""
MICROS = 1_000_000
SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_MINUTE_S = 60
_NOBODY = "nobody"
"""Where requests went that were refused before anyone was chosen."""


class Windows:
    """The minutes of the hour up to ``now``, in Unix seconds."""

    def __init__(self, minutes: Mapping[int, Minute], now: float) -> None:
        """The minute under way is part of every window."""
        self._minutes, self._now = minutes, now
        self.latest = int(now) // _MINUTE_S

    def last(self, count: int) -> list[Minute]:
        """So many, and the one under way."""
        return [found for at in range(self.latest - count, self.latest + 1) if (found := self._minutes.get(at))]

    def each(self) -> list[Minute]:
        """All sixty whole ones and the one under way; empty ones where nothing ended."""
        return [self._minutes.get(at, Minute()) for at in range(self.latest - MINUTES, self.latest + 1)]

    def rate(self, model: str) -> Tally:
        """A model's tally of the last sixty seconds; the minute before counts as far as it reaches into them."""
        now, before = (_sum(self._minutes.get(at, Minute()), model) for at in (self.latest, self.latest - 1))
        part = 1 - self._now % _MINUTE_S / _MINUTE_S
        for name in Tally.__slots__:
            setattr(now, name, round(getattr(now, name) + part * getattr(before, name)))
        return now


def _sum(minute: Minute, model: str) -> Tally:
    found = Tally()
    for tally in minute.tallies.get(model, {}).values():
        found.add(tally)
    return found


class Places:
    """Where requests go: a tier, a model that no tier lists, or off the site."""

    def __init__(self, fleet: Fleet) -> None:
        """The fleet says what is where."""
        self._fleet = fleet
        paid = [model for model in fleet.models.values() if model.is_outside]
        claude = bool(paid) and all(model.engine is Engine.CLAUDE for model in paid)
        self.outside = "Claude" if claude else "hosted"
        """What the page calls the models that are not on the site."""

    def of(self, model: str) -> str:
        """A tier's name, ``spillover`` for whatever is outside of the site."""
        spec = self._fleet.models.get(model)
        if spec is None:
            return model or _NOBODY  # a shortcut, or a refusal
        return SPILLOVER if spec.is_outside else self._fleet.tier_of(model) or "other"


def split(minutes: Iterable[Minute], places: Places) -> list[Figures]:
    """Who answered and why: answers and tokens by place, and in it by reason; those with the most first."""
    answers: dict[str, Counter[str]] = {}
    tokens: Counter[str] = Counter()
    for minute in minutes:
        for model, reasons in minute.tallies.items():
            place = places.of(model)
            for reason, tally in reasons.items():
                if tally.answered:
                    answers.setdefault(place, Counter())[reason] += tally.answered
                    tokens[place] += tally.prompt_tokens + tally.completion_tokens
    found = [
        {
            "place": place,
            "answers": reasons.total(),
            "tokens": tokens[place],
            "reasons": [{"reason": reason, "answers": count} for reason, count in reasons.most_common()],
        }
        for place, reasons in answers.items()
    ]
    return sorted(found, key=lambda row: -row["answers"])


def stayed(rows: Iterable[Figures]) -> Figures:
    """The share of answers, and of their tokens, that no model outside of the site gave; None where there are none."""
    found = list(rows)
    shares = {}
    for unit in ("answers", "tokens"):
        whole = sum(row[unit] for row in found)
        away = sum(row[unit] for row in found if row["place"] == SPILLOVER)
        shares[unit] = 1 - away / whole if whole else None
    return shares


def saved(minutes: Iterable[Minute]) -> Figures:
    """Dollars that paid targets charged, and what the baseline would have."""
    tallies = [tally for minute in minutes for reasons in minute.tallies.values() for tally in reasons.values()]
    cost, baseline = sum(one.cost_micros for one in tallies), sum(one.baseline_micros for one in tallies)
    return {"cost_usd": cost / MICROS, "baseline_usd": baseline / MICROS, "saved_usd": (baseline - cost) / MICROS}


def quantiles(sketch: Sketch) -> Figures:
    """Percentiles in seconds, and of how many."""
    found: Figures = {name: _rounded(quantile(sketch, share)) for name, share in SHARES}
    return found | {"count": sum(sketch.values())}


def speed(windows: Windows, model: str | None = None) -> Figures:
    """TTFT and TPOT over the hour, of one model or all."""
    last = windows.last(MINUTES)
    found = {}
    for name in ("ttft", "tpot"):
        kept = [getattr(minute, name) for minute in last]
        of = [sketches.values() if model is None else [sketches.get(model, {})] for sketches in kept]
        found[name] = quantiles(together(sketch for sketches in of for sketch in sketches))
    return found


def series(windows: Windows, places: Places) -> Figures:
    """Minute by minute, the one under way last: latencies, and answers by place."""
    each = windows.each()
    found: Figures = {"until": windows.latest * _MINUTE_S, "answers": {}}
    for name in ("ttft", "tpot"):
        sums = [together(getattr(minute, name).values()) for minute in each]
        for which, share in SHARES[:2]:
            found[f"{name}_{which}"] = [_rounded(quantile(sketch, share)) for sketch in sums]
    for at, minute in enumerate(each):
        for row in split([minute], places):
            found["answers"].setdefault(row["place"], [0] * len(each))[at] = row["answers"]
    return found


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else float(f"{seconds:.3g}")
