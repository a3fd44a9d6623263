"""Events are found in bytes however these are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.backends.translate.sse import LONGEST, Splitter, event_bytes

PAYLOADS = [{"type": "message_start", "text": "Grüße\n\n🙂"}, {"type": "ping"}, {"type": "message_stop"}]


@given(st.lists(st.integers(0, 150), max_size=6), st.booleans())
def test_a_cut_anywhere_changes_nothing(cuts: list[int], crlf: bool) -> None:
    """Inside of a character, of a line break, of an event."""
    data = b": a comment\n\n" + b"".join(event_bytes(one, one["type"]) for one in PAYLOADS)
    data = data.replace(b"\n", b"\r\n") if crlf else data
    places = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    splitter = Splitter()
    pieces = [data[one:other] for one, other in itertools.pairwise(places)]
    assert [payload for piece in pieces for _, payload in splitter.feed(piece)] == PAYLOADS


def test_the_bytes_come_along() -> None:
    """To be passed on as they are."""
    data = event_bytes({"type": "ping"}, "ping")
    assert list(Splitter().feed(data + b"event: half")) == [(data, {"type": "ping"})]


@pytest.mark.parametrize(
    "data", [b"data: {\n\n", b"data: 5\n\n", b"x" * (LONGEST + 1)], ids=["broken", "number", "long"]
)
def test_what_is_no_event_is_an_error(data: bytes) -> None:
    """Rather than a silence."""
    with pytest.raises(ValueError, match=r"event|JSON|unexpected|EOF|object"):
        list(Splitter().feed(data))
