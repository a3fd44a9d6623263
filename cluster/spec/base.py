"""What every noun of the fleet file shares: frozen, nothing unknown, names that are safe in URLs and paths."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""A model, tier or tenant: letters, digits, ``.``, ``_``, ``-``; safe as a URL segment, a file name and a label."""


class Noun(BaseModel):
    """A part of the fleet file. Unknown fields are refused, so that a typo never passes as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
