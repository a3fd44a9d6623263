"""What the gateway asks of whoever answers for a model.

:mod:`router.backends.target` and :mod:`router.backends.claude` do it, each in its own way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from cluster.spec import Model
from router.backends.breaker import Breaker
from router.backends.slots import Slots
from router.decide.facts import Load
from router.wire.parse import Request

Audit = Callable[[int], Awaitable[None]]
"""Told how many bytes of a body are about to leave the site, before the first of them does; if it raises, they stay."""


class Exchange(Protocol):
    """An answer that is under way; its bytes are in the dialect that the request was in."""

    status: int
    content_type: bytes

    @property
    def reusable(self) -> bool:
        """Whether nothing more is to come."""
        ...

    def expect(self, which: str, seconds: float) -> None:
        """From now on, the next piece must come within ``seconds``; ``which`` names the deadline in the error."""
        ...

    async def read(self) -> bytes:
        """The next piece; empty at the end. Raises UpstreamError."""
        ...

    def close(self) -> None:
        """Drop it, which cancels the request there."""
        ...


class Backend(Protocol):
    """A model and how to reach it."""

    name: str
    model: Model
    slots: Slots
    breaker: Breaker
    answered_at: float
    """When it last answered anything, in monotonic seconds."""

    @property
    def site(self) -> str:
        """The host that it is reached at."""
        ...

    def load(self) -> Load:
        """What the policy may know about it right now."""
        ...

    async def ask(
        self, path: bytes, request: Request, request_id: bytes, audit: Audit | None = None
    ) -> tuple[Exchange, bytes]:
        """Send a request; give back what is under way and what came first: a stream's first piece, or all of it.

        Raises:
            UpstreamError: nothing usable came; nothing was kept open.

        """
        ...

    def release(self, exchange: Exchange) -> None:
        """Give it back; one that has not ended is cancelled."""
        ...

    async def count_tokens(self, part: Request) -> int | None:
        """Prompt tokens as its own tokenizer counts them; None where it cannot say."""
        ...

    async def answers(self) -> bool:
        """Whether it would answer now."""
        ...

    async def close(self) -> None:
        """Close what is kept open."""
        ...
