"""The last telling line of an engine's log."""

from __future__ import annotations

import pytest

from cluster.kube.deploy.progress import progress


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("INFO Starting to load model meta-llama/Llama-3.1-8B...", "loading weights"),
        ("Loading safetensors checkpoint shards:  50% Completed | 2/4 [00:01<00:01,  1.5it/s]\n", "weights 2/4"),
        ("Loading safetensors checkpoint shards:  25% Completed | 1/4\rLoading … shards:\n", "weights 1/4"),
        ("INFO Loading weights took 12.31 seconds\nINFO something else", "weights loaded in 12.31 s"),
        ("INFO GPU KV cache size: 123,456 tokens", "KV cache of 123,456 tokens"),
        ("Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  42%|####", "capturing graphs, 42 %"),
        ("INFO:     Application startup complete.", "answering soon"),
        ("nothing that tells", ""),
        ("", ""),
    ],
    ids=["begin", "shards", "carriage return", "loaded", "cache", "graphs", "complete", "nothing", "empty"],
)
def test_what_a_log_tells(log: str, told: str) -> None:
    """The words of vLLM become a short one."""
    assert progress(log) == told
