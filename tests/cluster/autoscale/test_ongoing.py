"""Ray's policy as we wrote it, against Ray's own code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_test
from hypothesis import strategies as st

from cluster.autoscale import Observed
from cluster.autoscale.ongoing import Ongoing, OngoingScaler

pytest.importorskip("ray.serve.autoscaling_policy", reason="Ray is not installed")
LOOK_S = 10.0


def seen(now: float, ready: int, in_flight: float) -> Observed:
    """A look; Ray's policy cares for nothing else."""
    return Observed(now, ready, 0, 0, 0, 0, 0, 0, in_flight, 0, 0)


def rays_own(settings: Ongoing) -> tuple[Any, Any]:
    """Its configuration and its policy, wrapped as Ray wraps it."""
    from ray.serve.autoscaling_policy import (  # noqa: PLC0415 - takes seconds; only where a test needs it
        _apply_autoscaling_config,
        _core_replica_queue_length_policy,
    )
    from ray.serve.config import AutoscalingConfig  # noqa: PLC0415

    config = AutoscalingConfig(
        min_replicas=0,
        max_replicas=1000,
        target_ongoing_requests=settings.target,
        upscale_delay_s=settings.upscale_delay_s,
        downscale_delay_s=settings.downscale_delay_s,
        upscaling_factor=settings.upscaling_factor,
        downscaling_factor=settings.downscaling_factor,
    )
    return config, _apply_autoscaling_config(_core_replica_queue_length_policy)


@settings_of_test(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(0, 200), min_size=5, max_size=120),
    st.sampled_from([1, 2.5, 16]),
    st.sampled_from([(0, 0), (30, 600), (20, 60)]),
    st.sampled_from([(1, 1), (0.5, 0.3), (1.5, 1)]),
)
def test_it_decides_as_ray_does(
    loads: list[float], target: float, delays: tuple[float, float], factors: tuple[float, float]
) -> None:
    """Look for look the same number, through delays, factors, zero and back; replicas follow at once."""
    from ray.serve.config import AutoscalingContext  # noqa: PLC0415

    settings = Ongoing(target, LOOK_S, *delays, *factors)
    config, policy = rays_own(settings)
    state: dict[str, Any] = {}
    ours, theirs = OngoingScaler(settings, 1), 1
    for number, load in enumerate(loads):
        now = number * LOOK_S
        context = AutoscalingContext(
            **dict.fromkeys(("deployment_id", "deployment_name", "app_name", "running_replicas")),
            **dict.fromkeys(("aggregated_metrics", "raw_metrics", "last_scale_up_time", "last_scale_down_time")),
            current_num_replicas=theirs,
            target_num_replicas=theirs,
            total_num_requests=load,
            total_queued_requests=0,
            capacity_adjusted_min_replicas=0,
            capacity_adjusted_max_replicas=1000,
            policy_state=state,
            current_time=now,
            config=config,
        )
        with _clock(now):
            decided, state = policy(context)
        assert ours.decide(seen(now, theirs, load)) == decided
        theirs = decided


def _clock(now: float) -> Any:  # noqa: ANN401 - pytest's
    """Ray asks ``time.time``; in this test it is what the test says."""
    patch = pytest.MonkeyPatch.context()
    entered = patch.__enter__()
    entered.setattr("ray.serve.autoscaling_policy.time.time", lambda: now)
    return _Leaving(patch)


class _Leaving:
    def __init__(self, patch: Any) -> None:  # noqa: ANN401 - pytest's
        self._patch = patch

    def __enter__(self) -> None:
        """Entered already."""

    def __exit__(self, *error: object) -> None:
        """Back to the real clock."""
        self._patch.__exit__(*error)


def test_load_is_averaged_over_the_look_back() -> None:
    """A single busy look in three counts a third."""
    scaler = OngoingScaler(Ongoing(target=10, upscale_delay_s=0), 1)
    assert [scaler.decide(seen(now, 1, load)) for now, load in ((10, 0), (20, 0), (30, 90))] == [1, 1, 3]
