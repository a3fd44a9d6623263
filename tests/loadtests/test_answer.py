"""One answer by its bytes: its first token, its end, its counts."""

from __future__ import annotations

from itertools import count

import pytest

from loadtests.answer import Answer, read_answer
from loadtests.facts import Outcome
from loadtests.wire import Connection, Origin
from tests.loadtests.servers import HEAD, chunked, saying, sized

ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
HEL = b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'
LO = b'data: {"choices":[{"delta":{"content":"lo"}}]}\n\n'
CALL = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}\n\n'
TEXT = b'data: {"choices":[{"text":"Hel"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
FAILED = b'data: {"error":{"message":"died","code":"engine_dead"}}\n\n'
DONE = b"data: [DONE]\n\n"


def read(answer: bytes, cancel_after: int | None = None, *, keep: bool = False) -> Answer:
    """What is made of an answer, with a clock that ticks at every look."""
    with saying([[answer]]) as url:
        origin = Origin.of(url)
        connection = Connection(origin, 10)
        connection.send(origin.request("/v1/chat/completions", b"{}", {}))
        answered = read_answer(connection, count(1).__next__, cancel_after, keep=keep)
        connection.close()
        return answered


@pytest.mark.parametrize(
    ("answer", "outcome", "tokens", "error"),
    [
        pytest.param(HEAD + chunked(ROLE, HEL, LO, USAGE, DONE), Outcome.COMPLETE, (7, 3), "", id="whole"),
        pytest.param(HEAD + chunked(ROLE, HEL, LO, DONE), Outcome.COMPLETE, (0, 2), "", id="nobody counted"),
        pytest.param(HEAD + chunked(ROLE, CALL, USAGE, DONE), Outcome.COMPLETE, (7, 3), "", id="tool call"),
        pytest.param(HEAD + chunked(TEXT, USAGE, DONE), Outcome.COMPLETE, (7, 3), "", id="completion"),
        pytest.param(HEAD + chunked(ROLE, HEL, FAILED), Outcome.ERROR, None, "engine_dead", id="error event"),
        pytest.param(HEAD + chunked(ROLE, HEL), Outcome.CUT, None, "without its ending", id="no ending"),
        pytest.param(HEAD + chunked(ROLE, HEL, ended=False), Outcome.CUT, None, "was closed", id="connection lost"),
        pytest.param(sized(b'{"usage":{"prompt_tokens":4}}'), Outcome.COMPLETE, (4, 0), "", id="embedding"),
        pytest.param(sized(b'{"error":{"code":"quota"}}', b"429 Slow"), Outcome.REFUSED, None, "quota", id="refused"),
        pytest.param(sized(b"oops", b"502 Bad"), Outcome.ERROR, None, "HTTP 502", id="no JSON"),
        pytest.param(sized(b'{"error":{"code":"x"}}'), Outcome.ERROR, None, "x", id="an error with status 200"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", Outcome.CUT, None, "closed", id="half a JSON"),
        pytest.param(b"", Outcome.CUT, None, "closed", id="no answer"),
    ],
)
def test_every_end_has_its_name(answer: bytes, outcome: Outcome, tokens: tuple[int, int] | None, error: str) -> None:
    """And the engine's count where it gave one."""
    found = read(answer)
    assert (found.outcome, error in found.error) == (outcome, True)
    assert tokens is None or (found.prompt_tokens, found.output_tokens) == tokens


def test_the_first_token_is_the_first_with_content() -> None:
    """Neither the role nor an empty delta is one."""
    assert read(HEAD + chunked(ROLE, ROLE, USAGE, DONE)).first_s is None
    found = read(HEAD + chunked(ROLE, HEL, LO, USAGE, DONE))
    assert found.first_s is not None
    assert found.first_s < found.end_s


def test_events_may_come_in_any_pieces() -> None:
    """A chunk of HTTP is no event."""
    events = ROLE + HEL + LO + USAGE + DONE
    found = read(HEAD + chunked(*(events[at : at + 7] for at in range(0, len(events), 7))), keep=True)
    assert (found.outcome, found.text, found.output_tokens) == (Outcome.COMPLETE, "Hello", 3)


def test_a_client_may_leave() -> None:
    """On purpose, after so many chunks: no failure, and the connection is gone."""
    found = read(HEAD + chunked(ROLE, *(HEL for _ in range(9)), ended=False), cancel_after=3)
    assert found.outcome is Outcome.CANCELLED
    assert found.output_tokens >= 3
