"""Which latencies the fleet promises: planned for, predicted by the router, judged by load tests."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from cluster.spec.base import FieldPath, MisfitError, Noun

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Slo(Noun):
    """What users are promised. A figure that is not set is not promised and never judged."""

    ttft_p95_s: Seconds | None = None
    """Seconds until the first token, of 95 in 100 requests."""
    tpot_p95_s: Seconds | None = None
    """Seconds per output token after the first, of 95 in 100 requests; 0.05 reads as 20 tokens a second."""
    e2e_p95_s: Seconds | None = None
    """Seconds until the whole answer, of 95 in 100 requests. Depends on the lengths of answers."""
    error_rate: Share = 0.001
    """Share of requests that may fail; 1 turns the promise off."""
    goodput: Share | None = None
    """Share of requests that must hold every latency above at once, each on its own; such as 0.99."""

    @model_validator(mode="after")
    def _promises_agree(self) -> Self:
        misfits: list[tuple[FieldPath, str]] = []
        if self.e2e_p95_s is not None and self.ttft_p95_s is not None and self.e2e_p95_s <= self.ttft_p95_s:
            why = f"{self.e2e_p95_s:g} s for the whole answer leaves nothing after ttft_p95_s"
            misfits.append((("e2e_p95_s",), f"{why}; raise it, or lower ttft_p95_s"))
        if self.goodput is not None and not (self.ttft_p95_s or self.tpot_p95_s or self.e2e_p95_s):
            misfits.append((("goodput",), "no latency is promised that a request could hold; set one, or remove it"))
        MisfitError.unless_none(misfits)
        return self

    @property
    def latencies(self) -> tuple[float, ...]:
        """Those that are promised."""
        return tuple(limit for limit in (self.ttft_p95_s, self.tpot_p95_s, self.e2e_p95_s) if limit)

    @property
    def late_share(self) -> float:
        """Share of requests that may break a latency."""
        return 0.05 if self.goodput is None else max(1 - self.goodput, 1e-3)
