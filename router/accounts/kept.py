"""Answers in this gateway's memory, by tenant and digest: bounded in bytes, the least recently given goes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

_ENTRY_BYTES = 400
"""What an entry takes beside its text."""


class Answer(NamedTuple):
    """An answer as the client saw it."""

    content_type: str
    """``text/event-stream`` for one that streams, and is given again as a stream."""
    body: bytes
    """For a stream, every event that was sent."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.body) + len(self.content_type) + _ENTRY_BYTES


class Kept:
    """A bounded number of bytes of answers."""

    def __init__(self, most_bytes: int) -> None:
        """Begin empty."""
        self._most = most_bytes
        self._answers: OrderedDict[bytes, tuple[str, Answer, float]] = OrderedDict()
        self._of: dict[str, set[bytes]] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, tenant: str, digest: bytes, now: float) -> Answer | None:
        """The answer, unless it has expired or is another tenant's."""
        found = self._answers.get(digest)
        if found is None or found[0] != tenant:
            return None
        if found[2] <= now:
            self._remove(digest)
            return None
        self._answers.move_to_end(digest)
        return found[1]

    def add(self, tenant: str, digest: bytes, answer: Answer, until: float) -> None:
        """Keep an answer until then, if there is room for it at all."""
        if answer.size > self._most:
            return
        if digest in self._answers:
            self._remove(digest)
        self._answers[digest] = (tenant, answer, until)
        self._of.setdefault(tenant, set()).add(digest)
        self.size += answer.size
        while self.size > self._most:
            self._remove(next(iter(self._answers)))

    def forget(self, tenant: str) -> None:
        """Remove every answer of a tenant."""
        for digest in list(self._of.get(tenant, ())):
            self._remove(digest)

    def clear(self) -> None:
        """Remove everything."""
        self._answers.clear()
        self._of.clear()
        self.size = 0

    def _remove(self, digest: bytes) -> None:
        tenant, answer, _ = self._answers.pop(digest)
        self.size -= answer.size
        of = self._of[tenant]
        of.discard(digest)
        if not of:
            del self._of[tenant]
