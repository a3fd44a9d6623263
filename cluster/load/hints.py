"""What the author of a field probably meant: near names, and what the place allows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from cluster.spec.base import FieldPath


def similar(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like ``name``; empty when none does."""
    by_lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name[:64].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else ""


def meant(name: str, known: Iterable[str]) -> str:
    """A suggestion for a name that is not among the known ones."""
    known = list(known)
    near = similar(name, known)
    if near:
        return f"did you mean {near!r}?"
    return f"known here: {', '.join(known)}" if known else "none is known here"


def fields_at(noun: type[BaseModel], path: FieldPath) -> tuple[str, ...]:
    """The fields that the noun at ``path`` below ``noun`` has; none where the place takes no noun."""
    place: Any = noun
    for step in path:
        place = _below(place, step)
    return tuple(place.model_fields) if _is_noun(place) else ()


def _is_noun(place: object) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)


def _below(place: Any, step: str | int) -> object:  # noqa: ANN401 - any annotation of a field
    if _is_noun(place):
        field = place.model_fields.get(str(step))
        return _bare(field.annotation) if field else None
    inner = get_args(place)
    return _bare(inner[1 if get_origin(place) is dict else 0]) if inner else None


def _bare(annotation: object) -> object:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
