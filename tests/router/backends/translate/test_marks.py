"""Only long prefixes that will repeat are marked."""

from __future__ import annotations

import pytest

from router.backends.translate.marks import LONG_BYTES, MARK, marked, plain_marks
from tests.router.backends.translate.talk import Json

LONG = "x" * LONG_BYTES


def text(said: str) -> list[Json]:
    """Content."""
    return [{"type": "text", "text": said}]


def turns(*said: str) -> list[Json]:
    """A conversation."""
    return [{"role": ("user", "assistant")[at % 2], "content": text(one)} for at, one in enumerate(said)]


TOOL = {"name": "t", "description": LONG, "input_schema": {"type": "object"}}
CASES: dict[str, tuple[Json, list[str]]] = {
    "short": ({"system": text("Hi"), "messages": turns("a", "b", "c")}, []),
    "system": ({"system": text(LONG), "messages": turns("a")}, ["system"]),
    "system-as-string": ({"system": LONG, "messages": turns("a")}, ["system"]),
    "tools": ({"tools": [TOOL], "messages": turns("a")}, ["tools"]),
    "tools-before-system": ({"tools": [TOOL], "system": text("Hi"), "messages": turns("a")}, ["system"]),
    "one-long-question": ({"messages": turns(LONG)}, []),
    "second-turn": ({"messages": turns(LONG, "b", "c")}, ["messages"]),
    "both": ({"system": text(LONG), "messages": turns("a", "b", "c")}, ["messages", "system"]),
}


@pytest.mark.parametrize(("request_", "places"), CASES.values(), ids=CASES)
def test_where_marks_are(request_: Json, places: list[str]) -> None:
    """On the last block of each long prefix; what was passed in stays as it was."""
    before = repr(request_)
    found = marked(request_)
    assert (
        sorted(field for field in ("system", "tools", "messages") if "cache_control" in repr(found.get(field)))
        == places
    )
    assert repr(request_) == before


def test_a_callers_marks_lose_their_lifetime() -> None:
    """An hour costs more than the price list says."""
    request = {"messages": [{"role": "user", "content": [{"cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]}
    plain_marks(request)
    assert request["messages"][0]["content"] == [{"cache_control": MARK}]
