"""Which scorer the gateway asks. Light: numpy is loaded only where a trained router was promoted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cluster.spec import Routing
from router.decide.scorer import ByLength, Scorer

PROMOTED: Final = Path("router", "promoted.json")
"""Under ``FREEHOLD_HOME``; versions in the order of their promotion."""


def scorer(routing: Routing, home: Path | None) -> Scorer:
    """The promoted router under ``home``, or length where none is in use.

    Raises:
        UsageError: the promoted router is damaged.

    """
    if home is None or not (home / PROMOTED).is_file():
        return ByLength(routing)
    from router.learn.artefact import Shelf  # noqa: PLC0415 - 20 MB that most gateways do without
    from router.learn.scorer import Learned  # noqa: PLC0415

    trained = Shelf(home).current()
    return Learned(trained, routing) if trained else ByLength(routing)
