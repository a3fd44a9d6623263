"""What every worker of this gateway has heard, as one: each leaves its hour in a folder, whoever is asked adds them up.

A worker that died keeps its share of the hour, for its requests happened; only what it had under way is forgotten.
With one worker there is no folder, and nothing is written. Several gateways, as on Kubernetes, each tell their own.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from router.page.hour import MINUTES, PROBLEMS, Minute, Problem, Tally
from router.page.sketch import together

FRESH_S = 5.0
"""A worker that has not written for so long has nothing under way."""
_KEPT_S = (MINUTES + 1) * 60


@dataclass(slots=True)
class Gauge:
    """What is under way at a target, now."""

    in_flight: int = 0
    waiting: int = 0
    available: bool = True


@dataclass(slots=True)
class Share:
    """What one worker knows, or several together."""

    at: float
    """Unix time."""
    minutes: dict[int, Minute] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    gauges: dict[str, Gauge] = field(default_factory=dict)
    spent_micros: int = 0
    """Of ``spillover.open_usd_per_day``, today."""


_SHARES = TypeAdapter(Share)


class Workers:
    """This worker's view of all of them."""

    def __init__(self, folder: Path | None, kind: str, clock: Callable[[], float] = time.time) -> None:
        """``folder`` is shared by the workers, None where there is only one; shares of one ``kind`` add up."""
        self._folder, self._kind, self._clock = folder, kind, clock
        self._own = f"page-{kind}-{os.getpid()}.json"

    def write(self, share: Share) -> None:
        """Leave this worker's share for the others."""
        if self._folder is None:
            return
        fresh = self._folder / f"{self._own}.new"
        with contextlib.suppress(OSError):  # the folder goes with the gateway; a full disk costs the others this share
            fresh.write_bytes(orjson.dumps(share, option=orjson.OPT_NON_STR_KEYS))
            fresh.replace(self._folder / self._own)

    def all(self, own: Share) -> Share:
        """Everybody's, with ``own`` for this one's."""
        return add_up([own, *self._others()], self._clock())

    def _others(self) -> Iterable[Share]:
        for file in self._folder.glob(f"page-{self._kind}-*.json") if self._folder else ():
            if file.name == self._own:
                continue
            try:
                share = _SHARES.validate_json(file.read_bytes())
            except (OSError, ValidationError):
                continue  # written by another version, or just gone
            if share.at < self._clock() - _KEPT_S:
                file.unlink(missing_ok=True)
            else:
                yield share


def add_up(shares: Iterable[Share], now: float) -> Share:
    """Several shares as one."""
    found = Share(now)
    for share in shares:
        for at, minute in share.minutes.items():
            _add(found.minutes.setdefault(at, Minute()), minute)
        found.problems += share.problems
        if share.at >= now - FRESH_S:
            found.spent_micros += share.spent_micros
            for name, gauge in share.gauges.items():
                sums = found.gauges.setdefault(name, Gauge())
                sums.in_flight += gauge.in_flight
                sums.waiting += gauge.waiting
                sums.available &= gauge.available
    found.problems = sorted(found.problems, key=lambda problem: problem.at)[-PROBLEMS:]
    return found


def _add(sums: Minute, minute: Minute) -> None:
    for model, reasons in minute.tallies.items():
        for reason, tally in reasons.items():
            sums.tallies.setdefault(model, {}).setdefault(reason, Tally()).add(tally)
    for of, more in ((sums.ttft, minute.ttft), (sums.tpot, minute.tpot)):
        for model, sketch in more.items():
            of[model] = together((of.get(model, {}), sketch))
