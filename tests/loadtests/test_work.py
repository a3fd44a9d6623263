"""One worker's share, in threads: real requests to the engine that does nothing and to a simulated one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.errors import RefusedError, UnreachableError, UsageError
from cluster.ports import free_port
from loadtests.answer import Answer
from loadtests.ceiling import measure, nothing
from loadtests.facts import Kind, Outcome, Sample
from loadtests.order import Mix, Order
from loadtests.sizing import sized as with_sizes
from loadtests.work import Work, tenants
from serving.simulated import Simulation, Steady, simulated_engine
from tests.loadtests.servers import saying, sized
from tests.loadtests.test_asks import ORDER

QUICK = ORDER.model_copy(
    update={"duration_s": 1.0, "think_s": 0.1, "context": 2000, "mix": Mix(completions=0.2, cancelled=0.2)}
)
FAST = Simulation("m", Steady(token_s=0.001, prompt_token_s=0, max_seqs=64), context_length=4096)


def now(order: Order, url: str, **more: object) -> Order:
    """The order, to begin at once, of an engine that stands where a fleet would."""
    return order.model_copy(update={"url": url, "model": "m", "zero": time.time(), **more})


def all_of(work: Work, *loops: Callable[[], None]) -> list[Sample]:
    """What came of a worker's users, or of its clock, when all has ended."""
    threads = [threading.Thread(target=loop) for loop in loops]
    for thread in threads:
        thread.start()
    while not work.is_over:
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    work.end()
    return work.take()


def test_users_ask_wait_think_and_ask_again() -> None:
    """Each keeps one request under way at most, for the duration; what was due is what counts."""
    with simulated_engine(FAST) as url:
        work = Work(now(QUICK, url), 0)
        samples = all_of(work, *(work.live for _ in range(4)))
    ends = Counter(sample.outcome for sample in samples)
    assert ends.keys() <= {Outcome.COMPLETE, Outcome.CANCELLED}
    assert ends[Outcome.COMPLETE] > 4
    assert {sample.kind for sample in samples} <= {Kind.CHAT, Kind.COMPLETION}
    assert all(0 <= sample.intended_s <= sample.sent_s <= sample.end_s for sample in samples)
    assert all(sample.intended_s < 1 for sample in samples)
    assert all(sample.first_s for sample in samples)
    assert work.under_way == 0


def test_an_open_loop_does_not_wait_for_answers() -> None:
    """Many are under way at once, and each was sent when it was due."""
    with simulated_engine(FAST) as url, ThreadPoolExecutor(64) as pool:
        work = Work(now(QUICK, url, users=None, rate=60.0), 0)
        samples = all_of(work, lambda: work.keep_time(pool.submit))
    assert len(samples) > 20
    assert sorted(samples, key=lambda one: one.intended_s) != samples
    assert not any(sample.failed for sample in samples)


def test_what_is_not_answered_in_time_is_cut() -> None:
    """A run ends, and nothing that was sent is forgotten."""
    with saying([]) as url:
        work = Work(now(QUICK, url, duration_s=0.2, drain_s=0.1, silence_s=1.0, think_s=0.01), 0)
        threading.Thread(target=work.live, daemon=True).start()
        while not work.is_over:
            time.sleep(0.01)
        assert work.under_way == 1
        work.end()
        (sample,) = work.take()
    assert (sample.outcome, sample.error, sample.status) == (Outcome.CUT, "unfinished", 0)


def test_nobody_there_is_an_error_of_each_request() -> None:
    """The run goes on."""
    work = Work(now(QUICK, f"http://127.0.0.1:{free_port()}", duration_s=0.3), 0)
    samples = all_of(work, work.live)
    assert {sample.outcome for sample in samples} == {Outcome.ERROR}
    assert "nobody takes requests" in samples[0].error


def test_tenants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables that hold their keys; a key is never shown."""
    monkeypatch.setenv("KEY_A", "secret-a")
    monkeypatch.setenv("KEY_B", "secret-b")
    a, b = tenants(("KEY_A", "KEY_B"))
    assert a.headers == {"authorization": "Bearer secret-a"}
    assert "secret" not in f"{a}{b!r}"
    with simulated_engine(FAST) as url:
        work = Work(now(QUICK, url, key_envs=("KEY_A", "KEY_B")), 0)
        samples = all_of(work, work.live, work.live)
    assert {sample.tenant for sample in samples} == {"KEY_A", "KEY_B"}
    with pytest.raises(UsageError, match="KEY_C holds no key"):
        tenants(("KEY_A", "KEY_C"))


def test_the_fleet_says_how_many_tokens_our_words_have() -> None:
    """So that prompts get the lengths that they are meant to have."""
    with simulated_engine(FAST) as url:
        order = with_sizes(now(ORDER, url))
    assert order.per_word == pytest.approx(1.0, abs=0.05)
    assert 0 <= order.overhead < 30


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(sized(b'{"error":{"code":"invalid_api_key"}}', b"401 No"), RefusedError, id="refused"),
        pytest.param(b"", UnreachableError, id="cut off"),
    ],
)
def test_a_fleet_that_does_not_answer_is_told_at_once(answer: bytes, error: type[Exception]) -> None:
    """Not after a run in which everything failed."""
    with saying([[answer]]) as url, pytest.raises(error, match="did not answer a first request"):
        with_sizes(now(ORDER, url))


def test_the_ceiling_is_measured_against_an_engine_that_does_nothing() -> None:
    """All streams at once, and whole."""

    def gather(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: call(), calls))

    ceiling = measure(gather, streams=8)
    assert (ceiling.streams, ceiling.complete_share) == (8, 1.0)
    assert ceiling.chunks_per_core_s > ceiling.chunks_per_s > 0


def test_the_engine_that_does_nothing_ends_with_its_starter() -> None:
    """Nobody is there any more when the block is left."""
    with nothing() as url:
        order = now(ORDER, url)
        assert with_sizes(order) == order
    with pytest.raises(UnreachableError):
        with_sizes(order)
