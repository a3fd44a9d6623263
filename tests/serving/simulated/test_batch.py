"""Continuous batching: who runs when, what fits, who gives way. No clock is needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.latency.timing import Step
from serving.simulated import Steady
from serving.simulated.batch import Batch, Sequence
from serving.simulated.blocks import BLOCK
from serving.simulated.text import said

_NEW = count()


def sequence(prompt: int, answer: int, key: str = "") -> Sequence:
    """One with a prompt of so many tokens, unlike all others but those of the same key."""
    word = key or f"{next(_NEW)}-"
    return Sequence([f"{word}{place}" for place in range(prompt)], answer, partial(said, 0))


def steps(batch: Batch) -> list[Step]:
    """All steps until nothing is left to do."""
    found = []
    while (step := batch.begin(0)) is not None:
        found.append(step)
        batch.end()
    return found


def test_a_long_prompt_is_computed_in_chunks() -> None:
    """No step computes more than its share; each chunk reads what was computed before it."""
    batch = Batch(Steady(max_batched_tokens=64))
    batch.add(sequence(150, 2))
    assert steps(batch) == [
        Step(prefill_tokens=64, prefill_context=0, decode_seqs=0, decode_context=0),
        Step(prefill_tokens=64, prefill_context=64 * 64, decode_seqs=0, decode_context=0),
        Step(prefill_tokens=22, prefill_context=22 * 128, decode_seqs=0, decode_context=0),
        Step(prefill_tokens=0, prefill_context=0, decode_seqs=1, decode_context=151),
    ]


def test_who_answers_goes_on_while_a_prompt_is_read() -> None:
    """A new prompt takes what a step has left, and costs nobody a token."""
    batch = Batch(Steady(max_batched_tokens=64))
    first = sequence(10, 5)
    batch.add(first)
    batch.begin(0)
    batch.end()
    batch.add(sequence(100, 1))
    assert batch.begin(0) == Step(prefill_tokens=63, prefill_context=0, decode_seqs=1, decode_context=11)
    assert batch.end() == [first]


def test_first_come_first_served() -> None:
    """Within ``max_seqs``, in the order of arrival, one after the other."""
    batch = Batch(Steady(max_seqs=2))
    waiting = [sequence(8, answer) for answer in (3, 1, 1, 1)]
    for one in waiting:
        batch.add(one)
    ended: list[Sequence] = []
    while batch.begin(0) is not None:
        assert len(batch.running) <= 2
        ended += [one for one in batch.end() if one.is_done]
    assert ended == [waiting[1], waiting[2], waiting[0], waiting[3]]


def test_whoever_finds_no_room_waits_and_so_do_all_behind() -> None:
    """A small request does not overtake a large one for which there is no space yet."""
    batch = Batch(Steady(kv_tokens=10 * BLOCK))
    running, large, small = sequence(6 * BLOCK, 2), sequence(6 * BLOCK, 1), sequence(BLOCK, 1)
    for one in (running, large, small):
        batch.add(one)
    batch.begin(0)
    assert list(batch.running) == [running]
    assert list(batch.waiting) == [large, small]


def test_the_last_to_come_gives_way() -> None:
    """Where answers outgrow the cache, the newest begins anew, first in the queue, and ends with all its tokens."""
    batch = Batch(Steady(kv_tokens=6 * BLOCK))
    old, new = sequence(2 * BLOCK, 3 * BLOCK), sequence(2 * BLOCK, 3 * BLOCK)
    batch.add(old)
    batch.add(new)
    while not batch.preemptions:
        batch.begin(0)
        batch.end()
    assert list(batch.running) == [old]
    assert list(batch.waiting) == [new]
    steps(batch)
    assert (old.produced, new.produced) == (3 * BLOCK, 3 * BLOCK)
    assert (old.preempted, new.preempted) == (0, 1)


@pytest.mark.parametrize(("key", "cached"), [("same", 9 * BLOCK), ("", 0)], ids=["same-prompt", "another-prompt"])
def test_a_prompt_that_was_seen_is_not_computed_again(key: str, cached: int) -> None:
    """Whole blocks are found by their content; the last token is always computed."""
    batch = Batch(Steady())
    for _ in range(2):
        batch.add(again := sequence(10 * BLOCK, 1, key))
        steps(batch)
    assert again.cached == cached


def test_tenants_share_no_cache() -> None:
    """Another salt, and the same prompt is a stranger."""
    batch = Batch(Steady())
    prompt = ["same"] * 64
    for salt in (1, 2):
        batch.add(other := Sequence(prompt, 1, partial(said, 0), salt))
        steps(batch)
    assert other.cached == 0


def test_a_next_turn_finds_the_answer_before_it() -> None:
    """A conversation that goes on has its earlier answer in the cache, not only its prompts."""
    batch = Batch(Steady())
    prompt = [f"w{place}" for place in range(BLOCK)]
    batch.add(Sequence(prompt, 3 * BLOCK, partial(said, 7)))
    steps(batch)
    answer = [said(7, place) for place in range(3 * BLOCK)]
    batch.add(follow_up := Sequence([*prompt, *answer, "more"], 1, partial(said, 0)))
    steps(batch)
    assert follow_up.cached == 3 * BLOCK  # the answer's last token was never computed


@pytest.mark.parametrize("when", ["waiting", "reading", "answering"])
def test_what_is_dropped_is_free_at_once(when: str) -> None:
    """At any point, in the middle of a step included."""
    batch = Batch(Steady(max_batched_tokens=BLOCK))
    batch.add(one := sequence(3 * BLOCK, 5))
    until: dict[str, Callable[[], bool]] = {
        "waiting": lambda: True,
        "reading": lambda: one.computed > 0,
        "answering": lambda: one.produced > 0,
    }
    while not until[when]():
        batch.end()
        batch.begin(0)
    batch.drop(one)
    assert batch.blocks.used == 0
    assert batch.end() == []
    assert batch.begin(0) is None


lengths = st.tuples(st.integers(1, 90), st.integers(0, 60), st.sampled_from(["a", "b", ""]))


@settings(max_examples=60, deadline=None)
@given(st.lists(lengths, min_size=1, max_size=12), st.integers(10, 30), st.integers(1, 5), st.integers(4, 50))
def test_the_cache_never_overflows_and_everybody_is_answered(
    asked: list[tuple[int, int, str]], blocks: int, seqs: int, budget: int
) -> None:
    """Whatever is asked: no more blocks, sequences or tokens than there are, every answer whole, nothing kept."""
    batch = Batch(Steady(kv_tokens=blocks * BLOCK, max_seqs=seqs, max_batched_tokens=budget))
    sequences = [sequence(prompt, answer, key) for prompt, answer, key in asked]
    for one in sequences:
        batch.add(one)
    while (step := batch.begin(0)) is not None:
        assert batch.blocks.used <= blocks
        assert len(batch.running) <= seqs
        assert step.prefill_tokens + step.decode_seqs <= budget
        batch.end()
    assert [one.produced for one in sequences] == [answer for _, answer, _ in asked]
    assert batch.blocks.used == 0
