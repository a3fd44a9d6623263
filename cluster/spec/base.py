"""What every noun of the fleet file shares: frozen, nothing unknown, names that are safe in URLs and paths."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A model, tier or tenant: letters, digits, ``.``, ``_``, ``-``; safe as a URL segment, a file name and a label."""


class Noun(BaseModel):
    """A part of the fleet file. Unknown fields are refused, so that a typo never passes as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


FieldPath = tuple[str | int, ...]
"""Where a field stands below its noun: ``("tiers", "small", 0)``; names may contain dots, so it is not one string."""


def dotted(path: FieldPath) -> str:
    """``tiers.small.0``, on one line whatever the names hold."""
    return ".".join(step if step.isprintable() else repr(step) for step in map(str, path))


class MisfitError(ValueError):
    """Fields that do not fit each other; raised inside a noun's check, where pydantic makes it a ValidationError."""

    def __init__(self, *misfits: tuple[FieldPath, str]) -> None:
        """Take pairs of a path below the noun and what is wrong there."""
        super().__init__("; ".join(message for _, message in misfits))
        self.misfits = misfits

    @classmethod
    def unless_none(cls, misfits: list[tuple[FieldPath, str]]) -> None:
        """Raise when there is anything to say."""
        if misfits:
            raise cls(*misfits)
