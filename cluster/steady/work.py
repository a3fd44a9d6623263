"""What one request costs a replica, by how many others decode beside it.

A step that also computes prompt tokens takes longer than one that only decodes; the difference is the prompt's *extra*.
Extras and decoding steps are tabulated at a few batch sizes and chunks, and interpolated in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from cluster.demand import Requests
from cluster.demand.lengths import Floats
from cluster.latency.timing import EngineTiming, Step

_BATCHES: Final = 10
"""Sizes of the batch that are asked for, evenly apart in logarithm; the curves between them are close to lines."""
_MIXED: Final = 4
"""Of those, how many are asked with prompt tokens beside."""
_CHUNKS: Final = (16, 64, 256, 1024, 4096)
_CONTEXT: Final = 4096
"""Tokens before a chunk at which attention's part is measured."""
_SPREAD: Final = 2.0
"""Standard deviations of the batch's KV cache that must fit beside its mean, or sequences would be preempted often."""


@dataclass(frozen=True, slots=True)
class Slower:
    """A timing whose steps and requests take ``factor`` times as long, such as at a prediction's upper bound."""

    timing: EngineTiming
    factor: float

    @property
    def kv_tokens(self) -> int:
        """As in ``timing``."""
        return self.timing.kv_tokens

    @property
    def max_seqs(self) -> int:
        """As in ``timing``."""
        return self.timing.max_seqs

    @property
    def max_batched_tokens(self) -> int:
        """As in ``timing``."""
        return self.timing.max_batched_tokens

    @property
    def request_s(self) -> float:
        """Seconds that a request takes besides its steps."""
        return self.timing.request_s * self.factor

    def step_s(self, step: Step) -> float:
        """Seconds of one step."""
        return self.timing.step_s(step) * self.factor


@dataclass(frozen=True, slots=True)
class Work:
    """A timing and a population of requests, tabulated. Arrays by request stand for all requests alike."""

    requests: Requests
    request_s: float
    places: int
    """Sequences that decode at once at most: by ``max_num_seqs``, or by the KV cache that they hold on average."""
    decode_s: Floats
    """Seconds of a step that only decodes, for 1 to ``places`` sequences."""
    steps: Floats
    """By request: steps that its prompt takes if it has them for itself."""
    share: Floats
    """By request: its prompt's tokens in units of a full step."""
    batches: Floats
    """The batch sizes of ``extra_s``."""
    alone_s: Floats
    """By batch size and request: seconds that its prompt adds to steps that compute no other prompt."""
    joint_s: Floats
    """The same beside other prompts, where nothing is left that would have been idle."""
    output: Floats
    """By request: tokens that are decoded, the first one excluded."""
    decoding_rate: Floats
    """Requests per second that keep 1 to ``places`` sequences decoding."""
    highest: float
    """Requests per second beyond which the queue never ends."""

    @classmethod
    def of(cls, timing: EngineTiming, requests: Requests) -> Self:
        """Ask a timing; ``requests`` must each fit into its KV cache."""
        prompt, output = requests.prompt_tokens.astype(np.float64), np.asarray(requests.output_tokens - 1, np.float64)
        held = float((output * (prompt + output / 2)).sum() / max(1.0, output.sum())) or float(prompt.mean())
        places = _places(timing, held, float(np.std(prompt + output / 2)))
        asked = np.unique(np.geomspace(1, places, _BATCHES).round())
        decode = [timing.step_s(Step(0, 0, int(size), round(size * held))) for size in asked]
        batches = asked[np.unique(np.linspace(0, len(asked) - 1, _MIXED).round().astype(int))]
        budget = max(1, timing.max_batched_tokens - places // 2)
        new = prompt - requests.cached_tokens
        sizes = np.arange(1, places + 1)
        decode_s = np.interp(sizes, asked, decode)
        extras = [_extras(timing, int(size), held, requests, budget) for size in batches]
        joint = np.array([joint for _, joint in extras])
        added = np.interp(sizes, batches, joint.mean(axis=1))
        decoding = sizes / (float(output.mean()) * decode_s + sizes * added + 1e-12)
        prompts = 1 / (added + float((new / budget).mean()) * decode_s + 1e-12)
        return cls(
            requests=requests,
            request_s=timing.request_s,
            places=places,
            decode_s=decode_s,
            steps=np.ceil(new / budget),
            share=new / budget,
            batches=batches,
            alone_s=np.array([alone for alone, _ in extras]),
            joint_s=joint,
            output=output,
            decoding_rate=decoding,
            highest=float(np.minimum(decoding, prompts).max()),
        )


def _places(timing: EngineTiming, held: float, spread: float) -> int:
    """Sequences whose KV fits: ``n · held + 2 · √n · spread = kv_tokens``, solved for n."""
    swing = _SPREAD * spread
    root = (np.sqrt(swing * swing + 4 * held * timing.kv_tokens) - swing) / (2 * held)
    return max(1, min(timing.max_seqs, int(root * root)))


def _extras(timing: EngineTiming, size: int, held: float, requests: Requests, budget: int) -> tuple[Floats, Floats]:
    """Seconds that each request's prompt adds beside ``size`` decoding sequences: alone, and beside other prompts."""
    context = round(size * held)
    without = timing.step_s(Step(0, 0, size, context))
    chunks = np.array([*(chunk for chunk in _CHUNKS if chunk < budget), budget])
    added = np.array([timing.step_s(Step(int(chunk), 0, size, context)) - without for chunk in chunks])
    read = timing.step_s(Step(budget, budget * _CONTEXT, size, context)) - without - added[-1]
    new = (requests.prompt_tokens - requests.cached_tokens).astype(np.float64)
    full = np.floor(new / budget)
    rest = new - full * budget
    before = new * requests.cached_tokens + budget * budget * full * (full - 1) / 2 + rest * full * budget
    attention = np.maximum(0, before * read / (budget * _CONTEXT))
    steepest = max(0.0, float((np.diff(added, prepend=0) / np.diff(chunks, prepend=0)).max()))
    alone = np.maximum(0, full * added[-1] + np.where(rest, np.interp(rest, [0, *chunks], [0, *added]), 0))
    return alone + attention, np.maximum(alone, new * steepest) + attention
