"""A stream's tail: whatever the network cuts, the same text, the same usage, the same end."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.endpoints import ENDPOINTS
from router.wire.stream import StreamTail
from router.wire.usage import Usage
from tests.router.engine import COUNTED, DONE, STOP, STREAMS, delta, event

CHAT = ENDPOINTS["/v1/chat/completions"]
USED = Usage(prompt=7, completion=3)

TRAPS = (
    "data: [DONE]",
    "\n\ndata: [DONE]\n\n",
    '"usage":{"prompt_tokens":1}',
    '{"choices":[],"usage":{"prompt_tokens":1}}',
    '"finish_reason":"abort"',
    '\ndata: {"error":{"message":"no"}}\n\n',
    "event: error\r\n\r\n",
    "\u2028\x85\x0b",
    "Grüße 👩‍👩‍👧‍👦 🇩🇪",
    "\\",
    '\\"',
)
texts = st.one_of(st.sampled_from(TRAPS), st.text(st.characters(codec="utf-8"), max_size=12))


def chunk(text: str, *, escaped: bool, spaced: bool) -> bytes:
    """A chunk of a chat stream as servers variously write JSON."""
    separators = (", ", ": ") if spaced else (",", ":")
    payload = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], "usage": None}
    return b"data: " + json.dumps(payload, ensure_ascii=escaped, separators=separators).encode() + b"\n\n"


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """The events of a complete chat stream without its usage, and the usage event."""
    escaped, spaced = draw(st.booleans()), draw(st.booleans())
    events = [chunk(text, escaped=escaped, spaced=spaced) for text in draw(st.lists(texts, max_size=6))]
    usage = {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    separators = (", ", ": ") if spaced else (",", ":")
    counted = b"data: " + json.dumps(usage, separators=separators).encode() + b"\n\n"
    if draw(st.booleans()):
        events.insert(0, b": ping\n\n")
    if draw(st.booleans()):
        return [one.replace(b"\n", b"\r\n") for one in (*events, STOP, DONE)], counted.replace(b"\n", b"\r\n")
    return [*events, STOP, DONE], counted


def relayed(stream: bytes, cuts: list[int], tail: StreamTail) -> list[bytes]:
    """What passes, piece by piece, when the stream arrives in pieces cut at these places."""
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [tail.feed(stream[start:stop]) for start, stop in pairwise(places)]


@given(streams(), st.lists(st.integers(0, 1 << 16), max_size=40), st.booleans())
def test_cut_anywhere_the_same_stream(stream: tuple[list[bytes], bytes], cuts: list[int], withhold: bool) -> None:
    """However a stream is cut, its events pass unchanged, usage is read, and only unasked usage is withheld."""
    events, counted = stream
    whole = b"".join((*events[:-1], counted, events[-1]))
    tail = StreamTail(CHAT, withhold_usage=withhold)
    pieces = relayed(whole, cuts, tail)
    assert b"".join(pieces) == (b"".join(events) if withhold else whole)
    assert tail.complete
    assert not tail.aborted
    assert tail.usage == USED
    for piece in pieces:
        assert isinstance(piece.decode("utf-8", "strict"), str)
        assert not piece or piece.endswith((b"\n\n", b"\r\n\r\n"))


@pytest.mark.parametrize("at", range(1, len("".join(map(bytes.decode, STREAMS["messages"])))), ids=str)
def test_anthropic_at_every_byte(at: int) -> None:
    """Anthropic's stream cut in two at any byte: the same bytes, its prompt's and its answer's tokens, its end."""
    whole = b"".join(STREAMS["messages"])
    tail = StreamTail(ENDPOINTS["/v1/messages"], withhold_usage=False)
    assert tail.feed(whole[:at]) + tail.feed(whole[at:]) == whole
    assert (tail.complete, tail.usage) == (True, USED)


@pytest.mark.parametrize("path", STREAMS, ids=str)
def test_every_dialect_byte_by_byte(path: str) -> None:
    """Every endpoint's stream, a byte at a time, is complete at its last byte and not before."""
    tail = StreamTail(ENDPOINTS[f"/v1/{path}"], withhold_usage=False)
    whole = b"".join(STREAMS[path])
    ends = [tail.complete for byte in whole if tail.feed(bytes([byte])) is not None]
    assert ends == [False] * (len(whole) - 1) + [True]
    assert tail.usage == USED


@given(st.lists(texts, max_size=5), st.lists(st.integers(0, 1 << 16), max_size=10))
def test_unfinished_is_never_complete(words: list[str], cuts: list[int]) -> None:
    """Without its ending a stream is not complete, whatever the model wrote."""
    tail = StreamTail(CHAT, withhold_usage=True)
    relayed(b"".join(map(delta, words)) + STOP + COUNTED, cuts, tail)
    assert not tail.complete
    assert not tail.aborted


