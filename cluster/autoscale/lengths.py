"""Tokens of a request lately, starting from what is expected."""

from __future__ import annotations

from dataclasses import dataclass

_PRIOR = 50.0
"""Requests that the expected length counts as."""


@dataclass(slots=True)
class Length:
    """A mean that forgets."""

    expected: float
    half: float
    """Requests after which half of what was seen is forgotten."""
    tokens: float = 0.0
    requests: float = 0.0

    def add(self, tokens: float, requests: float) -> None:
        """Count the tokens of so many requests."""
        keep = 0.5 ** (requests / self.half)
        self.tokens, self.requests = self.tokens * keep + tokens, self.requests * keep + requests

    @property
    def now(self) -> float:
        """The mean."""
        return (self.tokens + _PRIOR * self.expected) / (self.requests + _PRIOR)
