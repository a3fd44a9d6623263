"""The catalogue's models: rows that agree with each other, and names as people write them."""

from __future__ import annotations

import pytest

from cluster.catalog.models import architecture, architectures
from cluster.catalog.quant import QUANTS
from cluster.catalog.shape import Architecture
from cluster.errors import CatalogError

MODELS = architectures().values()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_row_agrees_with_itself(model: Architecture) -> None:
    """A source, a known quantisation, whole groups of heads, and no more active parameters than there are."""
    assert model.source
    assert model.native_quant in QUANTS
    assert model.heads % model.kv_heads == 0
    assert 0 < model.active_params <= model.params
    assert model.experts >= model.experts_per_token


@pytest.mark.parametrize(
    "model", [model for model in MODELS if not model.experts and not model.mla_rank], ids=lambda model: model.name
)
def test_sizes_add_up_to_the_parameters(model: Architecture) -> None:
    """What the sizes of a dense model multiply out to is what its publisher says, within a tower for images."""
    attention = 2 * model.hidden * model.head_dim * (model.heads + model.kv_heads)
    layers = model.layers * (attention + 3 * model.hidden * model.intermediate)
    assert layers + model.embedding_params == pytest.approx(model.params, rel=0.11)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("meta-llama/Meta-Llama-3-70B", "llama-3-70b"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama-4-scout"),
        ("google/gemma-3-27b-it", "gemma-3-27b"),
        ("builtin:tiny-small", "tiny-small"),
    ],
)
def test_a_hub_id_finds_its_model(name: str, found: str) -> None:
    """Whatever a checkpoint was tuned or stored for, its shape is its family's."""
    assert architecture(name).name == found


def test_an_unknown_model_names_the_nearest() -> None:
    """Nothing is guessed; the error says what there is, and the way out."""
    with pytest.raises(CatalogError, match=r"no model 'Qwen/Qwen9-7B'.*qwen2-7b.*config\.json"):
        architecture("Qwen/Qwen9-7B")
