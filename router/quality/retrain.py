"""A night's training: labels of the database → a router that is promoted only where it is clearly better. Blocks.

Labels are held out by a hash of their request, the same ones every night: neither the new router nor those of earlier
nights have seen them. Neighbours: :mod:`router.quality.nightly` starts it, :mod:`router.accounts.routers` moves.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cluster.errors import UsageError
from cluster.spec import Fleet
from router.accounts.labels import Case
from router.accounts.routers import Artefact
from router.decide.dial import share_for
from router.learn.artefact import Trained, packed
from router.learn.duel import duel
from router.learn.labels import Label
from router.learn.train import train
from router.quality.training import rows_of

FEWEST_HELD = 50
"""Labels to compare two routers on."""
ERRORS = 2.0
"""Standard errors by which a new router must be better."""
_FOLDS = 5


class Outcome(NamedTuple):
    """What came of a night."""

    artefact: Artefact | None
    """To be promoted; None where the one in use stays."""
    share: float | None
    """Of the large tier with it, where that follows from ``routing.quality``."""
    why: Mapping[str, Any]
    """For the log of moves."""


def retrained(cases: Sequence[Case], fleet: Fleet, current: Trained | None, share: float) -> Outcome:
    """Train on four fifths of the labels and compare with ``current`` on the fifth; ``share`` is held so far."""
    labels = [_label(row) for row in rows_of(cases, next(iter(fleet.tiers.large), ""))]
    held = [label for label in labels if zlib.crc32(label.group.encode()) % _FOLDS == 0]
    rest = [label for label in labels if zlib.crc32(label.group.encode()) % _FOLDS]
    pair = max((label.pair for label in rest), key=Counter(label.pair for label in rest).__getitem__, default="")
    held = [label for label in held if label.pair == pair]
    why: dict[str, Any] = {"labels": len(rest), "held_out": len(held), "pair": pair}
    if len(held) < FEWEST_HELD:
        return Outcome(None, None, {**why, "says": f"fewer than {FEWEST_HELD} labels to compare on"})
    with TemporaryDirectory(prefix="fh-router-") as folder:
        try:
            candidate = train(rest, {}, 0, Path(folder))
        except UsageError as exc:
            return Outcome(None, None, {**why, "says": str(exc)})
        artefact = Artefact(*packed(Path(folder)))
    found = duel(candidate, current, held)
    why |= {"apgr": found.new, "apgr_before": found.old, "standard_error": found.error}
    if not found.margin > ERRORS:
        return Outcome(None, None, {**why, "says": f"not better by {ERRORS:g} standard errors"})
    wanted, moved = stepped(fleet, candidate, share)
    return Outcome(artefact, moved, {**why, "share_wanted": wanted, "share_before": share, "says": "better"})


def stepped(fleet: Fleet, trained: Trained | None, before: float) -> tuple[float | None, float | None]:
    """The share that ``routing.quality`` comes to with a router, and where it may go tonight; None for other dials."""
    asked = fleet.routing.quality
    if asked is None or trained is None or not trained.curve:
        return None, None
    wanted, most = share_for(asked, trained.curve), fleet.quality.max_move
    return wanted, min(max(wanted, before - most), before + most)


def _label(row: Mapping[str, Any]) -> Label:
    pair = f"{row['weak_model']} -> {row['strong_model']}"
    return Label(row["id"], row["prompt"], row["weak_score"], row["strong_score"], pair, "", row["group"])
