"""The quick engine against the one that goes step by step."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.simulate.calls import NEVER, Calls, Fate
from cluster.simulate.engine import Engine
from cluster.simulate.pace import Pace
from tests.cluster.simulate.stepwise import Plain, Stepwise

request = st.tuples(
    st.floats(0, 2, allow_subnormal=False), st.integers(1, 300), st.integers(1, 120), st.floats(0, 0.99)
)


def calls_of(requests: list[tuple[float, int, int, float]]) -> Calls:
    """Columns of requests that come with pauses between them."""
    arrival, prompt, output, cached = [], [], [], []
    now = 0.0
    for pause, prompts, outputs, share in requests:
        now += 1e-5 + pause**3  # two at the same instant may share a step or not
        arrival.append(now)
        prompt.append(prompts)
        output.append(outputs)
        cached.append(int(prompts * share))
    return Calls.of(arrival, prompt, output, cached)


def drive(engine: Engine, calls: Calls) -> None:
    """Offer every request at its time and carry out what is due."""
    for at in range(len(calls)):
        while engine.due <= calls.arrival[at]:
            engine.advance()
        engine.offer(at, calls.arrival[at])
    while engine.due < NEVER:
        engine.advance()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(request, min_size=1, max_size=30),
    st.sampled_from([450, 700, 2000, 100_000]),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([64, 200, 2048]),
)
def test_stretches_give_the_times_of_single_steps(
    requests: list[tuple[float, int, int, float]], kv_tokens: int, max_seqs: int, max_batched_tokens: int
) -> None:
    """Every first and last token comes when it comes step by step: batches, chunks, full caches, preemption."""
    timing = Plain(kv_tokens=kv_tokens, max_seqs=max_seqs, max_batched_tokens=max_batched_tokens)
    expected_first, expected_end = Stepwise(timing, calls_of(requests)).run()
    calls = calls_of(requests)
    drive(Engine(Pace(timing), calls), calls)
    assert calls.first == pytest.approx(expected_first, rel=1e-6)
    assert calls.end == pytest.approx(expected_end, rel=1e-6)
    assert set(calls.fate) == {Fate.ANSWERED}


def test_a_request_alone_takes_a_prefill_and_its_steps() -> None:
    """The seconds of one request can be added up by hand."""
    calls = Calls.of([1.0], [1000], [3])
    drive(Engine(Pace(Plain()), calls), calls)
    assert calls.first[0] == pytest.approx(1 + 0.008 + 1000 * 2e-5)
    assert calls.end[0] - calls.first[0] == pytest.approx(2 * (0.008 + 1e-5) + 4e-8 * (1000 + 1001))


def test_a_cached_prefix_is_not_computed_again() -> None:
    """Only its attention is paid for."""
    calls = Calls.of([0.0], [1000], [1], [900])
    drive(Engine(Pace(Plain()), calls), calls)
    assert calls.end[0] == pytest.approx(0.008 + 100 * 2e-5 + 100 * 900 * 1e-9)


def test_an_idle_engine_is_never_due() -> None:
    """After the last answer nothing is left to do, and nothing is held."""
    calls = Calls.of([0.0, 0.0, 0.3], [700, 20, 5], [9, 1, 200])
    engine = Engine(Pace(Plain(kv_tokens=950)), calls)
    drive(engine, calls)
    assert (engine.due, engine.in_flight, engine.context, engine.kv_share) == (NEVER, 0, 0, 0)
    assert engine.ended_tokens == 210
