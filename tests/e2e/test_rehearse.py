"""``freehold rehearse``: a fleet of H100s on this machine, with Ray Serve and without it, and nothing left of it."""

from __future__ import annotations

import json
from pathlib import Path

import openai
import pytest

from cluster.supervise.state import Home
from tests.e2e.fleet import Traces, freehold


@pytest.mark.parametrize("options", [["--plain"], []], ids=["plain", "ray"])
def test_a_fleet_of_h100s_without_one(home: Path, port: int, options: list[str]) -> None:
    """It starts, answers through the gateway with the models that it should have, and is taken down."""
    up = ["rehearse", "--fleet", "fleets/h100.yaml", "--speed", "20", "--detach", "--port", str(port), *options]
    started = freehold(home, *up)
    assert started.returncode == 0, started.stderr
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    for model in ("llama-3.1-8b", "llama-3.3-70b"):
        messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
        stream = client.chat.completions.create(model=model, messages=messages, max_tokens=30, stream=True)
        assert [chunk.model for chunk in stream if chunk.choices][-1] == model
    told = json.loads(freehold(home, "status", "--json").stdout)
    assert (told["phase"], [model["replicas"] for model in told["models"]]) == ("ready", [1, 1])
    traces = Traces.of(Home(home).read())
    assert freehold(home, "down").returncode == 0
    assert traces.left() == []


def test_what_would_not_start_is_not_rehearsed(home: Path, port: int, tmp_path: Path) -> None:
    """A model that is too large for its GPU fails here as it would fail there, with its field named."""
    model = "{ source: meta-llama/Llama-3.1-70B-Instruct, accelerator: { type: L40S, count: 1 } }"
    file = tmp_path / "fleet.yaml"
    file.write_text(f"name: f\nmodels: {{ big: {model} }}\n")
    started = freehold(home, "rehearse", "--fleet", str(file), "--plain", "--port", str(port))
    assert started.returncode == 3
    assert "model 'big' did not start: accelerator: " in started.stderr
    assert "does not fit" in started.stderr
