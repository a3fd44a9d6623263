"""A watched request is the request that it would have been."""

from __future__ import annotations

import inspect

import pytest

from router.backends.fairness import Caller
from router.decide.egress import Egress
from router.desk import OPEN_DESK, Tab
from router.observe.events import Finished
from router.quality.watch import MOST_BYTES, Seen, Watched, WatchedTab
from router.wire.endpoints import ENDPOINTS
from tests.router.gateway import fleet_of

pytestmark = pytest.mark.anyio

EGRESS = Egress(fleet_of("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9"))


def test_every_call_goes_on() -> None:
    """Whatever a tab can be asked, a watched one passes on: none of it may be lost when tabs learn something new."""
    calls = {name for name, _ in inspect.getmembers(Tab, inspect.isfunction)}
    assert calls <= vars(WatchedTab).keys()


def test_all_that_a_tab_says_is_said() -> None:
    """Its facts are those of the tab behind."""
    tab = Tab()
    tab.caller, tab.tenant, tab.keeps_samples = Caller("acme", 4), "acme", True
    watched = WatchedTab(tab, [], EGRESS, 0.1, print)
    assert (watched.caller, watched.tenant, watched.keeps_samples) == (tab.caller, tab.tenant, True)


@pytest.mark.parametrize(
    ("path", "draw", "watched"),
    [("/v1/chat/completions", 0.09, True), ("/v1/chat/completions", 0.1, False), ("/v1/embeddings", 0.0, False)],
    ids=["sampled", "not-sampled", "no-chat"],
)
async def test_a_share_of_chat(path: str, draw: float, *, watched: bool) -> None:
    """A draw below the share is watched; nothing else costs more than the draw."""
    desk = Watched(OPEN_DESK, EGRESS, 0.1, print, lambda: draw)
    tab = await desk.open({"type": "http", "headers": []}, ENDPOINTS[path])
    assert isinstance(tab, WatchedTab) is watched


async def test_too_long_an_answer_is_not_kept() -> None:
    """What is beyond the limit is passed on and forgotten, and nothing is handed over."""
    seen: list[Seen] = []
    tab = WatchedTab(Tab(), [], EGRESS, 1.0, seen.append)
    for _ in range(3):
        tab.passed(b"x" * (MOST_BYTES // 2))
    await tab.settle(Finished("req_1", "chat", 0.0, model="s", outcome="complete"))
    assert seen == []
    assert sum(map(len, tab._pieces)) <= MOST_BYTES
