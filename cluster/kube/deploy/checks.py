"""A check before a deployment: what is asked, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cluster.spec import Fleet

Object = dict[str, Any]
NO_RIGHT = "not checked: this user may not {}; helm/roles.yaml has the rights"


class Verdict(StrEnum):
    """What came of a check."""

    HOLDS = "holds"
    UNKNOWN = "unknown"
    """It could not be checked, or may be meant so; refuses nothing."""
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and what came of it."""

    name: str
    verdict: Verdict
    text: str
    fix: str = ""

    def __str__(self) -> str:
        """One or two lines."""
        return f"{self.name}: {self.text}" + (f"\n    {self.fix}" if self.fix else "")


@dataclass(frozen=True, slots=True)
class Request:
    """What should run."""

    fleet: Fleet
    release: str
    namespace: str
    rendered: tuple[Object, ...]
    helm: tuple[int, int]
    simulated: bool = False
    """Without GPUs whatever the fleet file says."""
    may_wait: bool = False
    """GPUs that are not there yet refuse nothing: the cluster adds nodes by itself."""


def held(name: str, problems: list[Check], text: str) -> list[Check]:
    """The problems, or that there are none."""
    return problems or [Check(name, Verdict.HOLDS, text)]
