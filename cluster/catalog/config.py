"""A Hugging Face ``config.json`` → :class:`~cluster.catalog.shape.Architecture`, parameters counted from the sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cluster.catalog.shape import Architecture
from cluster.errors import CatalogError

Config = Mapping[str, object]

_WEIGHTS_OF = {"fp8": "fp8", "mxfp4": "mxfp4", "awq": "int4", "gptq": "int4", "modelopt": "fp4", "bitsandbytes": "int4"}
_LARGEST = 1 << 40


def from_config(path: Path) -> Architecture:
    """Read one; raises :class:`~cluster.errors.CatalogError` that names the file and the field that it lacks."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        msg = f"{path}: not a config.json that can be read: {exc}"
        raise CatalogError(msg) from exc
    if not isinstance(loaded, dict):
        msg = f"{path}: not a config.json: it holds no object"
        raise CatalogError(msg)
    inner = loaded.get("text_config")
    return _Reader(path, {**loaded, **inner} if isinstance(inner, dict) else loaded).architecture()


class _Reader:
    """The fields of one file under the several names that model families have for them."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config

    def architecture(self) -> Architecture:
        """All of it; where a family leaves a field out, what transformers assumes."""
        heads, hidden, layers = (
            self._need("num_attention_heads"),
            self._need("hidden_size"),
            self._need("num_hidden_layers"),
        )
        experts = self._get("num_experts", "n_routed_experts", "num_local_experts")
        wide = self._get("intermediate_size")
        shape = Architecture(
            name=str(self._config.get("_name_or_path") or self._path.parent.name),
            layers=layers,
            hidden=hidden,
            heads=heads,
            kv_heads=self._get("num_key_value_heads") or heads,
            head_dim=self._get("head_dim") or hidden // heads,
            intermediate=wide,
            vocab=self._need("vocab_size"),
            params=0,
            active_params=0,
            experts=experts,
            experts_per_token=self._get("num_experts_per_tok", "experts_per_token", "moe_topk") if experts else 0,
            shared_experts=self._get("n_shared_experts", "num_shared_experts") if experts else 0,
            moe_intermediate=(self._get("moe_intermediate_size") or wide) if experts else 0,
            first_dense_layers=self._get("first_k_dense_replace") if experts else 0,
            mla_rank=self._get("kv_lora_rank"),
            mla_rope=self._get("qk_rope_head_dim") if self._get("kv_lora_rank") else 0,
            sliding_window=self._window(),
            full_attention_every=self._full_every(layers),
            max_context=self._get("max_position_embeddings"),
            native_quant=self._quant(),
            tied_embeddings=bool(self._config.get("tie_word_embeddings", False)),
            source=str(self._path),
        )
        return _counted(shape)

    def _need(self, field: str) -> int:
        value = self._get(field)
        if not value:
            msg = f"{self._path}: {field}: missing or not a positive number; a transformer's config.json has it"
            raise CatalogError(msg)
        return value

    def _get(self, *fields: str) -> int:
        for field in fields:
            value: object = self._config.get(field)
            if isinstance(value, int) and not isinstance(value, bool) and value:
                if not 0 < value < _LARGEST:
                    msg = f"{self._path}: {field}: {value} is out of range; give the model's own config.json"
                    raise CatalogError(msg)
                return int(value)
        return 0

    def _window(self) -> int:
        return self._get("sliding_window") if self._config.get("use_sliding_window", True) else 0

    def _full_every(self, layers: int) -> int:
        kinds = self._config.get("layer_types")
        if isinstance(kinds, list) and kinds:
            return max(1, round(layers / max(1, kinds.count("full_attention"))))
        every = self._get("sliding_window_pattern", "full_attention_interval")
        return every or (layers + 1 if self._window() else 1)  # a window without a pattern is in every layer

    def _quant(self) -> str:
        stored = self._config.get("quantization_config")
        if not isinstance(stored, dict):
            return "fp32" if self._config.get("torch_dtype", self._config.get("dtype")) == "float32" else "bf16"
        method = str(stored.get("quant_method", ""))
        if method == "compressed-tensors":
            return "int4" if '"num_bits": 4' in json.dumps(stored) else "fp8"
        if method not in _WEIGHTS_OF:
            known = ", ".join(_WEIGHTS_OF)
            msg = f"{self._path}: quantization_config.quant_method: no data for {method!r}; known: {known}"
            raise CatalogError(msg)
        return "fp8_block" if method == "fp8" and stored.get("weight_block_size") else _WEIGHTS_OF[method]


def _counted(shape: Architecture) -> Architecture:
    """The same with its parameters: attention, MLPs or experts, embeddings. Norms and biases are a thousandth."""
    attention = shape.hidden * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads) * shape.layers
    dense_layers = shape.first_dense_layers if shape.experts else shape.layers
    dense = 3 * shape.hidden * shape.intermediate * dense_layers
    one_expert = 3 * shape.hidden * shape.moe_intermediate * (shape.layers - dense_layers)
    always = attention + dense + one_expert * shape.shared_experts + shape.embedding_params
    return replace(
        shape,
        params=float(always + one_expert * shape.experts),
        active_params=float(always + one_expert * shape.experts_per_token),
    )
