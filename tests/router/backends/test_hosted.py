"""Whatever a vendor sends, it becomes the caller's bytes or one of our errors; never anything else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.backends.dialects import AsChat, AsMessages, AsResponse, AsText
from router.backends.errors import UpstreamError
from router.backends.hosted import Hosted
from tests.router.hosted import EVENTS, MESSAGE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
TYPES = st.sampled_from([json.loads(one.decode().split("data: ")[1])["type"] for one in EVENTS])
FIELDS = st.sampled_from(["message", "content_block", "delta", "usage", "index", "error"])
ODD = st.builds(
    lambda kind, found: b"data: " + json.dumps({**found, "type": kind}).encode() + b"\n\n",
    TYPES | st.just("error"),
    st.dictionaries(FIELDS, JSON, max_size=3),
)
Told = AsChat | AsMessages | AsResponse | AsText
ENDINGS: dict[type[Told], tuple[bytes, ...]] = {
    AsChat: (b"data: [DONE]",),
    AsMessages: (b"message_stop",),
    AsResponse: (b"response.completed", b"response.incomplete"),
    AsText: (b"data: [DONE]",),
}
DIALECTS = st.sampled_from([*ENDINGS])
PIECES = st.lists(st.sampled_from(EVENTS) | ODD | st.binary(max_size=10), max_size=8)


async def heard(pieces: list[bytes], dialect: type[Told]) -> bytes:
    """All that the caller gets of a stream."""

    async def data() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    hosted = Hosted(200, data(), dialect("m"), lambda: None)
    hosted.expect("total", 20)
    told = await hosted.first()
    while piece := await hosted.read():
        told += piece
    return told


def ended(answer: Coroutine[None, None, bytes]) -> bytes | str:
    """What the caller gets, or why nothing."""
    try:
        return asyncio.run(answer)
    except UpstreamError as error:
        return error.cause


@given(PIECES, DIALECTS)
def test_odd_streams_end_in_an_error_or_whole(pieces: list[bytes], dialect: type[Told]) -> None:
    """A stream without its last event is an error, one with it is complete."""
    told = ended(heard(pieces, dialect))
    assert isinstance(told, str) or any(ending in told for ending in ENDINGS[dialect])


@given(JSON | st.dictionaries(FIELDS | st.sampled_from(["content", "type"]), JSON | st.just("message")), DIALECTS)
def test_odd_answers_too(body: object, dialect: type[Told]) -> None:
    """Whole ones."""

    async def whole() -> bytes:
        async def data() -> AsyncIterator[bytes]:
            yield json.dumps(body).encode()

        hosted = Hosted(200, data(), dialect("m"), lambda: None)
        hosted.expect("total", 20)
        return await hosted.whole(1 << 20)

    told = ended(whole())
    is_message = isinstance(body, dict) and body.get("type") == "message"
    assert isinstance(told, str) or (is_message and isinstance(json.loads(told), dict))


@pytest.mark.parametrize("dialect", [AsChat, AsMessages])
def test_an_answer_that_is_too_long(dialect: type[Told]) -> None:
    """It is not taken in."""

    async def whole() -> bytes:
        async def data() -> AsyncIterator[bytes]:
            yield json.dumps(MESSAGE).encode()

        hosted = Hosted(200, data(), dialect("m"), lambda: None)
        hosted.expect("total", 20)
        return await hosted.whole(10)

    with pytest.raises(UpstreamError, match="longer than 10 bytes"):
        asyncio.run(whole())
