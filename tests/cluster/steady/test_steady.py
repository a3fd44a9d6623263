"""The closed form agrees with the simulation, step by step, of the same engine under the same load."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.demand import LogNormals, Mix
from cluster.spec import Lengths, Slo
from cluster.steady import Slower, State, Work, attained, capacity, percentile
from tests.cluster.steady.timings import PlainTiming, simulated

CHAT = LogNormals(Lengths(p50=500, p95=3000), Lengths(p50=150, p95=600), 0, 32768)
TURNS = LogNormals(Lengths(p50=2000, p95=8000), Lengths(p50=300, p95=600), 0.8, 32768)
SLO = Slo(ttft_p95_s=1, tpot_p95_s=0.05)


def work(timing: PlainTiming | Slower | None = None, mix: Mix = CHAT) -> Work:
    """The plain engine's work."""
    return Work.of(timing or PlainTiming(), mix.even(128))


@pytest.mark.parametrize("load", [0.2, 0.6, 0.8])
@pytest.mark.parametrize(
    ("timing", "mix"),
    [
        pytest.param(PlainTiming(), CHAT, id="chat"),
        pytest.param(PlainTiming(max_batched_tokens=2048), CHAT, id="small chunks"),
        pytest.param(PlainTiming(), TURNS, id="cached turns"),
    ],
)
def test_percentiles_are_those_of_a_simulation(timing: PlainTiming, mix: LogNormals, load: float) -> None:
    """Medians within 15 %, 95th percentiles within 25 %, up to four fifths of what the engine could do."""
    known = work(timing, mix)
    state = State.at(known, np.array([load * known.highest]))
    seen = simulated(timing, mix, load * known.highest, 40_000)
    for name, within in (("ttft", state.ttft_within), ("tpot", state.tpot_within), ("e2e", state.e2e_within)):
        median, tail = (float(percentile(within, share, 1)[0]) for share in (0.5, 0.95))
        assert median == pytest.approx(np.percentile(seen[name], 50), rel=0.15), name
        assert tail == pytest.approx(np.percentile(seen[name], 95), rel=0.25), name


def test_capacity_is_where_a_promise_breaks() -> None:
    """Just below all hold, just above the named one does not."""
    known = work()
    found = capacity(known, SLO)
    below, above = State.at(known, np.array([found.rate * 0.99])), State.at(known, np.array([found.rate * 1.01]))
    assert all(one.holds.all() for one in attained(below, SLO))
    assert [one.promise for one in attained(above, SLO) if not one.holds.all()] == [found.broken]


@pytest.mark.parametrize(
    ("slo", "broken"),
    [
        pytest.param(Slo(ttft_p95_s=0.001), "ttft_p95_s", id="first token"),
        pytest.param(Slo(tpot_p95_s=0.001), "tpot_p95_s", id="pace"),
        pytest.param(Slo(e2e_p95_s=0.1), "e2e_p95_s", id="whole"),
        pytest.param(Slo(ttft_p95_s=0.5, goodput=1.0), "goodput", id="goodput"),
    ],
)
def test_a_promise_that_no_load_holds(slo: Slo, broken: str) -> None:
    """A single request breaks it already: capacity 0, and the promise is named."""
    found = capacity(work(), slo)
    assert found.rate == 0
    assert found.broken == broken


def test_without_promises_only_the_limit_ends_it() -> None:
    """Nine tenths of the engine's own limit are fine then."""
    known = work()
    found = capacity(known, Slo())
    assert found.broken == "load"
    assert found.rate == pytest.approx(0.9 * known.highest)


def test_slower_engines_carry_less() -> None:
    """At an upper bound 30 % above, capacity is lower by more than that: the promises stay where they are."""
    exact, careful = (capacity(work(timing), SLO).rate for timing in (None, Slower(PlainTiming(), 1.3)))
    assert 0 < careful < exact / 1.3


def test_a_small_cache_holds_fewer_sequences() -> None:
    """The places in the batch follow from the KV cache where that is scarcer than max_num_seqs."""
    few, many = work(PlainTiming(kv_tokens=40_000)), work()
    assert few.places < 40 < many.places == 256
    assert few.highest < many.highest


def test_answers_of_one_token_have_no_pace() -> None:
    """Whoever asks for one token waits for the first only."""
    known = work(mix=LogNormals(Lengths(p50=500, p95=3000), Lengths(p50=1, p95=1), 0, 32768))
    found = capacity(known, Slo(tpot_p95_s=1e-6, ttft_p95_s=1))
    assert found.broken == "ttft_p95_s"
    assert 0 < found.rate < known.highest
