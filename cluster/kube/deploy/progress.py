"""How far an engine's start has come, from the last lines of its log; the words are vLLM's own. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_STAGES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"Application startup complete", lambda _: "answering soon"),
    (r"Capturing (?:CUDA|cuda) graphs?[^\n]*?(\d+)%", lambda found: f"capturing graphs, {found[1]} %"),
    (r"Graph capturing finished", lambda _: "graphs captured"),
    (r"KV cache size: ([\d,]+) tokens", lambda found: f"KV cache of {found[1]} tokens"),
    (r"torch\.compile|[Cc]ompiling a graph|Dynamo bytecode", lambda _: "compiling"),
    (r"Loading weights took ([\d.]+) seconds", lambda found: f"weights loaded in {found[1]} s"),
    (r"checkpoint shards:[^\n]*?(\d+)% Completed \| (\d+)/(\d+)", lambda found: f"weights {found[2]}/{found[3]}"),
    (r"Starting to load model|Loading model", lambda _: "loading weights"),
    (r"Initializing a V1 LLM engine", lambda _: "engine starting"),
)
"""Stages, the latest first. Wording of vLLM 0.32 (vllm/model_executor, vllm/compilation, vllm/v1)."""


def progress(log: str) -> str:
    """What the last telling line says; empty where none does."""
    for line in reversed(log.replace("\r", "\n").splitlines()):
        for pattern, told in _STAGES:
            found = re.search(pattern, line)
            if found:
                return told(found)
    return ""
