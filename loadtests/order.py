"""What a load test is to do, as the leader tells it to its workers: everything but the keys.

Keys never travel: an order names the environment variables that hold them, and each worker reads its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cluster.spec import Capability, Engine, Fleet, Lengths, Traffic
from cluster.spec.base import Noun

OWN_WORDS: Final = frozenset({Engine.VLLM, Engine.SIMULATED})
"""Engines that are known to take ``ignore_eos``, so that an answer can be given its length."""
_TEMPLATE: Final = 64
"""Tokens that a chat template adds at most."""


class Mix(Noun):
    """Which shares of the requests are something else than a chat that is read to its end."""

    tools: float = 0
    """Chats that offer two tools; the model may call them or not."""
    completions: float = 0
    embeddings: float = 0
    cancelled: float = 0
    """Streams that the client leaves in the middle."""


MIXES: Final = {
    "chat": Mix(),
    "mixed": Mix(tools=0.08, completions=0.02, embeddings=0.1, cancelled=0.05),
}
"""The scenarios by their names. ``chat`` is what a plan predicts; ``mixed`` is what a company sends."""


class Order(Noun):
    """One load test."""

    scenario: str
    """``chat`` or ``mixed``, then how it comes: ``chat-500``, ``mixed-rate``, ``chat-burst``, ``chat-trace``."""
    mix: Mix
    url: str
    model: str = "auto"
    embedder: str = ""
    """The model that is asked for embeddings; empty where the fleet has none, and then none are asked for."""
    has_tools: bool = False
    exact: bool = False
    """Answers are made as long as they are meant to be, with ``ignore_eos``."""
    key_envs: tuple[str, ...] = ()
    """Environment variables that hold a key each: the tenants, who take turns. Empty: nobody says who asks."""
    users: int | None = None
    rate: float | None = None
    trace: Path | None = None
    burst: bool = False
    duration_s: float
    drain_s: float = 60
    """What is still under way so long after the duration counts as cut."""
    silence_s: float = 120
    """A fleet that says nothing for so long has cut the answer."""
    think_s: float
    prompt: Lengths
    output: Lengths
    cached_share: float
    context: int
    """Prompt and answer together at most, in tokens."""
    seed: int
    per_word: float = 1.0
    """Tokens of one of our words, as the fleet counts them."""
    overhead: float = 0.0
    """Tokens of a prompt that are none of our words."""
    zero: float = 0.0
    """The run's start by the wall clock; only where several machines take part does it matter how well those agree."""
    workers: int = 1


def fitting(fleet: Fleet, scenario: str) -> dict[str, object]:
    """What an order takes from the fleet file."""
    traffic: Traffic = fleet.traffic
    answering = [fleet.models[name] for name in _answering(fleet)]
    return {
        "mix": MIXES[scenario],
        "embedder": next(iter(fleet.tiers.embedding), ""),
        "has_tools": any(Capability.TOOLS in model.capabilities for model in answering),
        "exact": bool(answering) and all(model.engine in OWN_WORDS for model in answering),
        "think_s": traffic.think_seconds,
        "prompt": traffic.prompt_tokens,
        "output": traffic.output_tokens,
        "cached_share": traffic.cached_share,
        "context": max(16, max((model.context_length for model in answering), default=8192) - _TEMPLATE),
    }


def _answering(fleet: Fleet) -> Iterator[str]:
    """The models that may answer what is sent to ``auto``."""
    yield from (name for name in (*fleet.tiers.small, *fleet.tiers.large) if name in fleet.models)
    yield from (name for name in fleet.spillover.chain if name in fleet.models)
