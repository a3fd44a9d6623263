"""A model that may have no replica: it goes to sleep, requests wait while one wakes it, and all are answered."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import openai

from tests.e2e.fleet import freehold, wait_until

FLEET = """
name: sleepy
models:
  dozer:
    engine: simulated
    source: meta-llama/Llama-3.1-8B-Instruct
    context_length: 8192
    accelerator: { type: L40S, count: 1 }
    replicas: { min: 0, max: 1, downscale_delay_s: 2, autoscaling: slo, cold_start_s: 5 }
tiers: { small: [dozer] }
slo: { ttft_p95_s: 2 }
traffic: { requests_per_second: 1 }
gateway: { probe_seconds: 1 }
"""
HERD = 5


def _replicas(home: Path) -> int:
    told = json.loads(freehold(home, "status", "--json").stdout)
    return int(told["models"][0]["replicas"])


def _ask(port: int, ends: list[str | None]) -> None:
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=120)
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Good morning"}]
    answer = client.chat.completions.create(model="auto", messages=messages, max_tokens=5)
    ends.append(answer.choices[0].finish_reason)


def test_to_sleep_and_awake(home: Path, port: int, tmp_path: Path) -> None:
    """From one replica to none, though the gateway looks after its targets; then a herd wakes one, and gets answers."""
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    started = freehold(home, "up", "--fleet", str(file), "--detach", "--port", str(port))
    assert started.returncode == 0, started.stderr
    wait_until(lambda: not _replicas(home))
    ends: list[str | None] = []
    herd = [threading.Thread(target=_ask, args=(port, ends)) for _ in range(HERD)]
    for one in herd:
        one.start()
    for one in herd:
        one.join()
    assert ends == ["length"] * HERD
    wait_until(lambda: _replicas(home) == 1)  # Ray may have started a process too many, which soon leaves
