"""The policy: what it asks for, and when it lets go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.autoscale import Observed
from cluster.autoscale.capacity import Capacity
from cluster.autoscale.slo import SloPolicy, SloScaler

CAPACITY = Capacity(prompt_token_s=1e-4, output_token_s=1e-3, request_s=0.3, mean_output=200)
"""A request of 1,000 tokens in and 200 out is 0.3 replica-seconds: 3.3 of them a second fill a replica."""
POLICY = SloPolicy(CAPACITY, cold_start_s=120)
LOOK_S = 30.0


@dataclass
class World:
    """Replicas that start at once, and a load that is set."""

    scaler: SloScaler = field(default_factory=lambda: SloScaler(POLICY))
    replicas: int = 1
    now: float = 1e9
    """Any clock will do."""

    def live(self, seconds: float, rate: float, **more: float) -> list[int]:
        """What is decided meanwhile, look by look."""
        decided = []
        for _ in range(int(seconds / LOOK_S)):
            self.now += LOOK_S
            requests = rate * LOOK_S
            seen = Observed(
                now_s=self.now,
                ready=self.replicas,
                starting=0,
                arrived=requests,
                prompt_tokens=1000 * requests,
                ended=requests,
                late=0,
                output_tokens=200 * requests,
                in_flight=rate * 5,
                waiting=0,
                kv_share=0.3,
            )
            self.replicas = self.scaler.decide(replace(seen, **more))  # type: ignore[arg-type]
            decided.append(self.replicas)
        return decided


def test_a_steady_load_gets_what_it_fills() -> None:
    """20 requests a second at 0.3 replica-seconds each are 6 replicas, and stay 6."""
    world = World(SloScaler(replace(POLICY, gain=0)), replicas=6)
    assert set(world.live(3600, 20)[60:]) == {6}


@pytest.mark.parametrize("rate", [1, 9, 40, 300])
def test_more_load_gets_more_replicas(rate: float) -> None:
    """Within ten minutes of a jump there is at least what the load fills."""
    world = World()
    assert world.live(600, rate)[-1] >= rate * 0.3


def test_growth_is_kept_up_with() -> None:
    """While the load climbs for 40 minutes, there are as many as it fills, but for the slack."""
    world = World(SloScaler(replace(POLICY, gain=0)))
    rates = [10 + minute for minute in range(40)]
    decided = [world.live(60, rate)[-1] for rate in rates]
    assert all(number + POLICY.slack >= rate * 0.3 for number, rate in list(zip(decided, rates, strict=True))[15:])


def test_yesterday_is_remembered() -> None:
    """A jump that came a day ago at this time is prepared for, with the trend still flat."""
    world = World(SloScaler(replace(POLICY, gain=0)))
    world.live(6 * 3600, 10)
    world.live(18 * 3600, 40)
    world.live(6 * 3600 - 300, 10)
    assert world.live(60, 10)[-1] > 5


def test_bursts_are_held_for_between_them() -> None:
    """Half a minute of 4 a second, a minute of almost none: what stands by is for the first, not for the mean."""
    late = ((0.5, 0.001), (1.0, 0.01), (1.5, 0.2))
    world = World(SloScaler(replace(POLICY, gain=0, capacity=replace(CAPACITY, mean_prompt=1000, late=late))))
    looks = [world.live(LOOK_S, rate)[-1] for rate in [4.0, 0.1, 0.1] * 100]
    assert min(looks[200:]) >= 2
    assert "held for bursts" in str(world.scaler.need)


def test_one_quiet_look_lets_no_replica_go() -> None:
    """Replicas leave only when fewer have been enough for ``hold_s``."""
    world = World()
    before = world.live(1800, 20)[-1]
    assert set(world.live(POLICY.hold_s - LOOK_S, 5)) == {before}
    assert world.live(1800, 5)[-1] <= 3


def test_silence_ends_the_last_replica() -> None:
    """After ``idle_s`` without a request none is wanted, and with the first request one is again."""
    world = World()
    world.live(600, 2)
    assert min(world.live(POLICY.idle_s - 60, 0, in_flight=0)) >= 1
    assert world.live(120, 0, in_flight=0)[-1] == 0
    assert world.live(LOOK_S, 0.1, in_flight=1)[-1] == 1


def test_a_queue_adds_what_works_it_off() -> None:
    """600 requests that wait are 180 replica-seconds: 3 replicas more for a minute."""
    world = World(SloScaler(replace(POLICY, gain=0)), replicas=2)
    settled = world.live(1800, 5)[-1]
    assert world.live(LOOK_S, 5, waiting=600)[-1] == settled + 3


def test_a_full_cache_with_a_queue_adds_one() -> None:
    """Where KV runs out the model of capacity was wrong, whatever the tokens say."""
    world = World(SloScaler(replace(POLICY, gain=0)), replicas=4)
    world.live(1800, 5)
    world.replicas = 4
    assert world.live(LOOK_S, 5, kv_share=0.99, waiting=1)[-1] == 5


@pytest.mark.parametrize(("late", "more"), [(0.05, True), (0.0, False)], ids=["too many late", "none late"])
def test_late_answers_correct_the_capacity(late: float, more: bool) -> None:
    """Room is added while more are late than may be, and taken while none is."""
    world = World()
    world.live(3600, 20, late=20 * LOOK_S * late)
    assert (world.scaler.factor > 1) is more
    assert 0.5 <= world.scaler.factor <= 4


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 50), min_size=1, max_size=60))
def test_the_same_past_gives_the_same_decisions(rates: list[float]) -> None:
    """No clock and no chance: two scalers that see the same decide the same, and never below 0."""
    one, other = World(), World()
    decided = [one.live(30, rate)[-1] for rate in rates]
    assert decided == [other.live(30, rate)[-1] for rate in rates]
    assert min(decided) >= 0
