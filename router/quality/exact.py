"""Answers that need no judge: an option's letter, a number, JSON. Pure.

What can be compared exactly tells whether two answers are the same, not which is right: that is left to the judge, or
to the reference where there is none.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

_SEEN = 4000
"""Characters at the end of a text that are looked at."""
_OPTION = re.compile(r"^\s*\(?([A-J])[.):]\s+\S", re.MULTILINE)
_FEWEST_OPTIONS = 2
_BARE_LETTER = re.compile(r"\W*([A-J])\W*")
_TOLD_LETTER = re.compile(r"\b(?:answer|option|choice)\b(?:\s+is)?\W{0,4}([A-J])\b(?!['\w])")
_LEADING_LETTER = re.compile(r"\(?([A-J])[.):]\s")
_NUMERAL = r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
_BARE_NUMBER = re.compile(rf"\W*?({_NUMERAL})\s*[%.]?")
_TOLD_NUMBER = re.compile(rf"(?:####|\\boxed\{{|\banswer is:?|\banswer:)\s*\$?\s*({_NUMERAL})", re.IGNORECASE)


class Kind(StrEnum):
    """What can be compared."""

    JSON = "json"
    LETTER = "letter"
    NUMBER = "number"


class Result(NamedTuple):
    """What an answer comes to."""

    kind: Kind
    value: Any
    """A letter, a float, or JSON; None where JSON was wanted and is not there."""


def result_of(prompt: str, answer: str, *, wants_json: bool) -> Result | None:
    """The result that can be read out of an answer without doubt; None where there is none."""
    if wants_json:
        return Result(Kind.JSON, _json(answer))
    tail = answer[-_SEEN:].strip()
    if len(set(_OPTION.findall(prompt[-_SEEN:]))) >= _FEWEST_OPTIONS:
        letter = _letter(tail)
        return Result(Kind.LETTER, letter) if letter else None
    number = _number(tail)
    return None if number is None else Result(Kind.NUMBER, number)


def same(one: Result, other: Result) -> bool:
    """Whether two results are equal; a missing one equals nothing."""
    if one.kind is not other.kind or one.value is None:
        return False
    if one.kind is Kind.NUMBER:
        return math.isclose(one.value, other.value, rel_tol=1e-9)
    return bool(one.value == other.value)


def _json(answer: str) -> object:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


def _letter(tail: str) -> str:
    bare = _BARE_LETTER.fullmatch(tail)
    if bare:
        return bare[1]
    told = _TOLD_LETTER.findall(tail)
    if told:
        return str(told[-1])
    leading = _LEADING_LETTER.match(tail)
    return leading[1] if leading else ""


def _number(tail: str) -> float | None:
    bare = _BARE_NUMBER.fullmatch(tail)
    told = _TOLD_NUMBER.findall(tail)
    found = bare[1] if bare else told[-1] if told else ""
    return float(found.replace(",", "")) if found else None
