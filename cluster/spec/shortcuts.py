"""Shortcuts: short messages that a template answers, without any model, at no cost.

Invariant: a pattern that this module lets through takes a bounded number of steps on any text that is looked at.
"""

from __future__ import annotations

import re
from importlib import import_module
from math import inf
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from cluster.spec.base import FieldPath, MisfitError, Noun

LONGEST = 200
"""Characters of the longest message that is compared with shortcuts."""
MOST_WAYS = 100_000
"""In which a pattern may be tried on such a message: two ``.*`` are below it, three are beyond."""

_SYNTAX: Any = import_module("re._parser")  # the standard library's own, which has no public name any more
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_PLAIN = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "CATEGORY")

Example = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]


class Shortcut(Noun):
    """One of them. It answers the latest message of a conversation with ``auto`` or a route, if that is plain text."""

    pattern: Annotated[str, StringConstraints(max_length=500)] = ""
    """A regular expression that the whole message must match, whatever its case. Bounded in its steps: no repeats
    inside of repeats, at most two that have no end, no look-around, no back references."""
    examples: Annotated[tuple[Example, ...], Field(max_length=200)] = ()
    """Messages like these, by the pieces of three letters that they share."""
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.8
    """What share of the pieces of both must be shared with an example; 1 for the same words alone."""
    answer: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    """What is said. ``$name`` stands for the pattern's group ``(?P<name>…)``, ``$$`` for a dollar."""

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        misfits: list[tuple[FieldPath, str]] = []
        if not self.pattern and not self.examples:
            misfits.append((("answer",), "this shortcut has neither a pattern nor examples"))
        if self.pattern and (why := _unbounded(self.pattern)):
            misfits.append((("pattern",), why))
        MisfitError.unless_none(misfits)
        return self


def _unbounded(pattern: str) -> str:
    """Why a pattern is not taken; empty where it is."""
    try:
        re.compile(pattern)
        ways = _ways(_SYNTAX.parse(pattern))
    except OverflowError:
        ways = inf
    except (re.error, RecursionError) as exc:
        return f"not a regular expression that is taken here: {exc}"
    if ways > MOST_WAYS:
        return "it could take too long on some texts; use fewer repeats, and none inside of another"
    return ""


def _ways(parts: Any) -> float:  # noqa: ANN401 - the standard library's, untyped
    """An upper bound of the ways in which a matcher that backtracks could try these parts on the longest message."""
    ways = 1.0
    for operator, argument in parts:
        name = str(operator)
        if name in _REPEATS:
            low, high, inner = argument
            most = min(int(high), LONGEST)
            ways *= sum(_ways(inner) ** count for count in range(min(int(low), most), most + 1))
        elif name == "BRANCH":
            ways *= sum(map(_ways, argument[1]))
        elif name == "SUBPATTERN":
            ways *= _ways(argument[3])
        elif name not in _PLAIN:
            msg = f"{name.lower().replace('_', ' ')} is not"
            raise re.error(msg)
    return ways
