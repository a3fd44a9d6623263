"""Which load to expect: users or requests, their shape over the day, and how long prompts and answers are."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from cluster.spec.base import MisfitError, Noun

Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Tokens = Annotated[float, Field(ge=1, le=1e7, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Shape(StrEnum):
    """How the load moves over a day, in the fleet's own time."""

    FLAT = "flat"
    """The same at every hour."""
    OFFICE = "office"
    """Working hours on working days: a morning and an afternoon peak, a tenth of it at night and at the weekend."""
    CONSUMER = "consumer"
    """An evening peak every day, a quarter of it at night."""


class Lengths(Noun):
    """Lengths in tokens as a log-normal distribution, which real prompts and answers follow well."""

    p50: Tokens
    """The median."""
    p95: Tokens
    """95 in 100 are shorter."""

    @model_validator(mode="after")
    def _p50_up_to_p95(self) -> Self:
        if self.p50 > self.p95:
            raise MisfitError((("p95",), f"{self.p95:g} is below p50 {self.p50:g}; raise p95 or lower p50"))
        return self


class Traffic(Noun):
    """The load at the busiest hour, and what follows from it. Nothing set means that nothing is planned."""

    users: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """People who chat at the same time in the busiest hour; each sends, reads and thinks, then sends again."""
    think_seconds: Positive = 60
    """Seconds that such a user reads and thinks between an answer and the next message."""
    requests_per_second: Positive | None = None
    """Requests per second in the busiest hour, instead of ``users``."""
    trace: str = ""
    """A CSV file with the columns ``arrival_s,prompt_tokens,output_tokens`` (and ``cached_prefix_tokens``) instead of
    both; relative to the fleet file."""
    shape: Shape = Shape.FLAT
    """How the load moves over day and week; capacity is planned for the busiest hour, cost for all of them."""
    growth_per_month: Annotated[float, Field(ge=-0.9, le=10, allow_inf_nan=False)] = 0
    """0.1 means a tenth more every month."""
    months: Annotated[int, Field(ge=0, le=60)] = 0
    """So many months of growth a plan must hold."""
    prompt_tokens: Lengths = Lengths(p50=500, p95=3000)
    """Lengths of prompts, the conversation so far included."""
    output_tokens: Lengths = Lengths(p50=150, p95=600)
    """Lengths of answers."""
    cached_share: Share = 0
    """Share of prompt tokens that the engine's prefix cache holds: system prompts and earlier turns of a chat."""
    large_share: Share | None = None
    """Share of requests that the large tier answers. Default: ``routing.large_share``, what the router holds."""
    spill_share: Share = 0
    """Share of requests that go to a paid model, such as those that no local model can answer."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = {"users": self.users, "requests_per_second": self.requests_per_second, "trace": self.trace}
        named = [name for name, value in given.items() if value]
        if len(named) > 1:
            raise MisfitError(((named[1],), f"{' and '.join(named)} say the same thing twice; keep one of them"))
        return self

    @property
    def is_given(self) -> bool:
        """Whether there is any load to plan for."""
        return bool(self.users or self.requests_per_second or self.trace)
