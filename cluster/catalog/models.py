"""Models: the figures of an architecture that memory and time follow from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from cluster.catalog.config import from_config
from cluster.catalog.shape import Architecture
from cluster.catalog.table import Row, number, refuse, rows, spelled

_VARIANT = re.compile(
    r"-(instruct|chat|base|hf|it|thinking|fp8|fp4|nvfp4|mxfp4|awq|gptq|int4|int8|w4a16|w8a8|bf16|4bit|dynamic|static"
    r"|pertensor|per|tensor|block|quantized|v\d(\.\d)?|\d{4}|gguf)$"
)
"""What a name may end with that changes no shape: what it was tuned for, how it is stored, when it came out."""


def architecture(name: str) -> Architecture:
    """A model by its catalogue name, Hugging Face id, or the path of a ``config.json`` or of its folder.

    Raises :class:`~cluster.errors.CatalogError` for an unknown one, and for a config that lacks what is needed.
    """
    path = Path(name).expanduser()
    if path.is_dir() or path.suffix == ".json":
        return from_config(path / "config.json" if path.is_dir() else path)
    spelling = spelled(name.rsplit("/", 1)[-1])
    while spelling not in _names() and (shorter := _VARIANT.sub("", spelling)) != spelling:
        spelling = shorter
    if spelling not in _names():
        refuse("model", name, _names(), "or give the path of its config.json")
    return architectures()[_names()[spelling]]


@cache
def architectures() -> dict[str, Architecture]:
    """Every model of the catalogue by its name there."""
    return {row["model"]: _architecture(row) for row in rows("models.csv")}


@cache
def _names() -> dict[str, str]:
    table = rows("models.csv")
    return {spelled(alias): row["model"] for row in table for alias in (row["model"], *row["aliases"].split())}


def _architecture(row: Row) -> Architecture:
    def whole(column: str) -> int:
        return int(number(row, column))

    return Architecture(
        name=row["model"],
        layers=whole("layers"),
        hidden=whole("hidden"),
        heads=whole("heads"),
        kv_heads=whole("kv_heads"),
        head_dim=whole("head_dim"),
        intermediate=whole("intermediate"),
        vocab=whole("vocab"),
        params=number(row, "params_b") * 1e9,
        active_params=number(row, "active_params_b") * 1e9,
        experts=whole("n_experts"),
        experts_per_token=whole("experts_per_tok"),
        shared_experts=whole("shared_experts"),
        moe_intermediate=whole("moe_intermediate"),
        first_dense_layers=whole("first_dense_layers"),
        mla_rank=whole("kv_lora_rank"),
        mla_rope=whole("qk_rope_dim"),
        sliding_window=whole("sliding_window"),
        full_attention_every=whole("full_attn_every"),
        max_context=whole("max_context"),
        native_quant=row["native_quant"],
        tied_embeddings=row["tied_embeddings"] == "1",
        source=row["source"],
    )
