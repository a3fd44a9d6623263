"""Loads in closed form: what must hold whatever the figures are."""

from __future__ import annotations

import pytest

from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import quant
from cluster.latency.load import Lengths, burst, closed, opened, room
from cluster.latency.plain import plain
from cluster.latency.replica import timing_for

TIMING = timing_for(plain(architecture("llama-3.1-8b"), gpu("H100"), quant("fp8"), max_seqs=64))
CHAT = Lengths(prompt=1000, output=200)


@pytest.mark.parametrize("callers", [1, 4, 16, 48])
def test_more_callers_get_more_done_and_wait_longer(callers: int) -> None:
    """Throughput, TPOT and TTFT all grow with the batch."""
    few, more = closed(TIMING, CHAT, callers), closed(TIMING, CHAT, callers + 8)
    assert more.throughput > few.throughput
    assert more.tpot_s > few.tpot_s
    assert more.ttft_s > few.ttft_s


def test_one_caller_waits_for_nobody() -> None:
    """TTFT is the prompt, TPOT a step, and both together the answer."""
    pace = closed(TIMING, CHAT, 1)
    assert pace.wait_s < 1e-3
    assert pace.tpot_s == pace.decode_s
    assert pace.throughput == pytest.approx(CHAT.output / pace.total_s)


def test_beyond_the_room_callers_queue() -> None:
    """Twice the sequences that run at a time: half of the time is spent waiting, and no more is done."""
    full, twice = closed(TIMING, CHAT, 64), closed(TIMING, CHAT, 128)
    assert room(TIMING, CHAT) == 64
    assert twice.throughput == full.throughput
    assert twice.wait_s - full.wait_s == pytest.approx(full.total_s)


@pytest.mark.parametrize("rate", [0.5, 5, 10])
def test_littles_law_holds(rate: float) -> None:
    """As many run as arrive during an answer."""
    pace = opened(TIMING, CHAT, rate)
    assert pace.running == pytest.approx(max(1.0, rate * pace.total_s), rel=0.1)


def test_a_burst_comes_in_waves() -> None:
    """Three times the room takes three times as long as the room, and fewer wait less."""
    one, three = burst(TIMING, CHAT, 64), burst(TIMING, CHAT, 192)
    assert three.total_s - TIMING.request_s == pytest.approx(3 * (one.total_s - TIMING.request_s))
    assert burst(TIMING, CHAT, 8).ttft_s < one.ttft_s < three.ttft_s


def test_a_cached_prefix_is_not_computed() -> None:
    """Nine tenths of the prompt in the prefix cache make the first token come sooner."""
    cached = Lengths(prompt=8000, output=200, cached=0.9)
    assert closed(TIMING, cached, 1).ttft_s < 0.5 * closed(TIMING, Lengths(8000, 200), 1).ttft_s
