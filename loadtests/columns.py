"""Samples as arrays, one place each, so that a million of them are judged in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loadtests.facts import Kind, Outcome, Sample
from loadtests.intervals import Floats

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]
Words = NDArray[np.object_]
"""Strings; each distinct one is kept once."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Requests in the order in which they were read. Seconds since the run's start; NaN where there is no figure."""

    intended_s: Floats
    sent_s: Floats
    first_s: Floats
    end_s: Floats
    prompt_tokens: Counts
    output_tokens: Counts
    complete: Mask
    cancelled: Mask
    generates: Mask
    """Whether an answer of tokens was asked for: everything but embeddings."""
    kind: Words
    tenant: Words
    tier: Words
    model: Words
    reason: Words
    error: Words

    def __len__(self) -> int:
        return len(self.sent_s)

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Self:
        """All of them, read once."""
        words: dict[str, str] = {}

        def kept(word: str) -> str:
            return words.setdefault(word, word)

        rows = [
            (
                *(each.intended_s, each.sent_s, np.nan if each.first_s is None else each.first_s, each.end_s),
                *(each.prompt_tokens, each.output_tokens),
                *(each.outcome is Outcome.COMPLETE, each.outcome is Outcome.CANCELLED),
                each.kind is not Kind.EMBEDDING,
                *map(kept, (each.kind.value, each.tenant, each.tier, each.model, each.reason, _error(each))),
            )
            for each in samples
        ]
        types = [np.float64] * 4 + [np.int64] * 2 + [np.bool_] * 3 + [np.object_] * 6
        columns = zip(*rows, strict=True) if rows else [()] * len(types)
        arrays: list[Any] = [np.array(column, dtype) for column, dtype in zip(columns, types, strict=True)]
        return cls(*arrays)

    def at(self, places: Mask | Counts) -> Self:
        """Some of them, or all in another order."""
        return type(self)(*(getattr(self, field.name)[places] for field in fields(self)))

    @property
    def failed(self) -> Mask:
        """Those that count against ``slo.error_rate``."""
        return ~(self.complete | self.cancelled)

    @property
    def ttft_s(self) -> Floats:
        """From the intended send time to the first token, of every request that got one, whatever came of it then."""
        return np.where(self.generates, self.first_s - self.intended_s, np.nan)

    @property
    def e2e_s(self) -> Floats:
        """From the intended send time to the end, of complete answers."""
        return np.where(self.complete & self.generates, self.end_s - self.intended_s, np.nan)

    @property
    def tpot_s(self) -> Floats:
        """Seconds per output token after the first, of complete answers of two tokens and more."""
        steps = np.where(self.complete & (self.output_tokens > 1), self.output_tokens - 1.0, np.nan)
        return np.asarray((self.end_s - self.first_s) / steps, np.float64)


def _error(sample: Sample) -> str:
    """What went wrong in a few words; empty where nothing did."""
    return (sample.error or f"{sample.outcome.value} {sample.status}") if sample.failed else ""