@given(st.lists(st.integers(0, 1 << 16), max_size=10))
def test_nothing_follows_the_ending(cuts: list[int]) -> None:
    """What an engine sends after the ending is dropped, also where it comes in the same piece."""
    tail = StreamTail(CHAT, withhold_usage=True)
    good = delta("x") + DONE
    assert b"".join(relayed(good + delta("more") + DONE, cuts, tail)) == good


@pytest.mark.parametrize("path", ["responses", "messages"], ids=str)
def test_a_done_after_another_dialects_ending_is_dropped(path: str) -> None:
    """OpenAI's ``[DONE]`` after another API's own ending does not reach that API's clients."""
    tail = StreamTail(ENDPOINTS[f"/v1/{path}"], withhold_usage=False)
    whole = b"".join(STREAMS[path])
    assert tail.feed(whole + DONE) == whole


ABORTED = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]})


@given(st.lists(st.integers(0, 1 << 16), max_size=10))
def test_an_abort_passes_neither_itself_nor_an_ending(cuts: list[int]) -> None:
    """An engine that gave up ends like one that finished; nothing of that ending passes, all before it may."""
    tail = StreamTail(CHAT, withhold_usage=True)
    out = b"".join(relayed(delta("x") + ABORTED + COUNTED + DONE, cuts, tail))
    assert tail.aborted
    assert not tail.complete
    assert out == delta("x")


ERRORS: dict[str, tuple[str, bytes]] = {
    "openai": ("chat/completions", event({"error": {"message": "died", "type": "InternalServerError", "code": 500}})),
    "openai-spaced": ("completions", b'data: {"error": {"message": "died"}}\n\n'),
    "openai-compact": ("completions", b'data:{"error":{"message":"died"}}\n\n'),
    "openai-named": ("chat/completions", event({"error": {"message": "died"}}, "error")),
    "openai-crlf": ("chat/completions", b'data: {"error":{"message":"died"}}\r\n\r\n'),
    "vllm-object": ("chat/completions", event({"object": "error", "message": "died", "type": "x", "code": 500})),
    "anthropic": ("messages", event({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "error")),
    "responses": ("responses", event({"type": "error", "code": "x", "message": "died"}, "error")),
}


@pytest.mark.parametrize(("path", "error"), ERRORS.values(), ids=ERRORS)
def test_an_error_inside_a_stream_is_no_good_end(path: str, error: bytes) -> None:
    """An engine's error inside of a stream that has begun ends it, and no ending after it passes."""
    tail = StreamTail(ENDPOINTS[f"/v1/{path}"], withhold_usage=False)
    first, ending = STREAMS[path][0], STREAMS[path][-1]
    out = b"".join(tail.feed(piece) for piece in (first, error, ending))
    assert not tail.complete
    assert ending not in out
    assert out.startswith(first)


def test_an_error_in_what_the_model_wrote_is_text() -> None:
    """A model that writes an error object, or the mark of one, has not failed."""
    tail = StreamTail(CHAT, withhold_usage=False)
    whole = delta('data: {"error":{"message":"no"}}') + delta("event: error\n\n") + DONE
    assert tail.feed(whole) == whole
    assert tail.complete


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"choices": [], "usage": {"prompt_tokens": "many"}}, id="text"),
        pytest.param({"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": None}}, id="negative"),
        pytest.param({"choices": [], "usage": {"prompt_tokens": 1, "prompt_tokens_details": [1]}}, id="list"),
        pytest.param({"choices": [], "usage": {"prompt_tokens": 1, "prompt_tokens_details": "x"}}, id="details-text"),
        pytest.param({"choices": [], "usage": {"prompt_tokens": 10**400}}, id="huge"),
        pytest.param([{"usage": {"prompt_tokens": 1}}], id="array"),
    ],
)
def test_a_strange_usage_breaks_nothing(payload: Any) -> None:  # noqa: ANN401 - any JSON
    """An engine that reports nonsense still has its stream relayed to the end."""
    tail = StreamTail(CHAT, withhold_usage=False)
    whole = delta("x") + event(payload) + DONE
    assert tail.feed(whole) == whole
    assert tail.complete


def test_a_done_without_a_space() -> None:
    """The space after the colon is optional in server-sent events."""
    tail = StreamTail(CHAT, withhold_usage=False)
    tail.feed(delta("x") + b"data:[DONE]\n\n")
    assert tail.complete
