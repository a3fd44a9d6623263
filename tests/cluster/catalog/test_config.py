"""Any Hugging Face ``config.json`` as a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.catalog.models import architecture
from cluster.errors import CatalogError

LLAMA = {
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
LATENT = {
    "num_hidden_layers": 61,
    "hidden_size": 7168,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "intermediate_size": 18432,
    "vocab_size": 129280,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_shared_experts": 1,
    "moe_intermediate_size": 2048,
    "first_k_dense_replace": 3,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "head_dim": 64,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}


def write(folder: Path, config: object) -> str:
    """A folder with a ``config.json`` in it."""
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_a_folder_is_a_model(tmp_path: Path) -> None:
    """The sizes of Llama 3.1 8B give its parameters and its kind of attention."""
    found, known = architecture(write(tmp_path, LLAMA)), architecture("llama-3.1-8b")
    assert found.params == pytest.approx(known.params, rel=0.01)
    assert (found.head_dim, found.kv_heads, found.native_quant) == (128, 8, "bf16")


def test_latent_attention_and_experts_are_understood(tmp_path: Path) -> None:
    """DeepSeek's sizes, stored in blocks of FP8; the file itself may be named too."""
    found = architecture(write(tmp_path, LATENT) + "/config.json")
    assert found.params == pytest.approx(671e9, rel=0.02)
    assert (found.kv_values, found.native_quant, found.experts) == (576, "fp8_block", 256)


def test_an_inner_text_config_counts(tmp_path: Path) -> None:
    """Models that see and hear keep the language model's sizes one level down, and a pattern of windows."""
    inner = {**LLAMA, "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 8, "sliding_window": 512}
    found = architecture(write(tmp_path, {"text_config": inner}))
    assert (found.full_attention_every, found.sliding_window, found.full_layers) == (4, 512, 8)


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        ({}, "num_attention_heads: missing"),
        ([], "holds no object"),
        ({**LLAMA, "hidden_size": -1}, "hidden_size: -1 is out of range"),
        ({**LLAMA, "vocab_size": "many"}, "vocab_size: missing or not a positive number"),
        ({**LLAMA, "quantization_config": {"quant_method": "magic"}}, "quant_method: no data for 'magic'"),
    ],
    ids=["empty", "list", "negative", "text", "unknown quantisation"],
)
def test_what_is_wrong_is_named(tmp_path: Path, config: object, cause: str) -> None:
    """The file and the field."""
    with pytest.raises(CatalogError, match=cause):
        architecture(write(tmp_path, config))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """Whatever JSON's reader says of it."""
    file = tmp_path / "config.json"
    file.write_text("{")
    with pytest.raises(CatalogError, match=r"config\.json: not a config\.json that can be read"):
        architecture(str(file))
