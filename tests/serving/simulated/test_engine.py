"""When tokens come, what is counted, and what becomes of a client that leaves; in virtual time."""

from __future__ import annotations

import pytest

from serving.simulated import Steady, asked
from tests.serving.simulated.virtual import Bench

TIMING = Steady(token_s=0.02, prompt_token_s=0.001, request_s=0.003)
TEN = {"prompt": list(range(10)), "max_tokens": 4, "ignore_eos": True}


def test_a_stream_has_its_tokens_when_they_are_due() -> None:
    """Reading the request, then a step with the prompt in it, then a step for each token."""
    bench = Bench(TIMING)
    kept = bench.done({**TEN, "stream": True}, asked.completion)
    assert kept.times[:-1] == pytest.approx([0.033, 0.053, 0.073, 0.093])
    assert kept.ended_at == pytest.approx(0.093)


def test_a_whole_answer_comes_with_its_last_token() -> None:
    """All at once, at the moment at which a stream would end."""
    assert Bench(TIMING).done(TEN, asked.completion).times == pytest.approx([0.093])


def test_an_embedding_takes_its_prompt_and_no_token() -> None:
    """One step."""
    bench = Bench(TIMING)
    kept = bench.done({"input": list(range(10))}, asked.embedding)
    assert kept.times == pytest.approx([0.033])
    assert bench.metric("generation_tokens") == 0


@pytest.mark.parametrize(("caching", "hits"), [(True, 96), (False, 0)], ids=["cached", "not-cached"])
def test_a_prompt_that_was_seen_comes_sooner(caching: bool, hits: int) -> None:
    """What the prefix cache holds takes no time: 96 of 100 tokens the second time, if there is one."""
    bench = Bench(TIMING, prefix_caching=caching)
    body = {"prompt": list(range(100)), "max_tokens": 1, "ignore_eos": True}
    first = bench.done(body, asked.completion).times[0]
    begun = bench.clock.now()
    assert first == pytest.approx(0.123)
    assert bench.done(body, asked.completion).times[0] - begun == pytest.approx(0.123 - hits / 1000)
    assert bench.metric("prefix_cache_hits") == hits


def test_metrics_count_what_happened() -> None:
    """Every sum is exact, in simulated seconds."""
    bench = Bench(TIMING)
    bench.done(TEN, asked.completion)
    assert {
        name: pytest.approx(bench.metric(name))
        for name in ("prompt_tokens", "generation_tokens", "time_to_first_token_seconds", "inter_token_latency_seconds")
    } == {
        "prompt_tokens": 10,
        "generation_tokens": 4,
        "time_to_first_token_seconds": 0.033,
        "inter_token_latency_seconds": 0.06,
    }
    assert bench.metric("e2e_request_latency_seconds") == pytest.approx(0.093)
    assert bench.metric("request_time_per_output_token_seconds") == pytest.approx(0.02)
    assert bench.metric("request_success", "length") == 1


def test_who_waits_is_seen_waiting() -> None:
    """One runs, two wait, and the time of those is counted as queueing."""
    bench = Bench(Steady(max_seqs=1, token_s=0.02, prompt_token_s=0))
    for _ in range(3):
        bench.ask(TEN, asked.completion)
    bench.clock.run(until=0.001)
    assert (bench.metric("num_requests_running"), bench.metric("num_requests_waiting")) == (1, 2)
    bench.clock.run()
    assert bench.metric("request_queue_time_seconds") == pytest.approx(0.08 + 0.16)


@pytest.mark.parametrize("at", [0.001, 0.01, 0.05], ids=["before-it-is-read", "in-its-prompt", "in-its-answer"])
def test_a_client_that_leaves_frees_the_batch_at_once(at: float) -> None:
    """No sequence, block or token more; whoever waited for its place runs with the next step."""
    bench = Bench(TIMING)
    answer, kept = bench.ask({**TEN, "max_tokens": 100, "n": 2}, asked.completion)
    bench.clock.run(until=at)
    seen = bench.metric("generation_tokens")
    bench.engine.abort(answer)
    assert (bench.engine.load, bench.engine.batch.blocks.used) == (0, 0)
    bench.clock.run()
    assert bench.metric("generation_tokens") == seen
    assert bench.metric("request_success", "abort") == 2
    assert kept.ended_at is None


def test_leaving_twice_or_late_changes_nothing() -> None:
    """An answer that is complete cannot be aborted any more."""
    bench = Bench(TIMING)
    answer, _ = bench.ask(TEN, asked.completion)
    bench.clock.run()
    bench.engine.abort(answer)
    assert bench.metric("request_success", "abort") == 0


def test_lost_time_is_counted() -> None:
    """Where the machine is too slow for the speed, the engine goes on from now and says what was lost."""
    bench = Bench(TIMING)
    bench.ask(TEN, asked.completion)
    bench.clock.run(until=0.01)
    bench.clock._now = 5.0  # whatever it was that took so long
    bench.clock.run()
    assert bench.engine.metrics.behind_s == pytest.approx(5.0 - 0.033)
    assert bench.clock.now() == pytest.approx(5.06)


@pytest.mark.parametrize("context_length", [2000, 1000], ids=["twice", "a-block-too-much"])
def test_an_engine_whose_cache_is_too_small_does_not_start(context_length: int) -> None:
    """As in vLLM: the longest request that it takes must fit, in whole blocks."""
    with pytest.raises(ValueError, match=r"holds 992 tokens.*lower context_length"):
        Bench(Steady(kv_tokens=1000), context_length=context_length)
