"""What the gateway decides by: a promoted router, weights for the cascade. numpy is loaded only for the former."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import orjson

from cluster.errors import UsageError
from cluster.spec import Routing
from router.decide.cascade import Doubt, Signals, surprise, weighed
from router.decide.scorer import ByLength, Scorer

PROMOTED: Final = Path("router", "promoted.json")
"""Under ``FREEHOLD_HOME``; versions in the order of their promotion."""
CASCADE: Final = Path("router", "cascade.json")
"""Beside it: a weight for each signal of :class:`router.decide.cascade.Signals`, by its name."""


class Learnt(NamedTuple):
    """What there is to decide by."""

    scorer: Scorer
    doubt: Doubt


def learnt(routing: Routing, home: Path | None) -> Learnt:
    """All of it, as it lies under ``home``.

    Raises:
        UsageError: some of it is damaged.

    """
    return Learnt(scorer(routing, home), doubt(home))


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


def doubt(home: Path | None) -> Doubt:
    """How the cascade weighs an answer: by the weights under ``home``, or by the mean surprise where there are none.

    Raises:
        UsageError: the weights are no numbers by the signals' names.

    """
    file = home / CASCADE if home is not None else None
    if file is None or not file.is_file():
        return surprise
    try:
        return weighed({name: float(weight) for name, weight in orjson.loads(file.read_bytes()).items()})
    except (ValueError, TypeError, AttributeError) as exc:
        msg = f"{file}: a JSON object of numbers by {', '.join(Signals._fields)}; mend it, or remove it"
        raise UsageError(msg) from exc
