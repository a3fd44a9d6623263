"""The steady state of a replica at given rates: its batch, and the distributions of TTFT, TPOT and whole answers.

Decoding is a processor-sharing queue whose speed depends on how many share it; its stationary distribution depends on
the answers' mean length only (Kelly, *Reversibility and Stochastic Networks*, 1979, chapter 3). Prompts take time from
it: when they steal the share s of it, decoding is slower by ``1 / (1 - s)``. Prompts that arrive during a step are
computed together in the next one, a gated queue: whoever meets a step of length L waits for half of it on average, and
then for the prompts that came during it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from cluster.demand.lengths import Floats
from cluster.steady.queues import FULL, TINY, Shared, Wait, behind, lasting, normal
from cluster.steady.work import Work

_UNIFORM: Final = (1 / 6, 1 / 2, 5 / 6)
"""Where a third each of a uniform distribution is represented."""
_NORMAL: Final = ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6))
"""Points and weights that stand for a normal distribution (Gauss-Hermite)."""


@dataclass(frozen=True, slots=True)
class State:
    """One row for each rate, one column for each of the work's requests; seconds throughout."""

    work: Work
    rates: Floats
    load: Floats
    """Share of the highest rate; 1 and more never ends."""
    batch: Floats
    """Sequences that decode, on average."""
    step_s: Floats
    """A decoding step beside which no prompt is computed."""
    gap_s: Floats
    """Mean seconds between tokens."""
    swing_s2: Floats
    """Variance of the seconds between tokens as the batch moves."""
    noise_s2: Floats
    """Variance that prompts of others add to the seconds before one token."""
    extra_s: Floats
    """By rate and request: seconds that its prompt adds to decoding steps."""
    behind: Wait
    """For prompts that came before."""
    queued: Wait
    """For a place in the batch."""

    @classmethod
    def at(cls, work: Work, rates: Floats) -> Self:
        """The states at these requests per second; rates beyond the limit are taken as just below it."""
        bounded = np.clip(rates, TINY, FULL * work.highest)
        extra = _extra(work, bounded)
        stolen = np.minimum(FULL, bounded * extra.mean(axis=1))
        shared = Shared.of(bounded * float(work.output.mean()), work.decode_s, 1 / (1 - stolen))
        step = np.interp(shared.mean, np.arange(1, work.places + 1), work.decode_s)
        mean_gap = np.where(shared.mean > TINY, shared.mean / (bounded * max(TINY, float(work.output.mean()))), step)
        return cls(
            work=work,
            rates=rates,
            load=rates / work.highest,
            batch=shared.mean,
            step_s=step,
            gap_s=mean_gap,
            swing_s2=shared.variance,
            noise_s2=mean_gap * bounded * (extra**2).mean(axis=1) / (1 - stolen) ** 2,
            extra_s=extra,
            behind=behind(bounded, extra + work.share * step[:, None], step),
            queued=Wait(shared.full, shared.waiting / (bounded * np.maximum(TINY, shared.full))),
        )

    def ttft_within(self, seconds: Floats) -> Floats:
        """By rate and request: the probability that its first token is there within ``seconds``, of the same form."""
        left = seconds - self.work.request_s - self.extra_s - self.work.steps * self.step_s[:, None]
        late = np.zeros_like(left)
        for part in _UNIFORM:
            rest = left - part * self.step_s[:, None]
            late += np.where(rest > 0, np.minimum(1, self.behind.beyond(rest) + self.queued.beyond(rest)), 1)
        on_time: Floats = 1 - late / len(_UNIFORM)
        return on_time

    def tpot_within(self, seconds: Floats) -> Floats:
        """The same for its mean seconds between tokens; answers of one token hold any.

        An answer beside which no prompt is computed has the batch's steps. What prompts add to the others' is taken as
        gamma-distributed (Wilson and Hilferty, PNAS 17, 1931), up to a step that is full of prompts.
        """
        step, least = self.step_s[:, None], self.work.decode_s[0]
        calm, added, noise = self._disturbed()
        hit = added / np.maximum(TINY, 1 - calm)
        swing = self.swing_s2[:, None] * lasting(self.work.output)
        above = np.maximum(TINY, step - least + hit)
        scatter = np.maximum(TINY**2, (noise + added**2) / np.maximum(TINY, 1 - calm) - hit**2 + swing)
        form = above**2 / scatter
        root = np.cbrt(np.maximum(0, seconds - least) / above)
        beside = normal((root - 1 + 1 / (9 * form)) * 3 * np.sqrt(form))
        beside = np.where(seconds < step + (self.extra_s / self.work.steps).max(axis=1)[:, None], beside, 1)
        within = calm * normal((seconds - step) / np.maximum(TINY, np.sqrt(swing))) + (1 - calm) * beside
        return np.where(self.work.output > 0, within, 1)

    def _disturbed(self) -> tuple[Floats, Floats, Floats]:
        """By rate and request: how likely no prompt is computed beside its answer, and what others add to a gap.

        The latter as mean and variance. Prompts that came during its own last prompt step are computed beside it.
        """
        rates, output = self.rates[:, None], np.maximum(1, self.work.output)
        came = self.extra_s / self.work.steps + self.step_s[:, None]
        calm = np.exp(-rates * (self.work.output * self.step_s[:, None] + came))
        first, second = self.extra_s.mean(axis=1)[:, None], (self.extra_s**2).mean(axis=1)[:, None]
        added = np.maximum(0, (self.gap_s - self.step_s)[:, None]) + rates * came * first / output
        return calm, added, self.noise_s2[:, None] / output + rates * came * second / output**2

    def e2e_within(self, seconds: Floats) -> Floats:
        """The same for its whole answer: what its decoding leaves is left to its first token."""
        spread = np.sqrt(
            self.swing_s2[:, None] * lasting(self.work.output)
            + self.noise_s2[:, None] / np.maximum(1, self.work.output)
        )
        gaps = ((self.gap_s[:, None] + point * spread, weight) for point, weight in _NORMAL)
        parts = [weight * self.ttft_within(seconds - self.work.output * gap) for gap, weight in gaps]
        within: Floats = parts[0] + parts[1] + parts[2]
        return within


def _extra(work: Work, rates: Floats) -> Floats:
    """By rate and request: the extra of its prompt, between alone and joint by how many prompts share a step."""
    batch = np.interp(rates, work.decoding_rate, np.arange(1, work.places + 1))
    place = np.interp(batch, work.batches, np.arange(len(work.batches)))
    low = np.minimum(place.astype(np.int64), len(work.batches) - 1)
    high = np.minimum(low + 1, len(work.batches) - 1)
    part = (place - low)[:, None]
    alone, joint = (table[low] * (1 - part) + table[high] * part for table in (work.alone_s, work.joint_s))
    step = np.interp(batch, np.arange(1, work.places + 1), work.decode_s)
    coming = np.maximum(TINY, rates * step / (1 - np.minimum(FULL, rates * joint.mean(axis=1))))
    together = coming / -np.expm1(-coming)
    extra: Floats = joint - (joint - alone) / together[:, None]
    return extra
