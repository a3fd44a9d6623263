"""Conversations by keyed hash: which are the same, which grow, and that none of their words are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.decide.facts import Thread
from router.decide.pins import HEADER, Pins
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

KEY = b"k" * 32


def body(*said: Any, **fields: object) -> dict[str, Any]:  # noqa: ANN401 - text or parts
    """A chat request: the user's and the model's messages in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[at % 2], "content": text} for at, text in enumerate(said)], **fields}


def thread(request: dict[str, Any], tenant: str = "t", name: bytes = b"", pins: Pins | None = None) -> Thread | None:
    """The conversation of a chat request."""
    headers = [(HEADER, name)] if name else []
    return (pins or Pins(9, KEY)).thread(Kind.CHAT, request, headers, tenant)


ALIKE = {
    "grown": (body("Hi"), body("Hi", "Yes?", "Why?"), True),
    "another-beginning": (body("Hi"), body("Ho", "Yes?", "Why?"), False),
    "another-user": (body("Hi", user="a"), body("Hi", user="b"), False),
    "another-system": (body("Hi", system="x"), body("Hi", system="y"), False),
    "parts": (body([{"type": "text", "text": "Hi"}]), body([{"type": "text", "text": "Ho"}]), False),
}


@pytest.mark.parametrize(("one", "other", "same"), ALIKE.values(), ids=ALIKE)
def test_which_conversations_are_the_same(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    """By their beginning, their user and their tenant."""
    first, second = thread(one), thread(other)
    assert first is not None
    assert second is not None
    assert (first.digest == second.digest) is same
    other_tenant = thread(one, tenant="u")
    assert other_tenant is not None
    assert other_tenant.digest != first.digest


def test_a_conversation_is_recalled_once_it_has_grown() -> None:
    """The same request again is no next turn; with a name it is."""
    pins = Pins(9, KEY)
    first, then = thread(body("Hi")), thread(body("Hi", "Yes?", "Why?"))
    pins.keep(first, "m")
    assert (pins.recall(first), pins.recall(then)) == ("", "m")
    named = thread(body("Hi"), name=b"n")
    pins.keep(named, "x")
    assert pins.recall(named) == "x"
    assert pins.recall(None) == ""


def test_the_oldest_makes_room() -> None:
    """So many are kept and no more; nothing of what was said is among it."""
    pins = Pins(2, KEY)
    threads = [thread(body(f"secret {at}")) for at in range(3)]
    for one in threads:
        pins.keep(one, "m")
    grown = [thread(body(f"secret {at}", "a", "b")) for at in range(3)]
    assert [pins.recall(one) for one in grown] == ["", "m", "m"]
    assert "secret" not in repr(vars(pins))


def test_it_can_be_turned_off() -> None:
    """Then nothing is hashed."""
    assert thread(body("Hi"), pins=Pins(0, b"")) is None


def test_a_name_has_an_end() -> None:
    """Longer ones are refused."""
    with pytest.raises(Refusal, match="at most 256"):
        thread(body("Hi"), name=b"x" * 257)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_a_message_holds(content: Any) -> None:  # noqa: ANN401 - any JSON
    """Odd blocks of the Messages API are no reason to fail."""
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": content}]}]}
    assert Pins(9, KEY).thread(Kind.MESSAGES, request, [], "t") is not None
