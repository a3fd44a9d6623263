"""Replicas as the supervisor counts them and as the ``slo`` policy wants them: files below ``FREEHOLD_HOME`` → gauges.

Nothing is guessed: where nobody has said anything, as on Kubernetes, there is no series, and once nobody says it any
more the figure is not a number. Neighbours: :mod:`router.accounts.spans` reads the counts, :mod:`router.page.replicas`
shows why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from pydantic import TypeAdapter, ValidationError

from cluster.spec.slug import slug
from router.accounts.spans import told


@dataclass(frozen=True, slots=True)
class Wish:
    """What the ``slo`` policy wanted last."""

    at: float
    """Unix time."""
    wanted: int
    why: str


_WISH = TypeAdapter(Wish)


def wish_of(home: Path, model: str) -> Wish | None:
    """What the policy said; it runs in another process, and on another machine it cannot leave a word."""
    try:
        return _WISH.validate_json((home / "run" / f"wish-{slug(model)}.json").read_bytes())
    except (OSError, ValidationError):
        return None


class Replicas:
    """Two gauges, set when somebody looks."""

    def __init__(self, home: Path, models: Iterable[str], registry: CollectorRegistry) -> None:
        """``home`` is the fleet's directory."""
        self._home, self._models = home, tuple(models)
        self._known: set[str] = set()
        self._running, self._wanted = (
            Gauge(f"freehold_replicas{name}", text, ("model",), registry=registry, multiprocess_mode="livemax")
            for name, text in (("", "Replicas that have a process."), ("_wanted", "That the slo policy wants."))
        )

    def look(self) -> None:
        """Set them."""
        running = told(self._home)
        self._known |= running.keys()
        for model in self._known & set(self._models):
            self._running.labels(model).set(running.get(model, float("nan")))
        for model in self._models:
            if wish := wish_of(self._home, model):
                self._wanted.labels(model).set(wish.wanted)
