"""The policy in Ray Serve's terms: what replicas report, what it makes of it, and what a fleet file becomes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cluster.errors import EngineFailedError
from cluster.load import parse_fleet
from cluster.spec import Fleet, Slo
from serving.autoscaling import GROWING, LOOK_S, SloAutoscaling, config
from serving.counters import Limits, above, counters
from serving.simulated.clock import RealClock
from serving.simulated.engine import Engine
from serving.simulated.fleet import simulation_of

TEXT = """
name: f
models:
  m:
    engine: simulated
    source: {source}
    accelerator: {{ type: L40S, count: 1 }}
    replicas: {{ min: 1, max: 8, autoscaling: {autoscaling}, downscale_delay_s: 60 }}
tiers: {{ small: [m] }}
slo: {{ ttft_p95_s: 1, tpot_p95_s: 0.05 }}
"""


def fleet(autoscaling: str = "slo", source: str = "meta-llama/Llama-3.1-8B-Instruct") -> Fleet:
    """One simulated model."""
    return parse_fleet(TEXT.format(autoscaling=autoscaling, source=source).encode(), "f.yaml")


@dataclass
class Sample:
    """As Ray keeps them."""

    value: float
    timestamp: float = 0.0


@dataclass
class Context:
    """What the policy uses of Ray's."""

    current_num_replicas: int = 1
    target_num_replicas: int = 1
    total_num_requests: float = 0.0
    current_time: float | None = 1e9
    raw_metrics: Mapping[str, Mapping[Any, Sequence[Any]]] | None = None


@dataclass
class World:
    """Replicas that count, and a policy that looks."""

    policy: SloAutoscaling
    replicas: int = 1
    now: float = 1e9
    totals: dict[int, dict[str, float]] = field(default_factory=dict)

    def live(self, seconds: float, rate: float) -> int:
        """Requests of 1,000 tokens in and 200 out, shared by the replicas; how many there are at the end."""
        for _ in range(int(seconds / LOOK_S)):
            self.now += LOOK_S
            for replica in range(self.replicas):
                told = self.totals.setdefault(replica, dict.fromkeys(GROWING, 0.0))
                for name, each in {"arrived": 1, "prompt_tokens": 1000, "ended": 1, "output_tokens": 200}.items():
                    told[name] += each * rate * LOOK_S / max(1, self.replicas)
            metrics = {name: {at: [Sample(told[name])] for at, told in self.totals.items()} for name in GROWING}
            context = Context(self.replicas, self.replicas, 5 * rate, self.now, metrics)
            self.replicas, _ = self.policy(context)
        return self.replicas


def made(of: Fleet) -> SloAutoscaling:
    """As Serve's controller makes it."""
    return SloAutoscaling(**config(of, "m", of.models["m"])["policy"]["policy_kwargs"])


def test_it_follows_what_replicas_count() -> None:
    """Up with the tokens, down again, and to none after silence, where Serve's bounds let it."""
    world = World(made(fleet()))
    busy = world.live(600, 12)
    assert busy >= 3
    assert world.live(1200, 1) < busy
    assert world.live(600, 0) == 0


def test_it_leaves_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the fleet's directory, whenever it wants another number; without a directory nobody needs it."""
    World(made(fleet())).live(600, 12)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    world = World(made(fleet()))
    busy = world.live(600, 12)
    word = json.loads((tmp_path / "run" / "wish-m.json").read_text())
    assert word["wanted"] == busy
    assert re.fullmatch(r"\d+\.\d\d replicas of load forecast, \d+\.\d\d for its noise", word["why"])
    world.live(1200, 0)
    assert json.loads((tmp_path / "run" / "wish-m.json").read_text())["why"] == "no request for a while"
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["wish-m.json"]


def test_between_two_looks_it_keeps_to_what_it_said() -> None:
    """Serve asks ten times a second; only a look may change the answer."""
    policy = made(fleet())
    first, _ = policy(Context(2, 2))
    again, _ = policy(Context(5, 5, current_time=1e9 + LOOK_S / 2))
    assert first == again == 2


def test_ray_takes_the_configuration() -> None:
    """The policy can be pickled, made with its settings, and asked, as Serve's controller does."""
    serve = pytest.importorskip("ray.serve.config", reason="Ray is not installed")
    taken = serve.AutoscalingConfig(**config(fleet(), "m", fleet().models["m"]))
    policy = taken.policy.get_policy()(**taken.policy.policy_kwargs)
    assert (taken.min_replicas, taken.max_replicas, taken.upscale_delay_s, taken.downscale_delay_s) == (1, 8, 0, 0)
    assert policy(Context(3, 3)) == (3, {})


def test_ongoing_stays_rays_own() -> None:
    """Without ``slo`` Serve's policy runs with the file's settings."""
    of = fleet("ongoing")
    told = config(of, "m", of.models["m"])
    assert "policy" not in told
    assert (told["target_ongoing_requests"], told["downscale_delay_s"]) == (16, 60)


def test_a_model_without_figures_is_told() -> None:
    """By name, before anything starts."""
    of = fleet(source="nobody/knows-this")
    with pytest.raises(EngineFailedError, match="autoscaling: slo"):
        config(of, "m", of.models["m"])


def test_vllms_figures_become_counts() -> None:
    """By vLLM's metric names; late is what the worse histogram says."""
    registry = CollectorRegistry()
    Counter("vllm:prompt_tokens", "", registry=registry).inc(1000)
    Counter("vllm:prefix_cache_hits", "", registry=registry).inc(300)
    Counter("vllm:generation_tokens", "", registry=registry).inc(500)
    success = Counter("vllm:request_success", "", ["finished_reason"], registry=registry)
    success.labels("stop").inc(6)
    success.labels("length").inc(4)
    Gauge("vllm:num_requests_running", "", registry=registry).set(3)
    Gauge("vllm:num_requests_waiting", "", registry=registry).set(2)
    Gauge("vllm:kv_cache_usage_perc", "", registry=registry).set(0.7)
    ttft = Histogram("vllm:time_to_first_token_seconds", "", buckets=(0.5, 1, 2), registry=registry)
    tpot = Histogram("vllm:request_time_per_output_token_seconds", "", buckets=(0.05, 0.1), registry=registry)
    for seconds in (0.1, 0.7, 1.5, 1.5, 9):
        ttft.observe(seconds)
        tpot.observe(0.01)
    limits = Limits.of(Slo(ttft_p95_s=1, tpot_p95_s=0.05))
    assert counters(registry.collect(), limits) == {
        "arrived": 15,
        "prompt_tokens": 700,
        "ended": 10,
        "output_tokens": 500,
        "late": 3,
        "in_flight": 5,
        "waiting": 2,
        "kv_share": 0.7,
    }


@pytest.mark.parametrize(("limit", "late"), [(0.5, 8), (0.75, 6), (1, 4), (50, 1)], ids=str)
def test_a_limit_between_two_bounds_is_interpolated(limit: float, late: float) -> None:
    """Values are taken as evenly spread between bounds; those above all bounds are late whatever the limit."""
    assert above({0.5: 2, 1: 6, 2: 9, float("inf"): 10}, limit) == late


def test_a_simulated_engine_reports_the_same_names() -> None:
    """An idle one counts zero of everything."""
    of = fleet()

    async def idle() -> dict[str, float]:
        engine = Engine(simulation_of("m", of.models["m"], of.traffic.output_tokens), RealClock(1))
        return counters(engine.metrics.collect(), Limits.of(of.slo))

    told = asyncio.run(idle())
    assert set(GROWING) < set(told)
    assert set(told.values()) == {0.0}
