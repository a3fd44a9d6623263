"""Slots never leak, whoever takes, waits, leaves or is turned away, and in whatever order."""

from __future__ import annotations

import asyncio

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from router.backends.fairness import Caller
from router.backends.slots import QueueFullError, Slots

HEAVY, LIGHT = Caller("heavy", 4), Caller("light", 1)
Step = tuple[str, int, Caller]
STEPS = st.lists(
    st.tuples(st.sampled_from(("take", "give", "cancel", "pass")), st.integers(0, 7), st.sampled_from((HEAVY, LIGHT))),
    max_size=60,
)


class Story:
    """Slots, and what a test knows of who holds and who waits."""

    def __init__(self, limit: int, queue: int) -> None:
        """Nobody holds, nobody waits."""
        self.slots = Slots(limit, queue, 3600)
        self.asking: dict[asyncio.Task[None], Caller] = {}
        self.holders: list[Caller] = []

    async def settle(self) -> None:
        """Let everything that was set in motion come to rest, and count."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in [one for one in self.asking if one.done()]:
            caller = self.asking.pop(task)
            if task.cancelled():
                continue
            failure = task.exception()
            assert failure is None or isinstance(failure, QueueFullError)
            if failure is None:
                self.holders.append(caller)

    def do(self, what: str, index: int, caller: Caller) -> None:
        """One step."""
        if what == "take":
            self.asking[asyncio.create_task(self.slots.take(caller))] = caller
        elif what == "give" and self.holders:
            self.slots.give(self.holders.pop(index % len(self.holders)))
        elif what == "cancel" and self.asking:
            list(self.asking)[index % len(self.asking)].cancel()


async def tell(steps: list[Step], limit: int, queue: int) -> None:
    """Do the steps; every count is exact whenever things are at rest, and zero in the end."""
    story = Story(limit, queue)
    for what, index, caller in steps:
        story.do(what, index, caller)
        if what == "pass":
            await story.settle()
            assert story.slots.in_flight == len(story.holders) <= limit
            assert story.slots.waiting == len(story.asking) <= queue
    await story.settle()
    for task in story.asking:
        task.cancel()
    await story.settle()
    for caller in story.holders:
        story.slots.give(caller)
    assert (story.slots.in_flight, story.slots.waiting) == (0, 0)


@given(STEPS, st.integers(1, 9), st.integers(0, 3))
def test_nothing_leaks(steps: list[Step], limit: int, queue: int) -> None:
    """After any sequence of taking, giving, leaving and cancelling, every count is exact and ends at zero."""
    uvloop.run(tell(steps, limit, queue))
    assert steps is not None


@pytest.mark.anyio
async def test_a_slot_handed_to_one_who_leaves_goes_on() -> None:
    """A slot that is handed over in the moment in which its taker leaves is the next one's."""
    slots = Slots(1, 5, 3600)
    await slots.take()
    leaves, stays = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    slots.give()
    leaves.cancel()
    await stays
    assert (slots.in_flight, slots.waiting, leaves.cancelled()) == (1, 0, True)


@pytest.mark.anyio
async def test_one_who_left_is_not_turned_away_again() -> None:
    """When the queue is full and its weakest has just left, a stronger newcomer gets the place, and nothing breaks."""
    slots = Slots(1, 1, 3600)
    await slots.take(LIGHT)
    weak = asyncio.create_task(slots.take(LIGHT))
    await asyncio.sleep(0)
    strong = asyncio.create_task(slots.take(HEAVY))
    weak.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    slots.give(LIGHT)
    await strong
    assert (slots.in_flight, slots.waiting) == (1, 0)


@pytest.mark.anyio
async def test_waiting_ends_in_time() -> None:
    """One that waits longer than its time is turned away, and leaves no trace."""
    slots = Slots(1, 1, 0.01)
    await slots.take()
    with pytest.raises(QueueFullError):
        await slots.take()
    assert (slots.in_flight, slots.waiting) == (1, 0)


@pytest.mark.anyio
async def test_a_burst_leaves_room_for_others() -> None:
    """Of eight slots a burst gets six while another caller is about, who starts at once; alone it gets all of them."""
    slots = Slots(8, 100, 3600)
    await slots.take(LIGHT)
    slots.give(LIGHT)
    burst = [asyncio.create_task(slots.take(HEAVY)) for _ in range(20)]
    await asyncio.sleep(0)
    assert (slots.in_flight, slots.waiting) == (6, 14)
    await slots.take(LIGHT)
    await slots.take(LIGHT)
    assert slots.in_flight == 8
    slots.give(LIGHT)
    assert (slots.in_flight, slots.waiting) == (7, 14), "what is kept is not handed to the burst"
    slots._seen.pop(LIGHT.name)  # as if it had not asked for long
    slots.give(HEAVY)
    await asyncio.sleep(0)
    assert (slots.in_flight, sum(one.done() for one in burst)) == (8, 8)
    for one in burst:
        one.cancel()
