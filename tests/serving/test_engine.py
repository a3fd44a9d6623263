"""A model of the fleet file becomes vLLM's arguments, or one clear line says why not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from cluster.errors import EngineFailedError
from cluster.spec import Model
from serving.engine import engine_kwargs, known_arguments

GPU = {"type": "H100", "count": 4}


def _model(**fields: Any) -> Model:  # noqa: ANN401 - whatever the fleet file may say
    return Model.model_validate({"source": "some/model", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"context_length": 4096}, {"max_model_len": 4096, "enable_log_requests": False}),
        ({"revision": "abc"}, {"revision": "abc"}),
        ({"accelerator": GPU}, {"tensor_parallel_size": 4}),
        ({"capabilities": ["embeddings"]}, {"runner": "pooling"}),
        ({}, {"kv_cache_memory_bytes": 1 << 30, "long_prefill_token_threshold": 512}),
        ({"context_length": 128}, {"long_prefill_token_threshold": 128}),
        ({"source": "builtin:tiny-small"}, {"kv_cache_memory_bytes": 128 << 20}),
        ({"engine_args": {"kv_cache_memory_bytes": 5}}, {"kv_cache_memory_bytes": 5}),
        (
            {"capabilities": ["chat", "tools"], "engine_args": {"tool_call_parser": "llama3_json"}},
            {"enable_auto_tool_choice": True, "tool_call_parser": "llama3_json"},
        ),
        ({"source": "builtin:tiny-small", "capabilities": ["chat", "tools"]}, {"tool_call_parser": "hermes"}),
    ],
    ids=[
        "context",
        "revision",
        "gpus",
        "embeddings",
        "cpu",
        "short-context",
        "builtin",
        "own-word-last",
        "tools",
        "builtin-tools",
    ],
)
def test_fields_become_arguments(fields: dict[str, Any], expected: dict[str, JsonValue]) -> None:
    """Each field of the model arrives as the argument that vLLM has for it."""
    assert engine_kwargs("m", _model(**fields)).items() >= expected.items()


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({"accelerator": GPU}, "kv_cache_memory_bytes"),
        ({}, "tensor_parallel_size"),
        ({"capabilities": ["embeddings"]}, "long_prefill_token_threshold"),
        ({}, "tool_call_parser"),
    ],
    ids=["gpu-memory-is-vllms", "cpu-has-no-gpus", "embedding-has-no-long-prefill", "no-tools"],
)
def test_what_does_not_apply_is_not_said(fields: dict[str, Any], absent: str) -> None:
    """An argument that only makes sense for another kind of model is left to vLLM."""
    assert absent not in engine_kwargs("m", _model(**fields))


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"engine_args": {"max_num_sesq": 1}}, "'max_num_sesq'; did you mean max_num_seqs"),
        ({"engine_args": {"runner": "pooling"}}, "decided by another field"),
        ({"capabilities": ["tools"]}, "tool_call_parser"),
    ],
    ids=["typo", "ours", "tools-without-parser"],
)
def test_what_vllm_would_not_take_is_refused_early(fields: dict[str, Any], cause: str) -> None:
    """One line names the model, the argument and the way out."""
    with pytest.raises(EngineFailedError, match=cause):
        engine_kwargs("m", _model(**fields))


def test_adapters_are_loaded_at_the_start() -> None:
    """Each under its own name; as many at once as there are."""
    found = engine_kwargs("m", _model(adapters={"poet": "x/poet", "sql": "./sql"}))
    assert found["lora_modules"] == [{"name": "poet", "path": "x/poet"}, {"name": "sql", "path": "./sql"}]
    assert (found["enable_lora"], found["max_loras"]) == (True, 2)


def test_every_derived_argument_is_one_of_vllms() -> None:
    """What this package adds by itself exists in the installed vLLM."""
    everything = [
        _model(source="builtin:tiny-small", capabilities=["chat", "tools"], revision="r"),
        _model(accelerator=GPU),
        _model(capabilities=["embeddings"]),
        _model(adapters={"poet": "x/poet"}),
    ]
    for model in everything:
        assert engine_kwargs("m", model).keys() <= known_arguments()
