"""The sizes of the tiny Llamas, by name; :mod:`serving.tiny.weights` makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a Llama; heads are 32 wide, the narrowest that vLLM's CPU attention takes."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    seed: int
    head: int = 32


SHAPES = {
    "tiny-small": Shape(hidden=64, layers=2, heads=2, kv_heads=1, context=8192, seed=1),
    "tiny-large": Shape(hidden=128, layers=4, heads=4, kv_heads=2, context=8192, seed=2),
}
